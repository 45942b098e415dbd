/** Host names: short names, wildcards, and the domains under which a proxy may call a service. */

/** Istio: a name without a dot is completed in the object's namespace; wildcards and dotted names stand as written. */
export function resolveHost(host: string, namespace: string, domainSuffix: string): string {
  if (host.includes('.') || host.startsWith('*')) return host;
  return domainSuffix === '' ? `${host}.${namespace}` : `${host}.${namespace}.svc.${domainSuffix}`;
}

export function isWildcard(host: string): boolean {
  return host.startsWith('*');
}

/** Does `pattern` (exact, `*.x` or `*`) cover `host`, which may itself be a wildcard? */
export function hostCovers(pattern: string, host: string): boolean {
  if (!isWildcard(pattern)) return pattern === host;
  const suffix = pattern.slice(1);
  return isWildcard(host) ? host.slice(1).endsWith(suffix) : host.length > suffix.length && host.endsWith(suffix);
}

/** The most specific of `patterns` that covers `host`: exact before longest wildcard before earlier. -1 when none. */
export function mostSpecificMatch(host: string, patterns: readonly string[]): number {
  let best = -1;
  for (let i = 0; i < patterns.length; i++) {
    const pattern = patterns[i] ?? '';
    if (pattern === host) return i;
    if (isWildcard(pattern) && hostCovers(pattern, host) && (best < 0 || pattern.length > (patterns[best] ?? '').length)) best = i;
  }
  return best;
}

/**
 * Domains of a Kubernetes host for a proxy with this DNS domain (`<ns>.svc.<cluster domain>`): the name itself, with a
 * trailing dot, and every shorter form that the proxy's search path completes. Any other host has only itself.
 */
export function hostDomains(hostname: string, dnsDomain: string): readonly string[] {
  const [proxyNamespace, svc, ...cluster] = dnsDomain.split('.');
  const suffix = `.${svc}.${cluster.join('.')}`;
  if (svc !== 'svc' || isWildcard(hostname)) return [hostname];
  if (!hostname.endsWith(suffix)) return [hostname];
  const head = hostname.slice(0, -suffix.length);
  const dot = head.lastIndexOf('.');
  const namespace = head.slice(dot + 1);
  if (dot < 0) return [hostname, `${hostname}.`];
  const name = head.slice(0, dot);
  const short = namespace === proxyNamespace ? [name] : [];
  return [hostname, `${hostname}.`, ...short, `${head}.svc`, head];
}

/** Virtual host domains put IPv6 addresses in brackets. */
export function addressDomain(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
