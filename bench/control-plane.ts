/**
 * The control plane with 1000 proxies: cold start, one endpoint change, one change of a VirtualService's weight. Server
 * and proxies are one process each. A change's clock runs from the decoded object entering the registry to each proxy
 * having the whole message; every proxy's names and versions are compared with the server's, and every ACK is waited for.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { type BenchOptions, type BenchRow, cpuTimeMs, limitRow, median, quantile, rssMb, spreadOf } from './bench.ts';
import { portNumber, type ShapeName, sharedHost } from './control-plane/mesh.ts';
import type { FromClients, FromServer, ToClients, ToServer } from './control-plane/protocol.ts';

export const name = 'control-plane';

interface Limits {
  readonly shape: ShapeName;
  readonly title: string;
  readonly rssMb: number;
  readonly weightMs: number;
  readonly cpuMs?: number;
}

const cases: readonly Limits[] = [
  { shape: 'scoped', title: '1000 proxies, each sees 100 of 1000 services', rssMb: 350, weightMs: 150 },
  { shape: 'all', title: '1000 proxies, 100 services x 2 endpoints seen by all', rssMb: 300, weightMs: 100, cpuMs: 2000 },
];

const endpointMs = 50;
const coldStartMs = 3000;
const cpuSettleMs = 300;

interface Measured {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly rssMb: number;
  readonly bytesPerProxy: number;
  /** p99 over the proxies, one per change. */
  readonly endpoint: readonly number[];
  readonly weight: readonly number[];
  readonly weightBytes: number;
}

export async function run(options: BenchOptions): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const limits of cases) {
    const rounds: Measured[] = [];
    for (let round = 0; round < (options.quick ? 1 : 3); round++) {
      const measured = await measure(limits.shape, options.quick ? { proxies: 200, changes: 5 } : { proxies: 1000, changes: 50 });
      options.log(
        `${limits.shape} ${round + 1}: ${Math.round(measured.wallMs)} ms wall, ${Math.round(measured.cpuMs)} ms CPU, ${Math.round(measured.rssMb)} MB, ` +
          `${Math.round(measured.bytesPerProxy / 1024)} KB each; p99 endpoint ${median(measured.endpoint).toFixed(1)} ms, ` +
          `weight ${median(measured.weight).toFixed(1)} ms (${Math.round(measured.weightBytes / 1024)} KB)`,
      );
      rounds.push(measured);
    }
    rows.push(...rowsOf(limits, rounds));
  }
  return rows;
}

function rowsOf(limits: Limits, rounds: readonly Measured[]): BenchRow[] {
  const { title } = limits;
  const kb = Math.round(median(rounds.map(({ bytesPerProxy }) => bytesPerProxy)) / 1024);
  const all = limits.shape === 'all';
  const elsewhere = (figure: string) => (all ? `istiod on one core, measured elsewhere: ${figure}` : undefined);
  const values = (pick: (measured: Measured) => number) => rounds.map(pick);
  const latency = (what: string, pick: (measured: Measured) => readonly number[], limit: number, note?: string): BenchRow => {
    const ours = median(rounds.flatMap(pick));
    return {
      what: `${title}: ${what}`,
      ours,
      unit: 'ms p99',
      target: `<= ${limit} ms p99`,
      met: ours <= limit,
      spread: spreadOf(rounds.map((m) => median(pick(m)))),
      note,
    };
  };
  const cpu = values(({ cpuMs }) => cpuMs);
  return [
    limitRow(
      `${title}: cold start (${kb} KB each)`,
      'ms',
      values(({ wallMs }) => wallMs),
      coldStartMs,
      elsewhere('67 s'),
    ),
    limits.cpuMs
      ? limitRow(`${title}: server CPU of the cold start`, 'ms CPU', cpu, limits.cpuMs, elsewhere('20 CPU s'))
      : { what: `${title}: server CPU of the cold start`, ours: median(cpu), unit: 'ms CPU', spread: spreadOf(cpu) },
    limitRow(
      `${title}: server's resident memory`,
      'MB',
      values(({ rssMb: mb }) => mb),
      limits.rssMb,
      elsewhere('986 MB'),
    ),
    latency('one endpoint change to all', ({ endpoint }) => endpoint, endpointMs, elsewhere('470 ms')),
    latency('one VirtualService weight change to all', ({ weight }) => weight, limits.weightMs, elsewhere('2 s')),
  ];
}

async function measure(shape: ShapeName, size: { readonly proxies: number; readonly changes: number }): Promise<Measured> {
  const server = start<ToServer, FromServer>('server.ts');
  const clients = start<ToClients, FromClients>('clients.ts');
  try {
    server.send({ do: 'start', shape });
    const { port, routeNames } = await server.next('listening');
    const pid = server.pid;
    const cpuBefore = cpuTimeMs(pid);
    clients.send({ do: 'start', shape, proxies: size.proxies, port, routeNames });
    const configured = await clients.next('configured');
    await new Promise((resolve) => setTimeout(resolve, cpuSettleMs));
    const cpuMs = cpuTimeMs(pid) - cpuBefore;
    let highest = rssMb(pid);
    await compare(server, clients, size.proxies);
    const changes = async (sort: 'endpoint' | 'weight') => {
      const p99: number[] = [];
      let bytes = 0;
      for (let i = 1; i <= size.changes; i++) {
        const of =
          sort === 'endpoint'
            ? ({ type: 'eds', name: `outbound|${portNumber}||${sharedHost}` } as const)
            : ({ type: 'rds', name: String(portNumber) } as const);
        clients.send({ do: 'expect', ...of });
        await clients.next('ready');
        server.send({ do: sort, change: i });
        const { at } = await server.next('changed');
        const received = await clients.next('received');
        p99.push(
          quantile(
            received.at.map((time) => time - at),
            0.99,
          ),
        );
        bytes = received.bytes;
        highest = Math.max(highest, rssMb(pid));
        // Every ACK has arrived before the next change; the pause lets both processes come to rest.
        server.send({ do: 'settle' });
        const { reached } = await server.next('settled');
        if (reached !== size.proxies) throw new Error(`${reached} of ${size.proxies} proxies acknowledged`);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      return { p99, bytes };
    };
    const endpoint = await changes('endpoint');
    const weight = await changes('weight');
    await compare(server, clients, size.proxies);
    const wallMs = Math.max(...configured.doneAt) - configured.startedAt;
    return {
      wallMs,
      cpuMs,
      rssMb: highest,
      bytesPerProxy: configured.bytesPerProxy,
      endpoint: endpoint.p99,
      weight: weight.p99,
      weightBytes: weight.bytes,
    };
  } finally {
    server.send({ do: 'quit' });
    clients.send({ do: 'quit' });
    await Promise.all([server.ended, clients.ended]);
  }
}

/** Every proxy must have exactly the names and versions that the server thinks it has. */
async function compare(server: Child<ToServer, FromServer>, clients: Child<ToClients, FromClients>, proxies: number): Promise<void> {
  server.send({ do: 'check' });
  const ours = await server.next('checked');
  clients.send({ do: 'check' });
  const theirs = await clients.next('checked');
  if (theirs.wrong.length > 0) throw new Error(`proxies complain: ${theirs.wrong.join('; ')}`);
  if (ours.reached !== proxies || ours.rejected > 0)
    throw new Error(`${ours.reached} of ${proxies} proxies acknowledged, ${ours.rejected} rejected`);
  for (const [namespace, digest] of Object.entries(ours.digests)) {
    const states = theirs.digests[namespace] ?? [];
    if (states.length !== 1 || states[0] !== digest)
      throw new Error(`proxies of ${namespace} are in ${states.length} states, or in another than the server's`);
  }
}

interface Child<To, From extends { readonly is: string }> {
  readonly pid: number;
  send(message: To): void;
  next<Is extends From['is']>(is: Is): Promise<Extract<From, { readonly is: Is }>>;
  readonly ended: Promise<void>;
}

/**
 * A small young generation: by default V8 lets it grow to 48 MB and the old one with it, which adds a hundred megabytes
 * to a server that lives on long-lived shared bytes, and saves no CPU time.
 */
const nodeFlags = ['--max-semi-space-size=8', '-C', 'source'];

function start<To, From extends { readonly is: string }>(file: string): Child<To, From> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'control-plane', file), { execArgv: nodeFlags, serialization: 'json' });
  const arrived: From[] = [];
  const waiting: { readonly is: string; take(message: From): void }[] = [];
  let gone: (error: Error) => void = () => {};
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const died = new Promise<never>((_, reject) => {
    gone = reject;
  });
  died.catch(() => {});
  child.once('exit', (code) => gone(new Error(`${file} ended with code ${code}`)));
  child.on('message', (message) => {
    const said = message as From;
    const at = waiting.findIndex(({ is }) => is === said.is);
    const [taker] = at < 0 ? [] : waiting.splice(at, 1);
    if (taker) taker.take(said);
    else arrived.push(said);
  });
  return {
    pid: child.pid ?? 0,
    send: (message) => void (child.connected && child.send(message as object)),
    next(is) {
      type Wanted = Extract<From, { readonly is: typeof is }>;
      const at = arrived.findIndex((message) => message.is === is);
      if (at >= 0) return Promise.resolve(arrived.splice(at, 1)[0] as Wanted);
      return Promise.race([died, new Promise<Wanted>((resolve) => waiting.push({ is, take: (message) => resolve(message as Wanted) }))]);
    },
    ended,
  };
}
