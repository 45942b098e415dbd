/** The API server that commands speak to: the running mesh's own, or that of a kubeconfig. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { createKubeClient, type KubeResource } from '#kube/client.ts';
import { type KubeAccess, loadKubeconfig } from '#kube/kubeconfig.ts';
import { hasReason } from '#kube/status.ts';
import { runningControlPlane } from '#process/runtime-file.ts';
import type { Flags } from './command.ts';
import type { Io } from './io.ts';
import type { ApiKind, ObjectApi, WatchEvent } from './object-api.ts';
import { runningMesh, stateDir } from './session.ts';

/** Servers end watches from time to time; each lives at most so long. */
const watchSeconds = 300;

/** Connects by `--kubeconfig`, else the running mesh, else KUBECONFIG, else `~/.kube/config`. Nothing is sent yet. */
export async function connectObjects(flags: Flags, io: Io): Promise<ObjectApi> {
  const access = accessFor(flags, io);
  const client = createKubeClient(access);
  return {
    defaultNamespace: access.namespace,
    list: (kind, query) => client.list(resourceOf(kind), query),
    async get(kind, namespace, name) {
      try {
        return await client.get(resourceOf(kind), kind.namespaced ? { namespace, name } : { name });
      } catch (error) {
        if (hasReason(error, 'NotFound')) return undefined;
        throw error;
      }
    },
    apply: (kind, object, { dryRun }) =>
      client.apply({ ...resourceOf(kind), version: versionOf(object.apiVersion) }, object, 'meshwright', { dryRun }),
    remove: (kind, namespace, name, { dryRun }) =>
      client.delete(resourceOf(kind), kind.namespaced ? { namespace, name } : { name }, { dryRun }),
    async *watch(kind, query, resourceVersion, signal): AsyncGenerator<WatchEvent> {
      let from = resourceVersion;
      while (!signal.aborted) {
        try {
          for await (const { type, object } of client.watch(
            resourceOf(kind),
            query,
            { resourceVersion: from, timeoutSeconds: watchSeconds },
            signal,
          )) {
            from = object.metadata.resourceVersion ?? from;
            if (type !== 'BOOKMARK') yield { type, object };
          }
        } catch (error) {
          if (signal.aborted) return;
          if (!hasReason(error, 'Expired') && !hasReason(error, 'Gone')) throw error;
          from = (await client.list(resourceOf(kind), query)).resourceVersion;
        }
      }
    },
  };
}

function accessFor(flags: Flags, io: Io): KubeAccess {
  const context = flags.text('context');
  const options = context === undefined ? {} : { context };
  const named = flags.text('kubeconfig');
  if (named) return loadKubeconfig([resolve(io.cwd, named)], options);
  const running = runningControlPlane(stateDir(flags, io));
  if (running && context === undefined) return loadKubeconfig([running.kubeconfig]);
  if (io.env.KUBECONFIG) return loadKubeconfig(io.env.KUBECONFIG.split(delimiter).filter(Boolean), options);
  const usual = join(io.env.HOME ?? homedir(), '.kube', 'config');
  return existsSync(usual) ? loadKubeconfig([usual], options) : loadKubeconfig([runningMesh(flags, io).kubeconfig], options);
}

function resourceOf(kind: ApiKind): KubeResource {
  return { group: kind.group, version: kind.versions[0] ?? 'v1', plural: kind.plural, kind: kind.kind, namespaced: kind.namespaced };
}

/** `networking.istio.io/v1` to `v1`. */
function versionOf(apiVersion: string): string {
  return apiVersion.split('/').at(-1) ?? apiVersion;
}
