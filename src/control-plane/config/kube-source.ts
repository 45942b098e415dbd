import type { KubeClient, KubeResource, Selection } from '#kube/client.ts';
import type { KubeObject } from '#kube/object.ts';
import type { Reflectors } from '#kube/reflector.ts';
import { hasReason } from '#kube/status.ts';
import { meshConfigMap } from '#resources/core/config-map.ts';
import { apiVersionOf, type KindDefinition } from '#resources/kind.ts';
import { objectKey, type Source } from './source.ts';

export interface KubeSourceOptions {
  readonly client: KubeClient;
  /** Shared by all who follow this server; whoever made them runs them. */
  readonly reflectors: Reflectors;
  readonly kinds: readonly KindDefinition[];
}

/** A status write that meets another writer is tried again with the newest object, this often. */
const conflictTries = 4;

/** Configuration from an API server over the network. */
export function kubeSource({ client, reflectors, kinds }: KubeSourceOptions): Source {
  return {
    name: 'kubernetes',
    async run(sink, signal) {
      const unsynced = new Set(kinds);
      const ends = kinds.map((kind) => {
        const reflector = reflectors.of(resourceOf(kind), selectionOf(kind));
        let isSynced = reflector.isSynced();
        const apiVersion = apiVersionOf(kind, kind.versions[0] ?? 'v1');
        // Some servers leave apiVersion and kind out of the items of a list.
        const put = (object: KubeObject) =>
          sink.put(placeOf(kind, object), {
            raw: { ...object, apiVersion: object.apiVersion ?? apiVersion, kind: kind.kind },
            origin: { source: 'kubernetes' },
          });
        const end = reflector.subscribe(
          ({ type, object }) => {
            // The first list comes object by object; it is taken over in one batch when it is complete.
            if (!isSynced) return;
            if (type === 'DELETED') sink.remove(placeOf(kind, object));
            else put(object);
          },
          () => {
            isSynced = true;
            sink.batch(() => {
              for (const object of reflector.list()) put(object);
            });
            unsynced.delete(kind);
            if (unsynced.size === 0) sink.synced();
          },
        );
        return end;
      });
      await new Promise<void>((resolve) =>
        signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      for (const end of ends) end();
    },
    async writeStatus(ref, change) {
      const kind = kinds.find((one) => one.group === ref.group && one.kind === ref.kind);
      if (!kind) return;
      const where = ref.namespace ? { namespace: ref.namespace, name: ref.name } : { name: ref.name };
      for (let tries = 1; ; tries++) {
        try {
          const object = await client.get(resourceOf(kind), where);
          const status = change(object);
          if (status !== undefined) await client.update(resourceOf(kind), { ...object, status }, { subresource: 'status' });
          return;
        } catch (error) {
          if (hasReason(error, 'NotFound')) return;
          if (!hasReason(error, 'Conflict') || tries >= conflictTries) throw error;
        }
      }
    },
  };
}

function resourceOf({ group, versions, plural, kind, namespaced }: KindDefinition): KubeResource {
  return { group, version: versions[0] ?? 'v1', plural, kind, namespaced };
}

/** Of all the ConfigMaps of a cluster, which may be large, only the one that the mesh reads. */
function selectionOf({ group, kind }: KindDefinition): Selection {
  if (group !== '' || kind !== 'ConfigMap') return {};
  return { namespace: meshConfigMap.namespace, fieldSelector: `metadata.name=${meshConfigMap.name}` };
}

function placeOf(kind: KindDefinition, { metadata }: KubeObject): string {
  return objectKey({ kind: kind.kind, namespace: metadata.namespace ?? '', name: metadata.name });
}
