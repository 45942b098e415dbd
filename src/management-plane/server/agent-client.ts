import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { Fault } from '#base/fault.ts';
import type { AgentClient } from './sources.ts';

/** Largest answer read from an agent. */
const maxBytes = 16 * 1024 * 1024;

/**
 * Speaks HTTP to agents over their Unix sockets (`unix:<path>`) or loopback addresses. `authorization` gives the header
 * for agents that are not behind a socket of mode 0600.
 */
export function createAgentClient(authorization?: (address: string) => string | undefined): AgentClient {
  const open = (address: string, path: string, signal: AbortSignal) =>
    new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      const header = authorization?.(address);
      const outgoing = request(
        { ...target(address), path, signal, agent: false, headers: header ? { authorization: header } : {} },
        (response) => {
          if (response.statusCode === 200) return resolve(response);
          response.destroy();
          reject(new Fault('agent_refused', `agent at ${address} answered ${response.statusCode} to ${path}, expected 200`));
        },
      );
      outgoing.on('error', (cause) =>
        reject(new Fault('agent_unreachable', `agent at ${address}: ${cause.message}`, { cause, retryable: true })),
      );
      outgoing.end();
    });

  return {
    async stats(address, signal) {
      const response = await open(address, '/stats/prometheus', signal);
      const parts: Buffer[] = [];
      let size = 0;
      for await (const part of response) {
        size += part.length;
        if (size > maxBytes) {
          response.destroy();
          throw new Fault('agent_too_long', `agent at ${address} answered more than ${maxBytes} bytes of statistics`);
        }
        parts.push(part);
      }
      return Buffer.concat(parts).toString('utf8');
    },
    async *tap(address, signal) {
      const response = await open(address, '/tap', signal);
      yield* createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY });
    },
  };
}

function target(address: string): { socketPath: string } | { host: string; port: number } {
  if (address.startsWith('unix:')) return { socketPath: address.slice('unix:'.length) };
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== 'http:' || !/^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/.test(url.hostname)) {
    throw new Fault('agent_address', `agent address ${address} is neither unix:<path> nor http:// on loopback`);
  }
  return { host: url.hostname.replace(/[[\]]/g, ''), port: Number(url.port || 80) };
}
