import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import type { KubeAccess } from './kubeconfig.ts';
import { readStatus, StatusFault } from './status.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

/** Requests to one API server over kept-alive connections. */
export interface Transport {
  /** The whole answer as text. Throws `StatusFault` for refusals, the Fault `KUBE_UNREACHABLE` when there is no answer. */
  send(request: ApiRequest): Promise<string>;
  /** The answer's lines as they come; ends when the server ends it. */
  lines(request: ApiRequest): AsyncGenerator<string>;
  close(): void;
}

const answerLimitBytes = 256 * 1024 * 1024;
const lineLimitBytes = 16 * 1024 * 1024;
const requestTimeoutMs = 60_000;

export function createTransport(access: KubeAccess): Transport {
  const secure = access.server.startsWith('https:');
  // A dead peer behind a silent watch is found by TCP's own probes.
  const agentOptions = { keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 8 };
  const agent = secure ? new Agent({ ...agentOptions, ...access.tls() }) : new HttpAgent(agentOptions);

  const open = (request: ApiRequest, isRepeated = false): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const headers = {
        ...access.headers(),
        accept: 'application/json',
        'user-agent': 'meshwright',
        ...(request.body === undefined
          ? {}
          : { 'content-type': request.contentType ?? 'application/json', 'content-length': String(Buffer.byteLength(request.body)) }),
      };
      const options = { method: request.method, headers, agent, ...(request.signal ? { signal: request.signal } : {}) };
      const outgoing = (secure ? httpsRequest : httpRequest)(`${access.server}${request.path}`, options, resolve);
      outgoing.setTimeout(requestTimeoutMs, () => outgoing.destroy(new Error(`no answer within ${requestTimeoutMs / 1000} s`)));
      outgoing.on('error', (error) => {
        // A kept connection that the server closed in the same moment says nothing about the server.
        const isStale = outgoing.reusedSocket && codeOf(error) === 'ECONNRESET' && request.method === 'GET' && !isRepeated;
        if (isStale) open(request, true).then(resolve, reject);
        else reject(unreachable(access, error));
      });
      outgoing.end(request.body);
    });
  const refuse = async (request: ApiRequest, answer: IncomingMessage): Promise<never> => {
    const code = answer.statusCode ?? 0;
    const text = await readText(answer, access);
    throw new StatusFault(
      readStatus(code, parseOrUndefined(text), `${request.method} ${request.path} was answered with ${code}: ${text.slice(0, 200)}`),
    );
  };
  const isGood = (answer: IncomingMessage) => (answer.statusCode ?? 0) >= 200 && (answer.statusCode ?? 0) < 300;

  return {
    async send(request) {
      const answer = await open(request);
      return isGood(answer) ? readText(answer, access) : refuse(request, answer);
    },
    async *lines(request) {
      const answer = await open(request);
      if (!isGood(answer)) await refuse(request, answer);
      // A watch may be silent for long.
      answer.socket.setTimeout(0);
      try {
        yield* splitLines(answer);
      } catch (error) {
        throw error instanceof Fault ? error : unreachable(access, error);
      } finally {
        answer.destroy();
      }
    },
    close: () => agent.destroy(),
  };
}

async function readText(answer: IncomingMessage, access: KubeAccess): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer) {
      if (!Buffer.isBuffer(chunk)) continue;
      size += chunk.length;
      if (size > answerLimitBytes)
        throw new Fault('KUBE_TOO_LARGE', `${access.server} sent more than ${answerLimitBytes} bytes in one answer`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof Fault ? error : unreachable(access, error);
  }
  return Buffer.concat(chunks, size).toString('utf8');
}

async function* splitLines(answer: IncomingMessage): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer) {
    if (!Buffer.isBuffer(chunk)) continue;
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = chunk.subarray(from, end);
      yield parts.length === 0 ? line.toString('utf8') : Buffer.concat([...parts, line]).toString('utf8');
      parts = [];
      size = 0;
      from = end + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
    size += chunk.length - from;
    if (size > lineLimitBytes) throw new Fault('KUBE_TOO_LARGE', `a watch event is larger than ${lineLimitBytes} bytes`);
  }
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreachable(access: KubeAccess, error: unknown): Fault {
  return new Fault('KUBE_UNREACHABLE', `the API server ${access.server} cannot be reached: ${messageOf(error)}`, {
    cause: error,
    retryable: true,
    fix: 'Check that it runs and that the kubeconfig names its address and authority.',
  });
}
