import { type Flags, UsageError } from './command.ts';
import { findKind, findKinds, type KindName } from './kind-name.ts';

/** One named object, or all objects of a kind when `name` is absent. */
export interface ObjectTarget {
  readonly kind: KindName;
  readonly name?: string;
  /** As written (`NAME.NAMESPACE`); undefined: the command's. */
  readonly namespace?: string;
}

/** Reads `KIND`, `KIND NAME...`, `KIND/NAME ...`, `KIND1,KIND2` as kubectl does. */
export function parseTargets(words: readonly string[]): readonly ObjectTarget[] {
  const [first = '', ...rest] = words;
  if (words.some((word) => word.includes('/'))) {
    const bare = words.find((word) => !word.includes('/'));
    if (bare !== undefined) throw new UsageError(`${bare} stands beside KIND/NAME`, 'write KIND NAME... or KIND/NAME..., not both');
    return words.map((word) => {
      const [kind = '', name = ''] = word.split('/');
      return named(oneKind(kind), name);
    });
  }
  const kinds = findKinds(first);
  if (rest.length === 0) return kinds.map((kind) => ({ kind }));
  return kinds.flatMap((kind) => rest.map((name) => named(kind, name)));
}

function oneKind(name: string): KindName {
  const kind = findKind(name);
  if (!kind) throw new UsageError(`no kind is called ${name}`, 'see "meshwright explain --help"');
  return kind;
}

/** Object names hold dots rarely; `NAME.NAMESPACE` is looked for only where the kind has namespaces. */
function named(kind: KindName, text: string): ObjectTarget {
  if (text === '') throw new UsageError(`a name is missing after ${kind.singular}/`);
  const dot = text.lastIndexOf('.');
  if (!kind.namespaced || dot <= 0) return { kind, name: text };
  return { kind, name: text.slice(0, dot), namespace: text.slice(dot + 1) };
}

/** The namespace asked for: undefined means all. */
export function namespaceOf(flags: Flags, fallback: string): string | undefined {
  return flags.on('all-namespaces') ? undefined : (flags.text('namespace') ?? fallback);
}
