import type { Clock } from '#base/clock.ts';
import { isJsonObject, type JsonObject, joinApiVersion, type KubeObject } from '#kube/object.ts';
import { pruneUnknown, unknownMetadata } from '../object/fields.ts';
import { readObject } from '../object/metadata.ts';
import type { Objects } from '../objects.ts';
import { applyJsonPatch } from '../patch/json-patch.ts';
import { applyMergePatch } from '../patch/merge-patch.ts';
import { applyStrategicPatch } from '../patch/strategic.ts';
import { badRequest, methodNotAllowed, notFound } from '../status.ts';
import type { DeleteOptions, ObjectRef, WriteOptions } from '../store.ts';
import { type Body, checkDepth, objectTypes, parseBody, parseOptions } from './body.ts';
import { type Exchange, header, sendJson } from './exchange.ts';
import { list, readPage } from './list.ts';
import { readTarget, type Target } from './target.ts';
import { chooseView, type View } from './view.ts';
import type { Watches } from './watch.ts';

const jsonPatch = 'application/json-patch+json';
const mergePatch = 'application/merge-patch+json';
const strategicPatch = 'application/strategic-merge-patch+json';
const applyPatch = 'application/apply-patch+yaml';

export interface ResourceContext {
  readonly objects: Objects;
  readonly watches: Watches;
  readonly clock: Clock;
}

/** Serves everything under /api/<version>/ and /apis/<group>/<version>/ that names a resource. */
export async function serveResource(exchange: Exchange, context: ResourceContext): Promise<void> {
  const target = readTarget(exchange.path, context.objects.kinds);
  const view = chooseView(header(exchange, 'accept'), target.kind, target.version, exchange.query.get('includeObject') ?? 'Metadata');
  const call: Call = { exchange, context, target, view };
  if (target.name === '') return serveCollection(call);
  const { method } = exchange;
  if (method === 'GET' || method === 'HEAD') {
    if (method === 'GET' && isWatch(exchange.query))
      return context.watches.open({ ...exchange, query: ofName(exchange.query, target.name) }, target, view);
    return answer(call, 200, mustGet(call));
  }
  if (method === 'PUT') return put(call);
  if (method === 'PATCH') return patch(call);
  if (method === 'DELETE' && target.subresource === '') return remove(call);
  throw methodNotAllowed();
}

interface Call {
  readonly exchange: Exchange;
  readonly context: ResourceContext;
  readonly target: Target;
  readonly view: View;
}

async function serveCollection(call: Call): Promise<void> {
  const { exchange, context, target, view } = call;
  if (exchange.method === 'GET' && isWatch(exchange.query)) return context.watches.open(exchange, target, view);
  if (exchange.method === 'GET' || exchange.method === 'HEAD') return list(exchange, context.objects, target, view, context.clock.now());
  if (target.kind.namespaced && target.namespace === '') throw methodNotAllowed();
  if (exchange.method === 'POST') return create(call);
  if (exchange.method === 'DELETE') return removeCollection(call);
  throw methodNotAllowed();
}

function isWatch(query: URLSearchParams): boolean {
  return ['true', '1'].includes(query.get('watch') ?? '');
}

async function create(call: Call): Promise<void> {
  const options = writeOptions(call);
  const body = await parseBody(call.exchange, objectTypes);
  const object = checkedObject(call, body.value, body);
  answer(call, 201, call.context.objects.create(object, options));
}

async function put(call: Call): Promise<void> {
  const options = writeOptions(call);
  const body = await parseBody(call.exchange, objectTypes);
  const object = checkedObject(call, body.value, body);
  const { objects } = call.context;
  answer(call, 200, call.target.subresource === 'status' ? objects.updateStatus(object, options) : objects.update(object, options));
}

/** Reading, patching and writing happen without a pause in between, so no write of others can be lost. */
async function patch(call: Call): Promise<void> {
  const { exchange, target } = call;
  const options = writeOptions(call);
  const isCore = target.kind.group === '' || !target.kind.group.includes('.') || target.kind.group.endsWith('.k8s.io');
  const accepted = [jsonPatch, mergePatch, ...(isCore ? [strategicPatch] : []), applyPatch];
  const body = await parseBody(exchange, accepted);
  const { objects } = call.context;
  if (body.mediaType === applyPatch) return apply(call, body, options);
  const current = mustGet(call);
  const shown: JsonObject = { ...current, apiVersion: joinApiVersion(target.kind.group, target.version) };
  const patched =
    body.mediaType === jsonPatch
      ? applyJsonPatch(shown, body.value)
      : body.mediaType === mergePatch
        ? mergeWith(shown, body.value)
        : applyStrategicPatch(target.kind, shown, body.value);
  // What was null or removed stays away; what is unknown is reported once, from the result.
  const object = checkedObject(call, patched, body);
  answer(call, 200, target.subresource === 'status' ? objects.updateStatus(object, options) : objects.update(object, options));
}

function mergeWith(current: unknown, patchValue: unknown): unknown {
  if (!isJsonObject(patchValue)) throw badRequest('a merge patch must be an object');
  return applyMergePatch(current, patchValue);
}

function apply(call: Call, body: Body, options: WriteOptions): void {
  const { exchange, target } = call;
  const manager = exchange.query.get('fieldManager') ?? '';
  if (manager === '') throw badRequest('PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch');
  if (
    isJsonObject(body.value) &&
    isJsonObject(body.value.metadata) &&
    Array.isArray(body.value.metadata.managedFields) &&
    body.value.metadata.managedFields.length > 0
  ) {
    throw badRequest('metadata.managedFields must be nil');
  }
  const { objects } = call.context;
  const object = checkedObject(call, body.value, body);
  const existed = objects.get(refOf(target)) !== undefined;
  if (target.subresource === 'status') answer(call, 200, objects.applyStatus(object, manager, options));
  else answer(call, existed ? 200 : 201, objects.apply(object, manager, options));
}

async function remove(call: Call): Promise<void> {
  const { exchange, context, target } = call;
  const options = deleteOptions(call, await parseOptions(exchange));
  const ref = refOf(target);
  const object = context.objects.delete(ref, options);
  if (options.dryRun !== true && context.objects.get(ref) !== undefined) return answer(call, 200, object);
  const { group, plural } = target.kind;
  const details = { name: target.name, ...(group === '' ? {} : { group }), kind: plural, uid: object.metadata.uid };
  sendJson(exchange, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
}

async function removeCollection(call: Call): Promise<void> {
  const { exchange, context, target, view } = call;
  const options = deleteOptions(call, await parseOptions(exchange));
  const page = readPage(exchange.query, context.objects, target);
  for (const { ref } of page.entries) {
    // One may be gone already, with its owner.
    if (context.objects.get(ref)) context.objects.delete(ref, options);
  }
  const metadata = { resourceVersion: String(context.objects.version()) };
  sendJson(exchange, 200, view.list(page.entries, metadata, context.clock.now()), view.contentType);
}

function answer({ exchange, view, context, target }: Call, code: number, object: KubeObject): void {
  const entry = context.objects.ledger.get(refOf(target));
  const now = context.clock.now();
  sendJson(exchange, code, entry?.object === object ? view.entry(entry, now) : view.one(object, now), view.contentType);
}

function refOf(target: Target): ObjectRef & { readonly namespace: string } {
  return { group: target.kind.group, kind: target.kind.kind, namespace: target.namespace, name: target.name };
}

function mustGet({ context, target }: Call): KubeObject {
  const object = context.objects.get(refOf(target));
  if (!object) throw notFound(target.kind, target.name);
  return object;
}

/**
 * The object of a request under the path's name and namespace, unknown fields dropped; what `fieldValidation` asks is
 * said of unknown and repeated fields (Kubernetes: Strict refuses, Warn warns, Ignore is silent).
 */
function checkedObject(call: Call, value: unknown, body: Body): KubeObject {
  const { target, exchange } = call;
  if (!isJsonObject(value)) throw badRequest('the body must be one object');
  // Patches may have nested what is shallow in itself.
  checkDepth(value);
  const { group, kind } = target.kind;
  const expected = joinApiVersion(group, target.version);
  const raw = { ...value, apiVersion: value.apiVersion ?? expected, kind: value.kind ?? kind };
  if (raw.apiVersion !== expected || raw.kind !== kind) {
    throw badRequest(
      `the object in the body is ${JSON.stringify(raw.kind)} in ${JSON.stringify(raw.apiVersion)}, but the path is for ${JSON.stringify(kind)} in ${JSON.stringify(expected)}`,
    );
  }
  const named = placed(readObject(raw), target);
  const pruned = pruneUnknown(target.kind, named);
  reportFields(exchange, `${kind} in version ${JSON.stringify(target.version)} cannot be handled as a ${kind}`, [
    ...(isJsonObject(value.metadata) ? unknownMetadata(value.metadata).map((field) => `unknown field "metadata.${field}"`) : []),
    ...pruned.unknown.map((field) => `unknown field ${JSON.stringify(field)}`),
    ...body.duplicates().map((field) => `duplicate field ${JSON.stringify(field)}`),
  ]);
  return pruned.object;
}

function placed(object: KubeObject, target: Target): KubeObject {
  const { metadata } = object;
  if (metadata.namespace !== undefined && metadata.namespace !== target.namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request (${JSON.stringify(metadata.namespace)}, ${JSON.stringify(target.namespace)})`,
    );
  }
  if (target.name !== '' && metadata.name !== '' && metadata.name !== target.name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${target.name})`);
  }
  const name = metadata.name === '' ? target.name : metadata.name;
  return { ...object, metadata: { ...metadata, name, ...(target.namespace === '' ? {} : { namespace: target.namespace }) } };
}

function reportFields(exchange: Exchange, head: string, findings: readonly string[]): void {
  const level = exchange.query.get('fieldValidation') || 'Warn';
  if (!['Strict', 'Warn', 'Ignore'].includes(level))
    throw badRequest(`fieldValidation must be Strict, Warn or Ignore, found ${JSON.stringify(level)}`);
  if (level === 'Warn') exchange.warnings.push(...findings);
  if (level === 'Strict' && findings.length > 0) throw badRequest(`${head}: strict decoding error: ${findings.join(', ')}`);
}

function writeOptions({ exchange }: Call): WriteOptions & { readonly warn: (message: string) => void } {
  return { dryRun: isDryRun(exchange.query.getAll('dryRun')), warn: (message) => exchange.warnings.push(message) };
}

function isDryRun(values: readonly unknown[]): boolean {
  const bad = values.find((value) => value !== 'All' && value !== '');
  if (bad !== undefined) throw badRequest(`dryRun must be All, found ${JSON.stringify(bad)}`);
  return values.includes('All');
}

function deleteOptions({ exchange }: Call, body: JsonObject): DeleteOptions {
  const { query } = exchange;
  const policy = query.get('propagationPolicy') ?? body.propagationPolicy ?? (body.orphanDependents === true ? 'Orphan' : 'Background');
  if (policy !== 'Background' && policy !== 'Foreground' && policy !== 'Orphan') {
    throw badRequest(`propagationPolicy must be Background, Foreground or Orphan, found ${JSON.stringify(policy)}`);
  }
  const { uid, resourceVersion } = isJsonObject(body.preconditions) ? body.preconditions : {};
  return {
    dryRun: isDryRun([...query.getAll('dryRun'), ...(Array.isArray(body.dryRun) ? body.dryRun : [])]),
    propagationPolicy: policy,
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
  };
}

/** A watch of one object is the collection's with its name selected. */
function ofName(query: URLSearchParams, name: string): URLSearchParams {
  const narrowed = new URLSearchParams(query);
  narrowed.set('fieldSelector', [`metadata.name=${name}`, query.get('fieldSelector')].filter(Boolean).join(','));
  return narrowed;
}
