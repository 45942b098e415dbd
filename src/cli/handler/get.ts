import { Fault } from '#base/fault.ts';
import type { KubeObject } from '#kube/object.ts';
import type { Invocation } from '../command.ts';
import { UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { type KindName, qualifiedName } from '../kind-name.ts';
import type { ObjectApi } from '../object-api.ts';
import { namespaceOf, type ObjectTarget, parseTargets } from '../object-target.ts';
import { connectObjects } from '../objects.ts';
import { type Format, formatValue, parseFormat } from '../output/format.ts';
import { tableColumns, tableRow } from '../output/object-table.ts';
import { formatTable } from '../output/table.ts';

interface Found {
  readonly kind: KindName;
  readonly items: readonly KubeObject[];
  readonly resourceVersion: string;
}

/** `meshwright get`. */
export async function get(invocation: Invocation): Promise<ExitCode> {
  const { flags, io } = invocation;
  const format = parseFormat(flags.text('output'));
  const targets = parseTargets(invocation.arguments);
  const named = targets.some(({ name }) => name !== undefined);
  if (named && (flags.on('all-namespaces') || flags.text('selector')))
    throw new UsageError('a name goes with neither -A nor -l', 'leave out the name or the flag');
  const api = await connectObjects(flags, io);
  const namespace = namespaceOf(flags, api.defaultNamespace);
  const missing: string[] = [];
  const found: Found[] = [];
  for (const [kind, group] of Map.groupBy(targets, (target) => target.kind)) {
    found.push(await findGroup(api, kind, group, { namespace, selector: flags.text('selector'), missing }));
  }
  const count = found.reduce((sum, { items }) => sum + items.length, 0);
  if (count > 0 || format.kind === 'json' || format.kind === 'yaml' || format.kind === 'jsonpath') {
    show(found, format, { io, named, allNamespaces: namespace === undefined, headers: !flags.on('no-headers') });
  } else if (missing.length === 0 && !flags.on('watch')) {
    io.err(
      namespace === undefined ? 'No objects found in any namespace.' : `No objects found in namespace ${namespace}. All namespaces: -A.`,
    );
  }
  if (flags.on('watch')) return watch(api, found, invocation, { format, namespace });
  if (missing.length === 0 || flags.on('ignore-not-found')) return exitCode.ok;
  for (const text of missing) io.err(`meshwright: ${text} does not exist`);
  return exitCode.failed;
}

interface Scope {
  readonly namespace: string | undefined;
  readonly selector: string | undefined;
  readonly missing: string[];
}

async function findGroup(api: ObjectApi, kind: KindName, targets: readonly ObjectTarget[], scope: Scope): Promise<Found> {
  if (targets.some(({ name }) => name === undefined)) {
    const query = {
      ...(kind.namespaced && scope.namespace ? { namespace: scope.namespace } : {}),
      ...(scope.selector ? { labelSelector: scope.selector } : {}),
    };
    return { kind, ...(await api.list(kind, query)) };
  }
  const items: KubeObject[] = [];
  for (const target of targets) {
    const { name = '' } = target;
    const home = scope.namespace ?? api.defaultNamespace;
    // A name with a dot may be NAME.NAMESPACE or just a name.
    const whole = target.namespace === undefined ? name : `${name}.${target.namespace}`;
    const object =
      (await api.get(kind, home, whole)) ?? (target.namespace === undefined ? undefined : await api.get(kind, target.namespace, name));
    if (object) items.push(object);
    else scope.missing.push(`${qualifiedName(kind)} ${kind.namespaced ? `${home}/` : ''}${whole}`);
  }
  return { kind, items, resourceVersion: '' };
}

interface Showing {
  readonly io: Io;
  readonly named: boolean;
  readonly allNamespaces: boolean;
  readonly headers: boolean;
}

function show(found: readonly Found[], format: Format, { io, named, allNamespaces, headers }: Showing): void {
  const objects = found.flatMap(({ items }) => items);
  if (format.kind === 'name') {
    for (const { kind, items } of found) for (const { metadata } of items) io.out(`${qualifiedName(kind)}/${metadata.name}`);
  } else if (format.kind === 'table' || format.kind === 'wide') {
    const full = found.filter(({ items }) => items.length > 0);
    for (const [i, { kind, items }] of full.entries()) {
      if (i > 0) io.out('');
      const options = { wide: format.kind === 'wide', namespace: allNamespaces && kind.namespaced, now: Date.now() };
      const rows = items.map((object) => tableRow(kind, object, options));
      if (full.length > 1)
        for (const row of rows) row[options.namespace ? 1 : 0] = `${qualifiedName(kind)}/${row[options.namespace ? 1 : 0]}`;
      const lines = formatTable(tableColumns(kind, options), rows, options.wide ? Number.POSITIVE_INFINITY : io.width);
      for (const line of headers ? lines : lines.slice(1)) io.out(line);
    }
  } else {
    const single = named && objects.length === 1 ? objects[0] : undefined;
    io.out(formatValue(single ?? { apiVersion: 'v1', kind: 'List', metadata: { resourceVersion: '' }, items: objects }, format));
  }
}

async function watch(
  api: ObjectApi,
  found: readonly Found[],
  { flags, io, signal }: Invocation,
  { format, namespace }: { readonly format: Format; readonly namespace: string | undefined },
): Promise<ExitCode> {
  const [only] = found;
  if (!only || found.length > 1) throw new UsageError('--watch takes one kind', 'start one command per kind');
  const { kind } = only;
  const selector = flags.text('selector');
  const scope = { ...(kind.namespaced && namespace ? { namespace } : {}), ...(selector ? { labelSelector: selector } : {}) };
  const names = new Set(only.resourceVersion === '' ? only.items.map(({ metadata }) => metadata.name) : []);
  const from = only.resourceVersion || (await api.list(kind, scope)).resourceVersion;
  const options = { wide: format.kind === 'wide', namespace: namespace === undefined && kind.namespaced };
  try {
    for await (const { type, object } of api.watch(kind, scope, from, signal)) {
      if (names.size > 0 && !names.has(object.metadata.name)) continue;
      if (format.kind === 'name') io.out(`${qualifiedName(kind)}/${object.metadata.name}`);
      else if (format.kind === 'table' || format.kind === 'wide') {
        const row = tableRow(kind, object, { ...options, now: Date.now() });
        const [, line = ''] = formatTable(tableColumns(kind, options), [row], Number.POSITIVE_INFINITY);
        io.out(type === 'DELETED' ? io.paint('dim', `${line}   (deleted)`) : line);
      } else io.out(format.kind === 'yaml' ? `---\n${formatValue(object, format)}` : formatValue(object, format));
    }
  } catch (error) {
    if (!signal.aborted) throw error instanceof Fault ? error : new Fault('unreachable', 'the watch broke off', { cause: error });
  }
  return exitCode.ok;
}
