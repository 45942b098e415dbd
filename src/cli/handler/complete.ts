import { namespaceKind } from '#resources/core/namespace.ts';
import { workloadEntryKind } from '#resources/networking/workload-entry-kind.ts';
import type { Invocation } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import { findKind } from '../kind-name.ts';
import { connectObjects } from '../objects.ts';
import { servedKinds } from '../served-kinds.ts';
import { type Suggestion, suggest } from '../suggestions.ts';

/** A shell waits this long for live names, no longer. */
const patienceMs = 300;

/** `meshwright complete -- WORDS...`: what may stand at the end, one per line with a tab before its description. */
export async function complete(invocation: Invocation): Promise<ExitCode> {
  const { io, arguments: words, commands } = invocation;
  const suggested = suggest(words.length === 0 ? [''] : words, commands);
  if (suggested.kind === 'words') {
    print(suggested.words, io.out);
    return exitCode.ok;
  }
  print(suggested.also, io.out);
  const typed = (words.at(-1) ?? '').slice(suggested.before.length);
  if (suggested.what === 'file') io.out(':files');
  else if (suggested.what === 'kind') {
    const names = servedKinds.flatMap(({ plural, description }) => ({ text: plural, about: description.split('. ')[0] ?? '' }));
    print(
      names.filter(({ text }) => text.startsWith(typed)),
      io.out,
    );
  } else {
    const names = await withinPatience(liveNames(suggested.what, suggested.given, invocation));
    print(
      names.filter((name) => name.startsWith(typed)).map((name) => ({ text: suggested.before + name })),
      io.out,
    );
  }
  return exitCode.ok;
}

async function liveNames(what: string, given: readonly string[], { flags, io }: Invocation): Promise<string[]> {
  const kind = what === 'namespace' ? namespaceKind : what === 'workload' ? workloadEntryKind : findKind(given[0] ?? '');
  if (!kind) return [];
  const api = await connectObjects(flags, io);
  const { items } = await api.list(kind, kind.namespaced && what === 'object' ? { namespace: api.defaultNamespace } : {});
  const taken = new Set(given.slice(1));
  return items.map(({ metadata }) => metadata.name).filter((name) => !taken.has(name));
}

/** No names when there is no mesh, or when it is slow: a shell must not hang. */
function withinPatience(names: Promise<string[]>): Promise<string[]> {
  return Promise.race([names.catch(() => []), new Promise<string[]>((resolve) => setTimeout(resolve, patienceMs, []))]);
}

function print(suggestions: readonly Suggestion[], out: (text: string) => void): void {
  for (const { text, about } of suggestions) out(about ? `${text}\t${about}` : text);
}
