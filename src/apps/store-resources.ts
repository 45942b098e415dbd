import type { ObjectStore } from '#apiserver/store.ts';
import { messageOf } from '#base/fault.ts';
import type { Problem } from '#base/problem.ts';
import type { KubeObject } from '#kube/object.ts';
import { splitApiVersion } from '#kube/object.ts';
import { StatusFault } from '#kube/status.ts';
import { apiVersionOf, type KindDefinition } from '#resources/kind.ts';
import { kinds } from '#resources/kinds.ts';
import type { FieldValidation, ObjectKey, KubeObject as PageObject, ResourceAccess, WriteOptions, WriteOutcome } from '#server/sources.ts';

/** Kinds whose content must not reach a browser. */
const hidden = new Set(['Secret']);
const defaultLimit = 500;

/** The embedded API server's store as the page's server wants it. */
export function storeResources(store: ObjectStore): ResourceAccess {
  const shown = kinds.filter((kind) => !hidden.has(kind.kind));
  const byKind = new Map(shown.map((kind) => [kind.kind, kind]));
  return {
    kinds: () => shown.map(toKindInfo),
    async list(kind, options) {
      const definition = byKind.get(kind);
      if (!definition) return { items: [] };
      const all = store.list(definition, options.namespace);
      const start = Math.max(0, Number.parseInt(options.continueToken ?? '0', 10) || 0);
      const end = start + (options.limit ?? defaultLimit);
      return { items: all.slice(start, end), ...(end < all.length ? { continueToken: String(end) } : {}) };
    },
    async get(key) {
      const definition = byKind.get(key.kind);
      return definition && store.get({ ...definition, ...refOf(key) });
    },
    async write(object, options) {
      return write(store, byKind, object, options);
    },
    async remove(key, options) {
      const definition = byKind.get(key.kind);
      if (!definition) return refused('not-found', `no kind ${key.kind} is served`);
      return outcome(() => store.delete({ group: definition.group, kind: definition.kind, ...refOf(key) }, options));
    },
    watch(listener) {
      return store.subscribe(
        (event) => {
          const type = event.type === 'ADDED' ? 'added' : event.type === 'MODIFIED' ? 'modified' : 'deleted';
          listener({ type, object: event.object });
        },
        { kinds: shown },
      );
    },
  };
}

function write(store: ObjectStore, byKind: ReadonlyMap<string, KindDefinition>, object: PageObject, options: WriteOptions): WriteOutcome {
  const { group, version } = splitApiVersion(object.apiVersion);
  const definition = byKind.get(object.kind);
  if (definition?.group !== group || !definition.versions.includes(version)) {
    return refused('not-found', `no kind ${object.kind} is served in ${object.apiVersion}`);
  }
  const checked = check(definition, object, options.fieldValidation);
  const errors = checked.filter((problem) => problem.severity === 'error');
  if (errors.length > 0) {
    return {
      ok: false,
      reason: 'invalid',
      message: `${object.kind} ${object.metadata.name} has ${errors.length} problem(s)`,
      problems: checked,
    };
  }
  const namespace = definition.namespaced ? (object.metadata.namespace ?? 'default') : undefined;
  const before = store.get({ group, kind: object.kind, name: object.metadata.name, ...(namespace ? { namespace } : {}) });
  const { managedFields: _managed, ...given } = object.metadata;
  const resourceVersion = options.resourceVersion ?? given.resourceVersion ?? before?.metadata.resourceVersion;
  const metadata = {
    ...given,
    ...(namespace ? { namespace } : {}),
    ...(before && resourceVersion ? { resourceVersion } : { resourceVersion: undefined }),
  };
  const wanted: KubeObject = { ...object, metadata };
  const result = outcome(() => (before ? store.update(wanted, options) : store.create(wanted, options)));
  return result.ok ? { ...result, warnings: checked.map((problem) => `${problem.path}: ${problem.message}`) } : result;
}

function check(definition: KindDefinition, object: PageObject, validation: FieldValidation): readonly Problem[] {
  const unknownFields = validation === 'Strict' ? 'error' : 'warning';
  const { problems } = definition.decode(object, { source: 'kubernetes' }, { unknownFields });
  return validation === 'Ignore' ? problems.filter((problem) => problem.severity === 'error') : problems;
}

function outcome(write: () => KubeObject): WriteOutcome {
  try {
    return { ok: true, object: write(), warnings: [] };
  } catch (error) {
    if (!(error instanceof StatusFault)) throw error;
    const { reason, message, details } = error.status;
    const problems = (details?.causes ?? []).map(
      (cause): Problem => ({
        code: 'MW0105',
        severity: 'error',
        path: cause.field,
        message: cause.message,
        fix: 'Correct the field and apply again.',
      }),
    );
    if (reason === 'NotFound') return { ...refused('not-found', message), problems };
    if (reason === 'Conflict' || reason === 'AlreadyExists') return { ...refused('conflict', message), problems };
    return { ok: false, reason: 'invalid', message: messageOf(error), problems };
  }
}

function refused(reason: 'not-found' | 'conflict', message: string): WriteOutcome & { readonly ok: false } {
  return { ok: false, reason, message, problems: [] };
}

function refOf(key: ObjectKey): { readonly name: string; readonly namespace?: string } {
  return key.namespace === '' ? { name: key.name } : { name: key.name, namespace: key.namespace };
}

function toKindInfo(kind: KindDefinition) {
  const { plural, namespaced, shortNames } = kind;
  return { apiVersion: apiVersionOf(kind, kind.versions[0] ?? 'v1'), kind: kind.kind, plural, namespaced, shortNames };
}
