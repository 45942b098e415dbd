import { type Invocation, UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import { readObjects } from '../files.ts';
import { type KindName, qualifiedName } from '../kind-name.ts';
import type { ObjectApi } from '../object-api.ts';
import { type ObjectTarget, parseTargets } from '../object-target.ts';
import { connectObjects } from '../objects.ts';
import { servedKindFor } from '../served-kinds.ts';

interface Doomed {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name: string;
}

/** `meshwright delete`: by name, by label, or what files name (in reverse order, so that what was applied last goes first). */
export async function deleteObjects(invocation: Invocation): Promise<ExitCode> {
  const { flags, io } = invocation;
  const files = flags.all('filename');
  const words = invocation.arguments;
  if (files.length === 0 && words.length === 0) throw new UsageError('nothing to delete', 'name a KIND and a NAME, or a file with -f');
  if (files.length > 0 && words.length > 0) throw new UsageError('a kind goes not with -f', 'give one of both');
  const api = await connectObjects(flags, io);
  const namespace = flags.text('namespace') ?? api.defaultNamespace;
  const doomed = files.length > 0 ? await fromFiles(files, namespace, invocation) : await fromWords(api, namespace, invocation);
  if (!doomed) return exitCode.badInput;
  const where = flags.text('dry-run') ?? 'none';
  let missing = 0;
  for (const { kind, namespace: home, name } of doomed) {
    const there =
      where === 'client'
        ? (await api.get(kind, home, name)) !== undefined
        : await api.remove(kind, home, name, { dryRun: where === 'server' });
    const label = `${qualifiedName(kind)} "${name}"`;
    if (there) io.out(`${label} deleted${where === 'none' ? '' : where === 'server' ? ' (server dry run)' : ' (dry run)'}`);
    else if (!flags.on('ignore-not-found')) {
      missing++;
      io.err(`meshwright: ${label} does not exist${kind.namespaced ? ` in namespace ${home}` : ''}`);
    }
  }
  if (doomed.length === 0) io.err('No objects found.');
  return missing > 0 ? exitCode.failed : exitCode.ok;
}

async function fromFiles(files: readonly string[], namespace: string, { flags, io }: Invocation): Promise<Doomed[] | undefined> {
  const { objects, problems } = await readObjects(files, io, { recursive: flags.on('recursive'), namespace });
  // Only what cannot be read stops a deletion: an object that is not valid may be stored all the same.
  const unreadable = problems.filter(({ path, severity }) => severity === 'error' && path === '' && objects.length === 0);
  for (const problem of unreadable) io.err(`${problem.origin?.file ?? ''}:${problem.line ?? ''}: ${problem.message}`);
  if (unreadable.length > 0) return undefined;
  return objects.toReversed().flatMap(({ object, place }) => {
    const kind = servedKindFor(object.apiVersion, object.kind);
    if (!kind) throw new UsageError(`${place}: ${object.apiVersion} ${object.kind} is no kind that Meshwright knows`);
    return [{ kind, namespace: object.metadata.namespace ?? namespace, name: object.metadata.name }];
  });
}

async function fromWords(api: ObjectApi, namespace: string, { arguments: words, flags }: Invocation): Promise<Doomed[]> {
  const targets = parseTargets(words);
  const selector = flags.text('selector');
  const unnamed = targets.filter(({ name }) => name === undefined);
  if (unnamed.length > 0 && !selector && !flags.on('all')) {
    throw new UsageError('a name is missing', 'give names, -l LABELS, or --all for every object of the kind in the namespace');
  }
  const lists = await Promise.all(
    unnamed.map(async ({ kind }) => {
      const query = { ...(kind.namespaced ? { namespace } : {}), ...(selector ? { labelSelector: selector } : {}) };
      const { items } = await api.list(kind, query);
      return items.map(({ metadata }) => ({ kind, namespace: metadata.namespace ?? '', name: metadata.name }));
    }),
  );
  const named = targets.filter((target): target is ObjectTarget & { name: string } => target.name !== undefined);
  const resolved = await Promise.all(named.map((target) => resolveName(api, namespace, target)));
  return [...lists.flat(), ...resolved];
}

/** A name with a dot may be NAME.NAMESPACE or just a name: what exists decides. */
async function resolveName(api: ObjectApi, namespace: string, target: ObjectTarget & { name: string }): Promise<Doomed> {
  if (target.namespace === undefined) return { kind: target.kind, namespace, name: target.name };
  const whole = `${target.name}.${target.namespace}`;
  if (await api.get(target.kind, namespace, whole)) return { kind: target.kind, namespace, name: whole };
  return { kind: target.kind, namespace: target.namespace, name: target.name };
}
