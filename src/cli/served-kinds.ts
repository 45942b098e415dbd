import type { ApiKind } from '#apiserver/kinds.ts';
import { plainKinds } from '#apiserver/plain-kinds.ts';
import { apiVersionOf } from '#resources/kind.ts';
import { kinds } from '#resources/kinds.ts';

/** What the command line reads of a kind; the mesh's own kinds and those that the API server only keeps both have it. */
export type ServedKind = ApiKind;

/** Every kind of the embedded API server: the mesh's own first. */
export const servedKinds: readonly ServedKind[] = [...kinds, ...plainKinds];

const byVersionAndKind = new Map(
  servedKinds.flatMap((kind) => kind.versions.map((version) => [`${apiVersionOf(kind, version)}/${kind.kind}`, kind] as const)),
);

export function servedKindFor(apiVersion: string, kind: string): ServedKind | undefined {
  return byVersionAndKind.get(`${apiVersion}/${kind}`);
}
