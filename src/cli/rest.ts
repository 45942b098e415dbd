/** The REST API of the running mesh (management-plane/server), as commands use it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import type { Flags } from './command.ts';
import type { Io } from './io.ts';
import { runningMesh, stateDir } from './session.ts';

/** Answers are awaited so long; streams have no limit once they began. */
const patienceMs = 10_000;

export interface Rest {
  /** The JSON at a path below `/api/v1`. A refusal is a Fault with the server's own code, message and fix. */
  get<Answer>(path: string, signal?: AbortSignal): Promise<Answer>;
  post<Answer>(path: string, body: unknown, signal?: AbortSignal): Promise<Answer>;
  /** Lines of an NDJSON stream until it ends or `signal` aborts. */
  lines(path: string, signal: AbortSignal): AsyncGenerator<string>;
}

/** The API of the mesh that runs with this state folder. */
export function connectRest(flags: Flags, io: Io): Rest {
  const running = runningMesh(flags, io);
  if (!running.pageUrl)
    throw new Fault('unreachable', 'the running mesh serves no REST API', { fix: 'Start it without switching off its page.' });
  const base = `${running.pageUrl.replace(/\/$/, '')}/api/v1`;
  const token = readToken(join(stateDir(flags, io), 'page-token'));
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const ask = async <Answer>(path: string, init: RequestInit, signal?: AbortSignal): Promise<Answer> => {
    const limit = AbortSignal.timeout(patienceMs);
    const response = await send(`${base}${path}`, { ...init, signal: signal ? AbortSignal.any([signal, limit]) : limit });
    return decodeAnswer<Answer>(await response.text(), response.status);
  };
  return {
    get: (path, signal) => ask(path, { headers }, signal),
    post: (path, body, signal) =>
      ask(path, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }, signal),
    async *lines(path, signal) {
      const response = await send(`${base}${path}`, { headers, signal });
      if (!response.ok || !response.body) decodeAnswer(await response.text(), response.status);
      else yield* linesOf(response.body, signal);
    },
  };
}

async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error;
    const late = error instanceof Error && error.name === 'TimeoutError';
    throw new Fault(
      late ? 'timed-out' : 'unreachable',
      `${new URL(url).origin} ${late ? `did not answer within ${patienceMs / 1000} s` : `cannot be reached: ${codeOf(cause) || messageOf(cause)}`}`,
      {
        cause: error,
        fix: 'Look at its state with "meshwright check".',
      },
    );
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for await (const chunk of body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') yield line;
    }
  } catch (error) {
    if (!signal.aborted)
      throw new Fault('unreachable', `the stream broke off: ${messageOf(error)}`, {
        cause: error,
        fix: 'Look at the mesh with "meshwright check".',
      });
  }
}

/** The answer's JSON; a refusal becomes a Fault. */
function decodeAnswer<Answer>(text: string, status: number): Answer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Fault('bad-answer', `the server answered ${status} with something that is no JSON`, { cause: error });
  }
  if (status < 400) return value as Answer;
  const refusal = value as { readonly code?: string; readonly message?: string; readonly fix?: string };
  throw new Fault(refusal.code ?? 'refused', refusal.message ?? `the server answered ${status}`, { fix: refusal.fix ?? '' });
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
