import type { Scope } from './scope.ts';

/** Where the proxy offers an HTTP proxy (absolute-form requests and CONNECT) to its program; undefined when it does not. */
export function httpProxyOf(scope: Pick<Scope, 'mesh' | 'proxy'>): { readonly bind: string; readonly port: number } | undefined {
  const { httpProxy } = scope.proxy;
  if (httpProxy && httpProxy.port > 0) return httpProxy;
  const port = scope.mesh.proxyHttpPort;
  return port > 0 ? { bind: scope.proxy.ipAddresses[0]?.includes(':') ? '::1' : '127.0.0.1', port } : undefined;
}
