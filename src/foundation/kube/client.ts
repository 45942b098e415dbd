import { Fault } from '#base/fault.ts';
import type { KubeAccess } from './kubeconfig.ts';
import { isJsonObject, type JsonObject, joinApiVersion, type KubeObject } from './object.ts';
import { hasReason, readStatus, StatusFault } from './status.ts';
import { createTransport } from './transport.ts';

/** One kind as paths name it. */
export interface KubeResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface KubeRef {
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly name: string;
}

export interface Selection {
  /** All namespaces when absent. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface KubeList {
  readonly items: readonly KubeObject[];
  /** Where a watch goes on from. */
  readonly resourceVersion: string;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  /** Of a bookmark only `metadata.resourceVersion` means something. */
  readonly object: KubeObject;
}

export interface WriteOptions {
  readonly dryRun?: boolean;
  readonly subresource?: 'status';
}

export type PatchType = 'json' | 'merge' | 'strategic';

/**
 * A lean client of one API server. All objects come without managedFields. Refusals are `StatusFault`s with the server's
 * reason, a missing server is the Fault `KUBE_UNREACHABLE` (retryable).
 */
export interface KubeClient {
  get(resource: KubeResource, ref: KubeRef): Promise<KubeObject>;
  /** All pages. */
  list(resource: KubeResource, selection?: Selection): Promise<KubeList>;
  create(resource: KubeResource, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  update(resource: KubeResource, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  patch(resource: KubeResource, ref: KubeRef, type: PatchType, patch: unknown, options?: WriteOptions): Promise<KubeObject>;
  /** Server-side apply; takes over fields of other managers. */
  apply(resource: KubeResource, object: KubeObject, manager: string, options?: WriteOptions): Promise<KubeObject>;
  /** Gone already is no failure: then false. */
  delete(resource: KubeResource, ref: KubeRef, options?: { readonly uid?: string; readonly dryRun?: boolean }): Promise<boolean>;
  /** Events after a version until the server ends the stream. Throws `KUBE_EXPIRED` when the version is too old. */
  watch(
    resource: KubeResource,
    selection: Selection,
    from: { readonly resourceVersion: string; readonly timeoutSeconds: number },
    signal?: AbortSignal,
  ): AsyncGenerator<WatchEvent>;
  close(): void;
}

const pageSize = 500;
const patchTypes: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

export function createKubeClient(access: KubeAccess): KubeClient {
  const transport = createTransport(access);
  const write = async (method: 'POST' | 'PUT' | 'PATCH', path: string, body: unknown, contentType?: string) =>
    toObject(await transport.send({ method, path, body: JSON.stringify(body), ...(contentType ? { contentType } : {}) }));

  const listFrom = async (resource: KubeResource, selection: Selection, limit: number): Promise<KubeList> => {
    const items: KubeObject[] = [];
    for (let token = ''; ; ) {
      const path = pathOf(resource, selection.namespace, '', {
        ...selectors(selection),
        ...(limit > 0 ? { limit: String(limit) } : {}),
        continue: token,
      });
      const page = readList(await transport.send({ method: 'GET', path }), resource);
      items.push(...page.items);
      token = page.continue;
      if (token === '') return { items, resourceVersion: page.resourceVersion };
    }
  };

  return {
    get: async (resource, ref) => toObject(await transport.send({ method: 'GET', path: pathOf(resource, ref.namespace, ref.name) })),
    async list(resource, selection = {}) {
      try {
        return await listFrom(resource, selection, pageSize);
      } catch (error) {
        // The first page grew too old while the others were read: one large answer cannot.
        if (hasReason(error, 'Expired') || hasReason(error, 'Gone')) return listFrom(resource, selection, 0);
        throw error;
      }
    },
    create: (resource, object, options = {}) => write('POST', pathOf(resource, object.metadata.namespace, '', writeQuery(options)), object),
    update: (resource, object, options = {}) => write('PUT', objectPath(resource, object, options), object),
    patch: (resource, ref, type, patch, options = {}) =>
      write('PATCH', objectPath(resource, { metadata: ref }, options), patch, patchTypes[type]),
    apply: (resource, object, manager, options = {}) =>
      write(
        'PATCH',
        objectPath(resource, object, options, { fieldManager: manager, force: 'true' }),
        object,
        'application/apply-patch+yaml',
      ),
    async delete(resource, ref, options = {}) {
      const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...(options.uid ? { preconditions: { uid: options.uid } } : {}) };
      const path = objectPath(resource, { metadata: ref }, { dryRun: options.dryRun });
      try {
        await transport.send({ method: 'DELETE', path, body: JSON.stringify(body) });
        return true;
      } catch (error) {
        if (hasReason(error, 'NotFound')) return false;
        throw error;
      }
    },
    async *watch(resource, selection, from, signal) {
      const query = {
        ...selectors(selection),
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: from.resourceVersion,
        timeoutSeconds: String(from.timeoutSeconds),
      };
      const path = pathOf(resource, selection.namespace, '', query);
      for await (const line of transport.lines({ method: 'GET', path, ...(signal ? { signal } : {}) })) {
        if (line.trim() !== '') yield readEvent(line);
      }
    },
    close: () => transport.close(),
  };
}

function pathOf(
  resource: KubeResource,
  namespace: string | undefined,
  name: string,
  query: Readonly<Record<string, string>> = {},
  subresource = '',
): string {
  const root = `/${resource.group === '' ? 'api' : 'apis'}/${joinApiVersion(resource.group, resource.version)}`;
  const space = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const object = name === '' ? '' : `/${encodeURIComponent(name)}${subresource === '' ? '' : `/${subresource}`}`;
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  return `${root}${space}/${resource.plural}${object}${text === '' ? '' : `?${text}`}`;
}

function objectPath(
  resource: KubeResource,
  object: { readonly metadata: KubeRef },
  options: WriteOptions,
  query: Readonly<Record<string, string>> = {},
): string {
  const { namespace, name } = object.metadata;
  return pathOf(resource, namespace, name, { ...query, ...writeQuery(options) }, options.subresource);
}

function writeQuery(options: WriteOptions): Record<string, string> {
  return options.dryRun ? { dryRun: 'All' } : {};
}

function selectors(selection: Selection): Record<string, string> {
  return { labelSelector: selection.labelSelector ?? '', fieldSelector: selection.fieldSelector ?? '' };
}

function toObject(text: string): KubeObject {
  return readLean(parse(text));
}

function readList(text: string, resource: KubeResource): KubeList & { readonly continue: string } {
  const value = parse(text);
  const metadata = isJsonObject(value) && isJsonObject(value.metadata) ? value.metadata : {};
  const items = isJsonObject(value) && Array.isArray(value.items) ? value.items : [];
  const { kind } = resource;
  const apiVersion = joinApiVersion(resource.group, resource.version);
  return {
    // Kubernetes leaves apiVersion and kind out of the items of its own lists.
    items: items.map((item) => readLean(isJsonObject(item) ? { apiVersion, kind, ...item } : item)),
    resourceVersion: typeof metadata.resourceVersion === 'string' ? metadata.resourceVersion : '',
    continue: typeof metadata.continue === 'string' ? metadata.continue : '',
  };
}

function readEvent(line: string): WatchEvent {
  const event = parse(line);
  if (!isJsonObject(event)) throw malformed('a watch event that is no object');
  const { type, object } = event;
  if (type === 'ERROR') throw new StatusFault(readStatus(500, object, 'the watch failed'));
  if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED' && type !== 'BOOKMARK')
    throw malformed(`a watch event of type ${JSON.stringify(type)}`);
  return { type, object: readLean(object) };
}

/** managedFields are nearly half of an object's size and nobody here reads them. */
function readLean(value: unknown): KubeObject {
  if (!isJsonObject(value) || !isJsonObject(value.metadata)) throw malformed('something that is no Kubernetes object');
  const { managedFields: _cut, ...metadata } = value.metadata;
  return { ...value, metadata } as JsonObject as KubeObject;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Fault('KUBE_MALFORMED', 'the API server sent an answer that is no JSON', { cause: error });
  }
}

function malformed(what: string): Fault {
  return new Fault('KUBE_MALFORMED', `the API server sent ${what}`);
}
