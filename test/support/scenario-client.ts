/** Sends what a scenario's step says and notes what comes back. */
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { TestWorkload } from './mesh.ts';
import type { Step } from './scenario.ts';

export interface Answer {
  /** 0: the connection ended without an answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly tookMs: number;
}

const answerWithinMs = 10_000;

export async function send(client: TestWorkload, step: Step, extra: Readonly<Record<string, string>>): Promise<Answer> {
  const [verb = 'GET', ...words] = step.send.split(' ');
  const text = words.join(' ');
  const startedAt = performance.now();
  const answer = await (verb === 'TCP' ? sendTcp(client, step, text) : sendHttp(client, step, { verb, path: text, extra }));
  return { ...answer, tookMs: performance.now() - startedAt };
}

interface Target {
  readonly host: string;
  readonly port: number;
}

function authorityOf(step: Step): { readonly name: string; readonly port: number; readonly text: string } {
  const text = step.to ?? 'echo:9080';
  const [name = '', port = '80'] = text.split(':');
  return { name, port: Number(port), text };
}

async function targetOf(client: TestWorkload, step: Step): Promise<Target> {
  if (step.via === undefined || step.via === 'address') {
    const { name, port } = authorityOf(step);
    return client.reach(name, port);
  }
  const proxy = new URL(client.httpProxy);
  return { host: proxy.hostname, port: Number(proxy.port) };
}

type Untimed = Omit<Answer, 'tookMs'>;
const noAnswer: Untimed = { status: 0, headers: {}, body: '' };

async function sendHttp(
  client: TestWorkload,
  step: Step,
  what: { verb: string; path: string; extra: Readonly<Record<string, string>> },
): Promise<Untimed> {
  const target = await targetOf(client, step);
  const authority = authorityOf(step).text;
  const socket = step.via === 'connect' ? await tunnel(target, authority) : undefined;
  if (typeof socket === 'number') return { ...noAnswer, status: socket };
  const upgrade = what.verb === 'UPGRADE' ? { connection: 'Upgrade', upgrade: 'websocket' } : {};
  return new Promise((resolve) => {
    const call = request({
      ...target,
      agent: false,
      timeout: answerWithinMs,
      method: what.verb === 'UPGRADE' ? 'GET' : what.verb,
      path: step.via === 'proxy' ? `http://${authority}${what.path}` : what.path,
      headers: { host: authority, connection: 'close', ...upgrade, ...what.extra, ...step.headers },
      ...(socket ? { createConnection: () => socket } : {}),
    });
    call.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('close', () =>
        resolve({ status: response.complete ? (response.statusCode ?? 0) : 0, headers: plain(response.headers), body }),
      );
    });
    call.on('upgrade', (response, raw: Socket, head) => {
      const finish = (data: Buffer) => {
        raw.destroy();
        resolve({ status: response.statusCode ?? 0, headers: plain(response.headers), body: String(data) });
      };
      if (head.length > 0) return finish(head);
      raw.once('data', finish);
      raw.write('ping');
    });
    call.on('timeout', () => call.destroy());
    call.on('error', () => resolve(noAnswer));
    call.end(step.body);
  });
}

/** A connection through CONNECT, or the status of the refusal. */
function tunnel(proxy: Target, authority: string): Promise<Socket | number> {
  return new Promise((resolve) => {
    const call = request({ ...proxy, method: 'CONNECT', path: authority, agent: false, headers: { host: authority } });
    call.on('connect', (response, socket) => {
      if (response.statusCode === 200) return resolve(socket);
      socket.destroy();
      resolve(response.statusCode ?? 0);
    });
    call.on('response', (response) => resolve(response.statusCode ?? 0));
    call.on('error', () => resolve(0));
    call.end();
  });
}

async function sendTcp(client: TestWorkload, step: Step, text: string): Promise<Untimed> {
  const target = await targetOf(client, step);
  return new Promise((resolve) => {
    const socket = connect({ ...target, timeout: answerWithinMs });
    socket.once('data', (data) => {
      socket.destroy();
      resolve({ status: 200, headers: {}, body: String(data) });
    });
    const giveUp = () => {
      socket.destroy();
      resolve(noAnswer);
    };
    for (const event of ['error', 'close', 'timeout'] as const) socket.once(event, giveUp);
    socket.write(text);
  });
}

function plain(headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );
}
