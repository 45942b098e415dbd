import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { messageOf } from '#base/fault.ts';
import { detach } from '#base/task.ts';
import { checkOrigin, requireWriter } from '../access/guard.ts';
import type { LiveTopic } from '../api.ts';
import { tapRecord } from '../traffic/tap-record.ts';
import type { Api, Context } from './context.ts';
import { refusal } from './refusal.ts';

const topics: readonly LiveTopic[] = ['traffic', 'edges', 'findings', 'proxies', 'resources', 'mesh'];
const tapsAtOnce = 8;
/** Agents that one tap may listen to. */
const agentsPerTap = 100;
const linesWaiting = 1_000;

/** A reader names its topics in the address and may send other ones, comma-separated, at any time. */
const topicsIn = (text: string): ReadonlySet<LiveTopic> => {
  const named = text.split(',');
  return new Set(topics.filter((topic) => named.includes(topic)));
};

/** The WebSocket of changes and the stream of live requests. */
export function liveRoutes(app: Api, context: Context): void {
  const { sources, state, hub, sessions, closing, log } = context;
  let taps = 0;

  const LiveQuery = Type.Object({ topics: Type.String({ default: topics.join(','), description: `Some of ${topics.join(', ')}` }) });
  app.get(
    '/live',
    {
      websocket: true,
      schema: { summary: 'WebSocket: changes of what the other routes answer', querystring: LiveQuery },
      preValidation: async (request) => checkOrigin(request),
    },
    (socket, request) => {
      const reader = hub.attach(socket, topicsIn(request.query.topics), sources.installation.version);
      if (!reader) return socket.close(1013, 'too many pages are open');
      socket.on('message', (text: unknown) => reader.want(topicsIn(String(text))));
      socket.on('close', reader.detach);
      socket.on('error', reader.detach);
      return undefined;
    },
  );

  const TapQuery = Type.Object({
    workload: Type.Optional(Type.String({ description: 'workload/namespace/name; all when absent' })),
    service: Type.Optional(Type.String({ description: 'service/namespace/name: all its workloads' })),
  });
  app.get(
    '/tap',
    { schema: { summary: 'NDJSON stream of live requests (needs the token)', querystring: TapQuery } },
    async (request, reply) => {
      requireWriter(request, sessions);
      if (taps >= tapsAtOnce)
        throw refusal(429, 'too_many_taps', `${taps} taps are open, ${tapsAtOnce} are allowed.`, 'Close one and try again.');
      const { workload, service } = request.query;
      const members = service ? state.mesh().services.get(service)?.workloads : undefined;
      const agents = state
        .agents()
        .filter((agent) => (!workload || agent.workload === workload) && (!service || members?.includes(agent.workload)));
      if (!agents.length)
        throw refusal(404, 'no_agent', 'No agent answers for this.', 'Only workloads that joined with an agent can be tapped.');
      taps++;
      const ended = new AbortController();
      const lines = createLineQueue();
      for (const agent of agents.slice(0, agentsPerTap)) {
        const signal = AbortSignal.any([ended.signal, closing]);
        const follow = async () => {
          for await (const line of sources.agents.tap(agent.address, signal)) {
            for (const record of tapRecord(line, agent.workload)) lines.push(JSON.stringify(record));
          }
        };
        detach(follow(), (message) => {
          if (!signal.aborted)
            lines.push(JSON.stringify({ error: { code: 'agent_silent', message: `${agent.workload}: ${message}`, fix: '' } }));
        });
      }
      const end = () => {
        if (ended.signal.aborted) return;
        taps--;
        ended.abort();
        lines.end();
      };
      closing.addEventListener('abort', end, { once: true });
      const stream = Readable.from(lines.read());
      stream.on('close', end);
      stream.on('error', (error) => log.debug('tap ended', { error: messageOf(error) }));
      reply.type('application/x-ndjson').header('cache-control', 'no-store');
      // A mesh without traffic is a stream without lines: the client hears at once that it is open.
      stream.once('resume', () => reply.raw.flushHeaders());
      return reply.send(stream);
    },
  );
}

/** Lines from many writers to one reader. When the reader is too slow the oldest are dropped and it is told how many. */
function createLineQueue() {
  let waiting: string[] = [];
  let dropped = 0;
  let ended = false;
  let wake: () => void = () => undefined;
  return {
    push(line: string) {
      if (waiting.length >= linesWaiting) {
        waiting.shift();
        dropped++;
      }
      waiting.push(line);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async *read(): AsyncGenerator<string> {
      while (!ended) {
        if (waiting.length) {
          const batch = waiting;
          waiting = [];
          if (dropped) yield `${JSON.stringify({ dropped })}\n`;
          dropped = 0;
          yield `${batch.join('\n')}\n`;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}
