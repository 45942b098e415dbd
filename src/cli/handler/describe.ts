import type { KubeObject } from '#kube/object.ts';
import { isJsonObject } from '#kube/object.ts';
import { formatYaml } from '#yaml/text.ts';
import type { Invocation } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { findKind, type KindName, qualifiedName } from '../kind-name.ts';
import type { ObjectApi } from '../object-api.ts';
import { namespaceOf, parseTargets } from '../object-target.ts';
import { connectObjects } from '../objects.ts';
import { formatAge, formatTable } from '../output/table.ts';

const labelWidth = 14;

/** `meshwright describe`: an object in full, then its conditions and the events about it. */
export async function describe(invocation: Invocation): Promise<ExitCode> {
  const { flags, io } = invocation;
  const targets = parseTargets(invocation.arguments);
  const api = await connectObjects(flags, io);
  const namespace = namespaceOf(flags, api.defaultNamespace);
  const selector = flags.text('selector');
  let shown = 0;
  let missing = 0;
  for (const { kind, name, namespace: own } of targets) {
    const home = namespace ?? api.defaultNamespace;
    const objects =
      name === undefined
        ? (
            await api.list(kind, {
              ...(kind.namespaced && namespace ? { namespace } : {}),
              ...(selector ? { labelSelector: selector } : {}),
            })
          ).items
        : [
            (await api.get(kind, home, own === undefined ? name : `${name}.${own}`)) ??
              (own === undefined ? undefined : await api.get(kind, own, name)),
          ].filter((object) => object !== undefined);
    if (name !== undefined && objects.length === 0) {
      missing++;
      io.err(`meshwright: ${qualifiedName(kind)} ${own ?? home}/${name} does not exist`);
    }
    for (const object of objects) {
      if (shown > 0) io.out('\n');
      describeOne(kind, object, await eventsAbout(api, object), io);
      shown++;
    }
  }
  if (shown === 0 && missing === 0) io.err('No objects found.');
  return missing > 0 ? exitCode.failed : exitCode.ok;
}

function describeOne(kind: KindName, object: KubeObject, events: readonly KubeObject[], io: Io): void {
  const { metadata, status, apiVersion: _, kind: __, ...content } = object;
  const line = (label: string, text: string) => io.out(`${`${label}:`.padEnd(labelWidth)}${text}`);
  line('Name', metadata.name);
  if (kind.namespaced) line('Namespace', metadata.namespace ?? '');
  line('Kind', `${object.kind} (${object.apiVersion})`);
  line('Labels', pairs(metadata.labels));
  line('Annotations', pairs(withoutApplied(metadata.annotations)));
  line(
    'Created',
    `${metadata.creationTimestamp ?? 'unknown'}${metadata.creationTimestamp ? ` (${formatAge(Date.now() - Date.parse(metadata.creationTimestamp))} ago)` : ''}`,
  );
  if (metadata.generation !== undefined) line('Generation', String(metadata.generation));
  for (const [name, value] of Object.entries(content)) block(`${name[0]?.toUpperCase()}${name.slice(1)}`, value, io);
  const { conditions, ...rest } = isJsonObject(status) ? status : { conditions: undefined };
  if (Object.keys(rest).length > 0) block('Status', rest, io);
  if (Array.isArray(conditions) && conditions.length > 0) describeConditions(conditions, io);
  if (events.length === 0) {
    line('Events', 'none');
    return;
  }
  io.out('Events:');
  const rows = events.map((event) => [text(event.type), text(event.reason), ageOf(event), text(event.message)]);
  for (const row of formatTable(
    [{ name: 'type' }, { name: 'reason' }, { name: 'age' }, { name: 'message' }],
    rows,
    Number.POSITIVE_INFINITY,
  ))
    io.out(`  ${row}`);
}

function describeConditions(conditions: readonly unknown[], io: Io): void {
  io.out('Conditions:');
  for (const condition of conditions.filter(isJsonObject)) {
    const good = condition.status === 'True';
    io.out(`  ${io.paint(good ? 'good' : 'bad', `${text(condition.type)}=${text(condition.status)}`)} ${text(condition.reason)}`);
    if (condition.message) io.out(`      ${text(condition.message).replace(/\n/g, '\n      ')}`);
  }
}

function block(label: string, value: unknown, io: Io): void {
  if (!isJsonObject(value) && !Array.isArray(value)) {
    io.out(`${`${label}:`.padEnd(labelWidth)}${text(value)}`);
    return;
  }
  io.out(`${label}:`);
  io.out(formatYaml(value).trimEnd().replace(/^/gm, '  '));
}

/** Events are kept by API servers for a while only; a server without them is no failure. */
async function eventsAbout(api: ObjectApi, object: KubeObject): Promise<readonly KubeObject[]> {
  const kind = findKind('events') ?? eventKind;
  const fields = [`involvedObject.kind=${object.kind}`, `involvedObject.name=${object.metadata.name}`];
  const query = { ...(object.metadata.namespace ? { namespace: object.metadata.namespace } : {}), fieldSelector: fields.join(',') };
  try {
    return (await api.list(kind, query)).items;
  } catch {
    return [];
  }
}

const eventKind = { group: '', versions: ['v1'], kind: 'Event', plural: 'events', singular: 'event', namespaced: true } as const;

function ageOf(event: KubeObject): string {
  const at = Date.parse(text(event.lastTimestamp) || text(event.eventTime) || event.metadata.creationTimestamp || '');
  return Number.isNaN(at) ? '?' : formatAge(Date.now() - at);
}

function pairs(map: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(map ?? {}).map(([key, value]) => `${key}=${value}`);
  return entries.length === 0 ? '<none>' : entries.join(`\n${' '.repeat(labelWidth)}`);
}

/** kubectl's copy of the object in an annotation says nothing new. */
function withoutApplied(map: Readonly<Record<string, string>> | undefined): Record<string, string> {
  const { 'kubectl.kubernetes.io/last-applied-configuration': _, ...rest } = map ?? {};
  return rest;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}
