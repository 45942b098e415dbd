import { joinApiVersion } from '#kube/object.ts';
import type { KindDefinition } from '#resources/kind.ts';

/** What the API server reads of a kind; every `KindDefinition` is one. */
export type ApiKind = Pick<
  KindDefinition,
  | 'group'
  | 'versions'
  | 'kind'
  | 'plural'
  | 'singular'
  | 'shortNames'
  | 'categories'
  | 'namespaced'
  | 'hasStatus'
  | 'body'
  | 'description'
  | 'printerColumns'
  | 'schema'
  | 'statusSchema'
  | 'decode'
>;

/** The served kinds, found by what requests name. */
export interface KindTable {
  readonly all: readonly ApiKind[];
  /** The core group first, then by name; versions newest first. */
  readonly groups: readonly { readonly name: string; readonly versions: readonly string[] }[];
  /** Kinds served in one version of one group, sorted by plural; empty for an unknown one. */
  inVersion(group: string, version: string): readonly ApiKind[];
  byResource(group: string, version: string, plural: string): ApiKind | undefined;
  byKind(group: string, kind: string): ApiKind | undefined;
}

export function createKindTable(kinds: readonly ApiKind[]): KindTable {
  const byResource = new Map<string, ApiKind>();
  const byKind = new Map<string, ApiKind>();
  const versions = new Map<string, string[]>();
  for (const kind of kinds) {
    byKind.set(`${kind.group}/${kind.kind}`, kind);
    const known = versions.get(kind.group) ?? [];
    versions.set(kind.group, known);
    for (const version of kind.versions) {
      byResource.set(`${kind.group}/${version}/${kind.plural}`, kind);
      if (!known.includes(version)) known.push(version);
    }
  }
  const sorted = [...kinds].sort((a, b) => (a.plural < b.plural ? -1 : 1));
  return {
    all: sorted,
    groups: [...versions].map(([name, list]) => ({ name, versions: list.sort(newestFirst) })).sort((a, b) => (a.name < b.name ? -1 : 1)),
    inVersion: (group, version) => sorted.filter((kind) => kind.group === group && kind.versions.includes(version)),
    byResource: (group, version, plural) => byResource.get(`${group}/${version}/${plural}`),
    byKind: (group, kind) => byKind.get(`${group}/${kind}`),
  };
}

/** `networking.istio.io/v1`: the version in which objects of this kind are kept. */
export function storedApiVersion(kind: ApiKind): string {
  return joinApiVersion(kind.group, kind.versions[0] ?? 'v1');
}

/** `virtualservices.networking.istio.io`, as messages name a resource. */
export function qualifiedResource(kind: ApiKind): string {
  return kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
}

/** Kubernetes' order of versions: stable, then beta, then alpha; within each the greater number first. */
function newestFirst(a: string, b: string): number {
  return rank(b) - rank(a);
}

function rank(version: string): number {
  const [, major = '0', stage = '', minor = '0'] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? [];
  const stages: Readonly<Record<string, number>> = { '': 2, beta: 1, alpha: 0 };
  return (stages[stage] ?? 0) * 1e6 + Number(major) * 1e3 + Number(minor);
}
