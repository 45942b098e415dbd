import { joinApiVersion, type KubeObject } from '#kube/object.ts';
import { type ApiKind, storedApiVersion } from '../kinds.ts';
import { type Column, columnsFor } from '../object/columns.ts';
import { refuse } from '../status.ts';
import type { Entry } from '../storage/entry.ts';

/** How one client wants objects to look. All results are JSON text. */
export interface View {
  /** Equal keys give equal text for one object, so that watchers can share it. */
  readonly key: string;
  readonly contentType: string;
  one(object: KubeObject, now: number): string;
  entry(entry: Entry, now: number): string;
  list(entries: readonly Entry[], metadata: ListMetadata, now: number): string;
  /** An object with nothing but a resourceVersion, for bookmarks. */
  bookmark(version: number, annotations: Readonly<Record<string, string>>): string;
}

export interface ListMetadata {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/**
 * The first form of the Accept header that can be given: the object itself, a Table, or its metadata only. Refuses 406
 * when there is none.
 */
export function chooseView(accept: string, kind: ApiKind, version: string, includeObject: string): View {
  const forms = accept === '' ? ['application/json'] : accept.split(',').map((form) => form.trim().toLowerCase());
  for (const form of forms) {
    const [media = '', ...parameters] = form.split(';').map((part) => part.trim());
    if (!['application/json', 'application/*', '*/*'].includes(media)) continue;
    const named = Object.fromEntries(parameters.map((parameter) => parameter.split('=', 2)));
    if (named.as === undefined) return fullView(kind, version);
    if (named.g !== undefined && named.g !== 'meta.k8s.io') continue;
    const metaVersion = named.v === 'v1beta1' ? 'v1beta1' : 'v1';
    if (named.as === 'table') return tableView(kind, version, metaVersion, includeObject);
    if (named.as === 'partialobjectmetadata' || named.as === 'partialobjectmetadatalist') return partialView(metaVersion);
  }
  throw refuse({ code: 406, reason: 'NotAcceptable', message: 'only the following media types are accepted: application/json' });
}

function fullView(kind: ApiKind, version: string): View {
  const apiVersion = joinApiVersion(kind.group, version);
  const stored = storedApiVersion(kind);
  const storedPrefix = `{"apiVersion":${JSON.stringify(stored)}`.length;
  const prefix = `{"apiVersion":${JSON.stringify(apiVersion)}`;
  // Every version of a kind has one schema: only the name differs.
  const translate = (json: string) => (apiVersion === stored ? json : prefix + json.slice(storedPrefix));
  return {
    key: `full ${apiVersion}`,
    contentType: 'application/json',
    one: (object) => translate(JSON.stringify(object)),
    entry: (entry) => translate(entry.json),
    list: (entries, metadata) =>
      `${listHead(`${kind.kind}List`, apiVersion, metadata)}"items":[${entries.map((entry) => translate(entry.json)).join(',')}]}`,
    bookmark: (at, annotations) => JSON.stringify({ apiVersion, kind: kind.kind, metadata: bookmarkMetadata(at, annotations) }),
  };
}

function partialView(metaVersion: string): View {
  const apiVersion = `meta.k8s.io/${metaVersion}`;
  const one = (object: KubeObject) => JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata });
  return {
    key: `partial ${apiVersion}`,
    contentType: 'application/json',
    one,
    entry: (entry) => one(entry.object),
    list: (entries, metadata) =>
      `${listHead('PartialObjectMetadataList', apiVersion, metadata)}"items":[${entries.map((entry) => one(entry.object)).join(',')}]}`,
    bookmark: (at, annotations) =>
      JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion, metadata: bookmarkMetadata(at, annotations) }),
  };
}

function tableView(kind: ApiKind, version: string, metaVersion: string, includeObject: string): View {
  const columns = columnsFor(kind);
  const apiVersion = `meta.k8s.io/${metaVersion}`;
  const definitions = JSON.stringify(columns.map(({ cell: _cell, ...definition }) => definition));
  const table = (metadata: object, rows: readonly string[]) =>
    `{"kind":"Table","apiVersion":"${apiVersion}","metadata":${JSON.stringify(metadata)},"columnDefinitions":${definitions},"rows":[${rows.join(',')}]}`;
  const row = (object: KubeObject, now: number) =>
    rowOf(columns, object, now, includeObject, joinApiVersion(kind.group, version), metaVersion);
  const single = (object: KubeObject, now: number) => table({ resourceVersion: object.metadata.resourceVersion }, [row(object, now)]);
  return {
    key: `table ${apiVersion} ${version} ${includeObject}`,
    contentType: 'application/json',
    one: single,
    entry: (entry, now) => single(entry.object, now),
    list: (entries, metadata, now) =>
      table(
        metadata,
        entries.map((entry) => row(entry.object, now)),
      ),
    bookmark(at, annotations) {
      const object = { kind: 'PartialObjectMetadata', apiVersion, metadata: bookmarkMetadata(at, annotations) };
      return table({ resourceVersion: String(at) }, [JSON.stringify({ cells: columns.map(() => null), object })]);
    },
  };
}

function rowOf(
  columns: readonly Column[],
  object: KubeObject,
  now: number,
  includeObject: string,
  apiVersion: string,
  metaVersion: string,
): string {
  const cells = columns.map((column) => column.cell(object, now));
  if (includeObject === 'None') return JSON.stringify({ cells });
  if (includeObject === 'Object') return JSON.stringify({ cells, object: { ...object, apiVersion } });
  return JSON.stringify({
    cells,
    object: { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${metaVersion}`, metadata: object.metadata },
  });
}

function listHead(kind: string, apiVersion: string, metadata: ListMetadata): string {
  return `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":${JSON.stringify(metadata)},`;
}

function bookmarkMetadata(version: number, annotations: Readonly<Record<string, string>>): object {
  return { resourceVersion: String(version), creationTimestamp: null, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
}
