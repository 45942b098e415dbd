import { closest } from './closest.ts';
import { UsageError } from './command.ts';
import { type ServedKind, servedKinds } from './served-kinds.ts';

/** What the command line needs to know of a kind. */
export type KindName = ServedKind;

/** A kind by any of its names: `vs`, `VirtualService`, `virtualservices.networking.istio.io`, with a version even. */
export function findKind(name: string): KindName | undefined {
  const [first = '', ...rest] = name.toLowerCase().split('.');
  const suffix = rest.join('.');
  return servedKinds.find(
    (kind) =>
      [kind.plural, kind.singular, kind.kind.toLowerCase(), ...kind.shortNames].includes(first) &&
      (suffix === '' || suffix === kind.group || kind.versions.some((version) => suffix === `${version}.${kind.group}`)),
  );
}

/** Kinds by names with commas between, or by a category such as `all` or `istio-io`. Unknown names are usage errors. */
export function findKinds(names: string): readonly KindName[] {
  return names.split(',').flatMap((name) => {
    const kind = findKind(name);
    if (kind) return [kind];
    const category = servedKinds.filter(({ categories }) => categories.includes(name));
    if (category.length > 0) return category;
    throw new UsageError(
      `no kind is called ${name}`,
      closest(
        name,
        servedKinds.flatMap((known) => [known.plural, known.singular, ...known.shortNames]),
      ) || `kinds: ${servedKinds.map(({ plural }) => plural).join(', ')}`,
    );
  });
}

/** `virtualservice.networking.istio.io`; core kinds without the group. */
export function qualifiedName(kind: Pick<KindName, 'singular' | 'group'>): string {
  return kind.group === '' ? kind.singular : `${kind.singular}.${kind.group}`;
}
