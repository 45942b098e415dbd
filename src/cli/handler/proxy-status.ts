import { sleep } from '#base/task.ts';
import type { ProxyList, ProxyRow } from '#server/api.ts';
import { closest } from '../closest.ts';
import type { Invocation } from '../command.ts';
import { UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { formatValue } from '../output/format.ts';
import { formatAge, formatTable } from '../output/table.ts';
import { connectRest } from '../rest.ts';
import { isMeant, parseTarget } from '../target.ts';

/** Between two looks of `--watch`. */
const pauseMs = 1000;
const typeOrder = ['CDS', 'LDS', 'EDS', 'RDS'];

/** `meshwright proxy status [WORKLOAD]`. */
export async function proxyStatus(invocation: Invocation): Promise<ExitCode> {
  const { flags, io, signal } = invocation;
  const rest = connectRest(flags, io);
  let shown = '';
  for (;;) {
    const list = await rest.get<ProxyList>('/proxies', signal);
    const text = formatProxies(chosen(list.items, invocation), flags.text('output') ?? 'table', io, Date.now());
    const mark = JSON.stringify(list.items);
    if (mark !== shown) io.out(text);
    shown = mark;
    if (!flags.on('watch')) return exitCode.ok;
    await sleep(pauseMs, signal);
    if (signal.aborted) return exitCode.ok;
  }
}

function chosen(proxies: readonly ProxyRow[], { arguments: [name], flags }: Invocation): readonly ProxyRow[] {
  const namespace = flags.text('namespace');
  if (name === undefined) return proxies.filter((proxy) => namespace === undefined || proxy.namespace === namespace);
  const target = parseTarget(name, flags.text('namespace'));
  const found = proxies.filter((proxy) => proxy.id === name || isMeant(target, { name: proxy.workload, namespace: proxy.namespace }));
  if (found.length > 0) return found;
  throw new UsageError(
    `no proxy of ${name} is connected`,
    closest(
      name,
      proxies.map(({ workload }) => workload),
    ) || 'see "meshwright proxy status" for all',
  );
}

/** The table: one row per proxy; with `wide` one column per type. What is wrong is said below it. */
export function formatProxies(proxies: readonly ProxyRow[], format: string, io: Pick<Io, 'width' | 'paint'>, now: number): string {
  if (format === 'json' || format === 'yaml') return formatValue(proxies, { kind: format });
  if (proxies.length === 0) return 'No proxy is connected. Join a program with "meshwright run --service NAME --port PORT -- COMMAND".';
  const types = [...new Set([...typeOrder, ...proxies.flatMap((proxy) => proxy.types.map(({ name }) => name))])];
  const wide = format === 'wide';
  const columns = [
    { name: 'name', cut: 2 },
    { name: 'engine', cut: 0 },
    { name: 'state', cut: 0 },
    ...types.map((name) => ({ name, cut: 0 })),
    { name: 'age', cut: 0 },
    ...(wide ? [{ name: 'address' }, { name: 'epoch' }, { name: 'node' }] : []),
  ];
  const rows = proxies.map((proxy) => [
    `${proxy.workload}.${proxy.namespace}`,
    proxy.engine,
    proxy.state,
    ...types.map((name) => stateOf(proxy, name, now, wide)),
    formatAge(now - proxy.connectedAt),
    ...(wide ? [proxy.address, String(proxy.epoch), proxy.id] : []),
  ]);
  const lines = formatTable(columns, rows, io.width);
  const painted = lines.map((line, i) => {
    const state = proxies[i - 1]?.state;
    return state === 'rejected' ? io.paint('bad', line) : state === 'stale' ? io.paint('warn', line) : line;
  });
  const causes = proxies.flatMap((proxy) =>
    proxy.types.flatMap((type) =>
      type.error ? [io.paint('bad', `${proxy.workload}.${proxy.namespace} rejected ${type.name}: ${type.error}`)] : [],
    ),
  );
  return [...painted, ...(causes.length > 0 ? ['', ...causes] : [])].join('\n');
}

function stateOf(proxy: ProxyRow, name: string, now: number, wide: boolean): string {
  const type = proxy.types.find((candidate) => candidate.name === name);
  if (!type || type.state === 'never-sent') return '-';
  const since = type.ackedAt ?? type.sentAt;
  return wide && since !== undefined ? `${type.state} ${formatAge(now - since)}` : type.state;
}
