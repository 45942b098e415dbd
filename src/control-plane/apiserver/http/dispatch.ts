import { hash, timingSafeEqual } from 'node:crypto';
import type { SecretBytes } from '#pki/secret.ts';
import type { Logger } from '#process/log.ts';
import { methodNotAllowed, pathNotFound, refuse } from '../status.ts';
import { serveDiscovery } from './discovery.ts';
import { type Exchange, type HttpRequest, type HttpResponse, header, openExchange, sendFailure, sendJson, sendText } from './exchange.ts';
import type { OpenApi } from './openapi.ts';
import { type ResourceContext, serveResource } from './resources.ts';
import { reviewAt, serveReview } from './reviews.ts';

export interface DispatchContext extends ResourceContext {
  readonly openApi: OpenApi;
  readonly token: SecretBytes;
  readonly log: Logger;
  readonly version: string;
  /** False while closing: then /readyz says so. */
  readonly isReady: () => boolean;
}

/** Kubernetes version whose API the server speaks; clients warn when theirs is more than one minor away (tested: 1.32, 1.34). */
const kubernetesVersion = { major: '1', minor: '33' };

export function createDispatcher(context: DispatchContext): (request: HttpRequest, response: HttpResponse) => void {
  const wanted = hash('sha256', context.token.reveal(), 'buffer');
  return (request, response) => {
    const exchange = openExchange(request, response);
    // A client that goes away in the middle of an answer is no failure of ours.
    response.on('error', () => {});
    serve(exchange, context, wanted).catch((error: unknown) => {
      if (request.aborted) return;
      const code = sendFailure(exchange, error);
      if (code >= 500) context.log.error('a request failed', { method: exchange.method, path: exchange.path, code, error: String(error) });
    });
  };
}

async function serve(exchange: Exchange, context: DispatchContext, wanted: Buffer): Promise<void> {
  const { path } = exchange;
  const isRead = exchange.method === 'GET' || exchange.method === 'HEAD';
  if (isRead && /^\/(healthz|livez|readyz)(\/ping)?$/.test(path)) return serveHealth(exchange, context);
  if (isRead && path === '/version') return sendJson(exchange, 200, versionInfo(context.version));
  if (!isAllowed(header(exchange, 'authorization'), wanted)) {
    exchange.response.setHeader('www-authenticate', 'Bearer');
    throw refuse({
      code: 401,
      reason: 'Unauthorized',
      message: 'Unauthorized: send "Authorization: Bearer <token>" with the token of the kubeconfig',
    });
  }
  if (path === '/openapi/v2' || path === '/openapi/v3' || path.startsWith('/openapi/v3/'))
    return isRead ? context.openApi.serve(exchange) : refuseMethod();
  const review = reviewAt(path);
  if (review) return serveReview(exchange, review);
  const depth = path.split('/').filter((step) => step !== '').length;
  const isDiscovery = path.startsWith('/apis') ? depth <= 3 : depth <= 2;
  if (/^\/apis?(\/|$)/.test(path)) {
    if (!isDiscovery) return serveResource(exchange, context);
    return isRead ? serveDiscovery(exchange, context.objects.kinds) : refuseMethod();
  }
  if (path === '/' && isRead)
    return sendJson(exchange, 200, { paths: ['/api', '/apis', '/healthz', '/livez', '/openapi/v3', '/readyz', '/version'] });
  throw pathNotFound();
}

function refuseMethod(): never {
  throw methodNotAllowed();
}

function serveHealth(exchange: Exchange, context: DispatchContext): void {
  if (exchange.path.startsWith('/readyz') && !context.isReady()) sendText(exchange, 503, 'closing\n');
  else sendText(exchange, 200, 'ok');
}

function versionInfo(version: string) {
  return {
    ...kubernetesVersion,
    gitVersion: `v${kubernetesVersion.major}.${kubernetesVersion.minor}.0+meshwright-${version}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: 'none',
    compiler: `node ${process.version}`,
    platform: `${process.platform}/${process.arch}`,
  };
}

/** Compares digests, so that the time taken says nothing about the token. */
function isAllowed(authorization: string, wanted: Buffer): boolean {
  const [, given = ''] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
  return timingSafeEqual(hash('sha256', given, 'buffer'), wanted);
}
