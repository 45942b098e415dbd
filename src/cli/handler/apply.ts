import { Fault } from '#base/fault.ts';
import { sleep } from '#base/task.ts';
import type { KubeObject } from '#kube/object.ts';
import type { WatermarkView } from '#server/api.ts';
import { closest } from '../closest.ts';
import { type Invocation, UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import { type FileObject, readObjects } from '../files.ts';
import { type KindName, qualifiedName } from '../kind-name.ts';
import type { ObjectApi } from '../object-api.ts';
import { connectObjects } from '../objects.ts';
import { formatValue, parseDuration } from '../output/format.ts';
import { formatProblems } from '../output/problems.ts';
import { connectRest } from '../rest.ts';
import { servedKindFor, servedKinds } from '../served-kinds.ts';

/** Between two looks at how far a change has come. */
const pauseMs = 50;

/** Answers of an API server that mean: the object is wrong. */
const refusals: ReadonlySet<string> = new Set(['KUBE_INVALID', 'KUBE_BAD_REQUEST']);

/** `meshwright apply`: all files are checked before the first object is sent. */
export async function apply(invocation: Invocation): Promise<ExitCode> {
  const { flags, io } = invocation;
  const names = [...flags.all('filename'), ...invocation.arguments];
  if (names.length === 0) throw new UsageError('nothing to apply', 'name a file or folder with -f');
  const where = flags.text('dry-run') ?? 'none';
  const timeoutMs = parseDuration(flags.text('timeout') ?? '60s', 'timeout');
  const api = where === 'client' ? undefined : await connectObjects(flags, io);
  const namespace = flags.text('namespace') ?? api?.defaultNamespace ?? 'default';
  const { objects, problems } = await readObjects(names, io, { recursive: flags.on('recursive'), namespace });
  const unknown = objects.filter(({ object }) => !servedKindFor(object.apiVersion, object.kind));
  for (const line of formatProblems(problems, io)) io.err(line);
  for (const { object, place } of unknown) io.err(unknownKind(object, place));
  if (unknown.length > 0 || problems.some(({ severity }) => severity === 'error')) {
    io.err(`Nothing was applied: ${objects.length} objects read, see above for what is wrong.`);
    return exitCode.badInput;
  }
  if (objects.length === 0) throw new UsageError('the files hold no objects');
  const applied: KubeObject[] = [];
  const failures: Fault[] = [];
  for (const file of objects) {
    try {
      applied.push(await applyOne(api, file, where, invocation));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code === 'KUBE_UNREACHABLE') throw error;
      failures.push(error);
      io.err(`${file.place}: ${error.message}${error.fix ? `\n    ${error.fix}` : ''}`);
    }
  }
  if (failures.length > 0) return failures.every(({ code }) => refusals.has(code)) ? exitCode.badInput : exitCode.failed;
  return flags.text('wait') && where === 'none' ? waitUntilLive(applied, invocation, timeoutMs) : exitCode.ok;
}

async function applyOne(api: ObjectApi | undefined, { object }: FileObject, where: string, { flags, io }: Invocation): Promise<KubeObject> {
  const kind = servedKindFor(object.apiVersion, object.kind);
  if (!kind) throw new Fault('bad-input', unknownKind(object, ''));
  const dry = where === 'none' ? '' : where === 'server' ? ' (server dry run)' : ' (dry run)';
  if (!api) {
    print(object, kind, 'checked', dry, { flags, io });
    return object;
  }
  const before = await api.get(kind, object.metadata.namespace ?? '', object.metadata.name);
  const after = await api.apply(kind, object, { dryRun: where === 'server' });
  const same =
    before && (where === 'server' ? sameContent(before, after) : before.metadata.resourceVersion === after.metadata.resourceVersion);
  print(after, kind, !before ? 'created' : same ? 'unchanged' : 'configured', dry, { flags, io });
  return after;
}

function print(object: KubeObject, kind: KindName, word: string, dry: string, { flags, io }: Pick<Invocation, 'flags' | 'io'>): void {
  const format = flags.text('output');
  if (format === 'json') io.out(formatValue(object, { kind: 'json' }));
  else if (format === 'yaml') io.out(`---\n${formatValue(object, { kind: 'yaml' })}`);
  else if (format === 'name') io.out(`${qualifiedName(kind)}/${object.metadata.name}`);
  else io.out(`${qualifiedName(kind)}/${object.metadata.name} ${word}${dry}`);
}

/** Equal but for what every write changes. */
function sameContent(a: KubeObject, b: KubeObject): boolean {
  const bare = ({ metadata, status: _, ...rest }: KubeObject) => JSON.stringify([rest, metadata.labels, metadata.annotations]);
  return bare(a) === bare(b);
}

function unknownKind(object: KubeObject, place: string): string {
  const hint = closest(
    object.kind,
    servedKinds.map(({ kind }) => kind),
  );
  const versions = servedKinds.find(({ kind }) => kind === object.kind)?.versions.map((version) => version);
  const why = versions ? `; ${object.kind} is served as ${versions.join(', ')}` : hint ? `; ${hint}` : '';
  return `${place ? `${place}: ` : ''}error: ${object.apiVersion} ${object.kind} is no kind that Meshwright knows${why}`;
}

/** Waits until every connected proxy has acknowledged what the objects came to. */
async function waitUntilLive(objects: readonly KubeObject[], { flags, io, signal }: Invocation, timeoutMs: number): Promise<ExitCode> {
  const rest = connectRest(flags, io);
  const end = performance.now() + timeoutMs;
  const start = performance.now();
  for (const object of objects) {
    const { namespace = '-', name, generation = 0 } = object.metadata;
    const path = `/watermark/${encodeURIComponent(object.kind)}/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}?generation=${generation}`;
    for (;;) {
      const mark = await rest.get<WatermarkView>(path, signal);
      if (mark.rejected.length > 0) {
        io.err(`${object.kind}/${name} was rejected by ${mark.rejected.join(', ')}; see "meshwright proxy status".`);
        return exitCode.failed;
      }
      if (mark.epoch !== null && mark.live >= mark.total) break;
      if (performance.now() > end) {
        const state =
          mark.epoch === null
            ? 'the control plane has not taken it in'
            : `${mark.live} of ${mark.total} proxies run it, not yet ${mark.waiting.join(', ')}`;
        io.err(`${object.kind}/${name} is not live after ${Math.round(timeoutMs / 1000)} s: ${state}.`);
        return exitCode.timedOut;
      }
      io.progress(`${object.kind}/${name}: live on ${mark.live} of ${mark.total} proxies`);
      await sleep(pauseMs, signal);
      if (signal.aborted) return exitCode.interrupted;
    }
  }
  io.err(`live on all proxies after ${Math.round(performance.now() - start)} ms`);
  return exitCode.ok;
}
