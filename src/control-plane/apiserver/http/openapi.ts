import { hash } from 'node:crypto';
import { isJsonObject, joinApiVersion } from '#kube/object.ts';
import type { ApiKind, KindTable } from '../kinds.ts';
import { pathNotFound } from '../status.ts';
import { type Exchange, finish, header, sendJson, start } from './exchange.ts';

/** OpenAPI v3 documents, one per group and version, made on first use. */
export interface OpenApi {
  /** /openapi/v3 (the index), the documents below it, and /openapi/v2. */
  serve(exchange: Exchange): void;
}

interface Document {
  readonly json: string;
  readonly hash: string;
}

const root = '/openapi/v3';

export function createOpenApi(kinds: KindTable, serverVersion: string): OpenApi {
  const documents = new Map<string, Document>();
  const paths = kinds.groups.flatMap(({ name, versions }) =>
    versions.map((version) => ({ group: name, version, path: `${name === '' ? 'api' : 'apis'}/${joinApiVersion(name, version)}` })),
  );
  const documentOf = (at: (typeof paths)[number]): Document => {
    const known = documents.get(at.path);
    if (known) return known;
    const json = JSON.stringify(describe(kinds.inVersion(at.group, at.version), at.group, at.version, serverVersion));
    const made = { json, hash: hash('sha256', json).toUpperCase() };
    documents.set(at.path, made);
    return made;
  };
  return {
    serve(exchange) {
      if (exchange.path === '/openapi/v2') {
        serveVersion2(exchange, serverVersion);
        return;
      }
      if (exchange.path === root || exchange.path === `${root}/`) {
        const index = paths.map((at) => [at.path, { serverRelativeURL: `${root}/${at.path}?hash=${documentOf(at).hash}` }]);
        return sendJson(exchange, 200, { paths: Object.fromEntries(index) });
      }
      const at = paths.find(({ path }) => exchange.path === `${root}/${path}`);
      if (!at) throw pathNotFound();
      const document = documentOf(at);
      exchange.response.setHeader('etag', `"${document.hash}"`);
      sendJson(exchange, 200, document.json);
    },
  };
}

/**
 * The old document, without definitions: clients that want it for validation then leave that to the server, and older ones
 * (kubectl before 1.27) do not stop. Most ask for it in protobuf (gnostic: openapiv2/OpenAPIv2.proto).
 */
function serveVersion2(exchange: Exchange, serverVersion: string): void {
  const info = { title: 'Meshwright', version: serverVersion };
  if (!header(exchange, 'accept').includes('protobuf')) {
    sendJson(exchange, 200, { swagger: '2.0', info, paths: {}, definitions: {} });
    return;
  }
  // Document: swagger = 1, info = 2 { title = 1, version = 2 }.
  const field = (number: number, bytes: Buffer) => Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  const infoBytes = Buffer.concat([field(1, Buffer.from(info.title)), field(2, Buffer.from(info.version))]);
  const document = Buffer.concat([field(1, Buffer.from('2.0')), field(2, infoBytes)]);
  start(exchange, 200, {
    'content-type': 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
    'content-length': String(document.length),
  });
  finish(exchange.response, document);
}

function describe(kinds: readonly ApiKind[], group: string, version: string, serverVersion: string): object {
  return {
    openapi: '3.0.0',
    info: { title: 'Meshwright', version: serverVersion },
    paths: Object.assign({}, ...kinds.map((kind) => pathsOf(kind, version))),
    components: {
      schemas: {
        ...metadataSchemas,
        ...Object.fromEntries(kinds.map((kind) => [schemaName(kind, version), schemaOf(kind, group, version)])),
      },
    },
  };
}

/** `io.istio.networking.v1.VirtualService`: the group's domain reversed, as Kubernetes names schemas. */
function schemaName(kind: ApiKind, version: string): string {
  return [...(kind.group === '' ? ['core', 'api', 'k8s', 'io'] : kind.group.split('.')).toReversed(), version, kind.kind].join('.');
}

function schemaOf(kind: ApiKind, group: string, version: string): object {
  const body = cleanSchema(kind.schema);
  const content = kind.body === 'spec' ? { spec: body } : isJsonObject(body) && isJsonObject(body.properties) ? body.properties : {};
  const status = kind.hasStatus
    ? { status: cleanSchema(kind.statusSchema ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }) }
    : {};
  return {
    description: kind.description,
    type: 'object',
    properties: {
      apiVersion: { type: 'string', description: 'Group and version of this form of the object.' },
      kind: { type: 'string', description: 'Name of the kind.' },
      metadata: { description: 'Name, labels and what else all objects have.', default: {}, allOf: [{ $ref: reference('ObjectMeta') }] },
      ...content,
      ...status,
    },
    'x-kubernetes-group-version-kind': [{ group, kind: kind.kind, version }],
  };
}

/** JSON Schema as OpenAPI 3.0 knows it: no false `additionalProperties`, no words of our own. */
function cleanSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(cleanSchema);
  if (!isJsonObject(schema)) return schema;
  const kept = Object.entries(schema).filter(
    ([name, value]) => !name.startsWith('~') && name !== 'x-one-of' && !(name === 'additionalProperties' && typeof value === 'boolean'),
  );
  // Inside `properties` every name is a field, whatever it looks like.
  return Object.fromEntries(
    kept.map(([name, value]) => [
      name,
      name === 'properties' && isJsonObject(value)
        ? mapValues(value, cleanSchema)
        : name === 'default' || name === 'enum'
          ? value
          : cleanSchema(value),
    ]),
  );
}

function mapValues(value: Readonly<Record<string, unknown>>, change: (inner: unknown) => unknown): object {
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, change(inner)]));
}

const text = (description: string) => ({ type: 'string', description });
const textMap = (description: string) => ({ type: 'object', description, additionalProperties: { type: 'string', default: '' } });
const reference = (name: string) => `#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.${name}`;

const metadataSchemas = {
  'io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference': {
    description: 'An object that owns this one: when it goes, this one goes too.',
    type: 'object',
    required: ['apiVersion', 'kind', 'name', 'uid'],
    properties: {
      apiVersion: text('Group and version of the owner.'),
      kind: text('Kind of the owner.'),
      name: text('Name of the owner.'),
      uid: text('UID of the owner.'),
      controller: { type: 'boolean', description: 'Whether the owner is the managing controller.' },
      blockOwnerDeletion: { type: 'boolean', description: 'Whether the owner waits for this object when it is deleted in the foreground.' },
    },
  },
  'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': {
    description: 'What every object has beside its content.',
    type: 'object',
    properties: {
      name: text('Name, unique among objects of the kind in the namespace; cannot be changed.'),
      generateName: text('Prefix of a name that the server completes; used when there is no name.'),
      namespace: text('The scope of the name; cannot be changed.'),
      uid: text('Unique among all objects that ever were; set by the server.'),
      resourceVersion: text('Changes with every write; sent back with an update it guards against lost writes.'),
      generation: { type: 'integer', format: 'int64', description: 'Counts the changes of the content; set by the server.' },
      creationTimestamp: { type: 'string', format: 'date-time', description: 'When the object was made; set by the server.' },
      deletionTimestamp: { type: 'string', format: 'date-time', description: 'When the deletion was asked for; set by the server.' },
      deletionGracePeriodSeconds: { type: 'integer', format: 'int64', description: 'Time given to finish; set by the server.' },
      labels: textMap('Names and values by which objects are selected.'),
      annotations: textMap('Notes of tools; not selectable.'),
      finalizers: {
        type: 'array',
        description: 'Parties that must remove themselves before the object goes.',
        items: { type: 'string', default: '' },
        'x-kubernetes-list-type': 'set',
      },
      ownerReferences: {
        type: 'array',
        description: 'Owners; when all are gone the object goes.',
        items: { allOf: [{ $ref: reference('OwnerReference') }], default: {} },
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['uid'],
      },
    },
  },
};

const query = (name: string, description: string, type = 'string') => ({
  name,
  in: 'query',
  description,
  schema: { type, uniqueItems: true },
});
const dryRun = query('dryRun', 'All: check everything, keep nothing.');
const fieldValidation = query(
  'fieldValidation',
  'What happens to unknown and repeated fields: Strict refuses, Warn (default) warns and drops, Ignore drops.',
);
const fieldManager = query('fieldManager', 'Name of the writer; required for apply.');
const listParameters = [
  query('labelSelector', 'Only objects with these labels.'),
  query('fieldSelector', 'Only objects with these field values.'),
  query('limit', 'At most so many objects in one answer.', 'integer'),
  query('continue', 'Token of the next page.'),
  query('resourceVersion', 'Watch: after this version. List: at least this version.'),
  query('resourceVersionMatch', 'How resourceVersion is meant: Exact or NotOlderThan.'),
  query('watch', 'Send changes as they happen.', 'boolean'),
  query('allowWatchBookmarks', 'Send BOOKMARK events.', 'boolean'),
  query('sendInitialEvents', 'Begin a watch with the present objects.', 'boolean'),
  query('timeoutSeconds', 'End the watch after this time.', 'integer'),
];

function pathsOf(kind: ApiKind, version: string): object {
  const base = `/${kind.group === '' ? 'api' : 'apis'}/${joinApiVersion(kind.group, version)}`;
  const collection = kind.namespaced ? `${base}/namespaces/{namespace}/${kind.plural}` : `${base}/${kind.plural}`;
  const operation = operationsOf(kind, version);
  const pathParameters = (...names: string[]) =>
    names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } }));
  const space = kind.namespaced ? ['namespace'] : [];
  const single = (patchOnly: boolean) => ({
    get: operation('get', 'get', []),
    put: operation('update', 'put', [dryRun, fieldManager, fieldValidation], 'object'),
    patch: operation(
      'patch',
      'patch',
      [dryRun, fieldManager, fieldValidation, query('force', 'Take over fields of other managers.', 'boolean')],
      'patch',
    ),
    ...(patchOnly ? {} : { delete: operation('delete', 'delete', [dryRun, query('propagationPolicy', 'What happens to owned objects.')]) }),
    parameters: pathParameters(...space, 'name'),
  });
  return {
    ...(kind.namespaced ? { [`${base}/${kind.plural}`]: { get: operation('list', 'list', listParameters) } } : {}),
    [collection]: {
      get: operation('list', 'list', listParameters),
      post: operation('create', 'post', [dryRun, fieldManager, fieldValidation], 'object'),
      delete: operation('delete collection of', 'deletecollection', [dryRun, ...listParameters]),
      parameters: pathParameters(...space),
    },
    [`${collection}/{name}`]: single(false),
    ...(kind.hasStatus ? { [`${collection}/{name}/status`]: single(true) } : {}),
  };
}

function operationsOf(kind: ApiKind, version: string) {
  const schema = { $ref: `#/components/schemas/${schemaName(kind, version)}` };
  const patchSchema = { type: 'object' };
  const bodies = {
    object: { required: true, content: { 'application/json': { schema }, 'application/yaml': { schema } } },
    patch: {
      required: true,
      content: Object.fromEntries(
        ['application/json-patch+json', 'application/merge-patch+json', 'application/apply-patch+yaml'].map((type) => [
          type,
          { schema: patchSchema },
        ]),
      ),
    },
  };
  return (verb: string, action: string, parameters: readonly object[], body?: keyof typeof bodies) => ({
    description: `${verb} ${kind.kind}`,
    parameters,
    ...(body ? { requestBody: bodies[body] } : {}),
    responses: { 200: { description: 'OK', content: { 'application/json': { schema } } } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: kind.group, kind: kind.kind, version },
  });
}
