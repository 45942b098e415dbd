import type { ApiKind } from '../kinds.ts';

/** How a list merges: by a key of its items, as a set of plain values, or (undefined) as one value. */
export type ListRule = { readonly key: string } | 'set' | undefined;

const byName = { key: 'name' };
const byType = { key: 'type' };

const inContainer: Readonly<Record<string, ListRule>> = {
  env: byName,
  ports: { key: 'containerPort' },
  volumeMounts: { key: 'mountPath' },
  volumeDevices: { key: 'devicePath' },
};

const inPodSpec: Readonly<Record<string, ListRule>> = {
  containers: byName,
  initContainers: byName,
  ephemeralContainers: byName,
  volumes: byName,
  imagePullSecrets: byName,
  resourceClaims: byName,
  schedulingGates: byName,
  hostAliases: { key: 'ip' },
  topologySpreadConstraints: { key: 'topologyKey' },
  ...Object.fromEntries(
    ['containers', 'initContainers', 'ephemeralContainers'].flatMap((list) =>
      Object.entries(inContainer).map(([field, rule]) => [`${list}.${field}`, rule]),
    ),
  ),
};

const everywhere: Readonly<Record<string, ListRule>> = {
  'metadata.finalizers': 'set',
  'metadata.ownerReferences': { key: 'uid' },
};

/** By kind, then by path without indexes. Kubernetes' API reference, "patch strategy" and "map type" of core/v1 and apps/v1. */
const byKind: Readonly<Record<string, Readonly<Record<string, ListRule>>>> = {
  '/Service': { 'spec.ports': { key: 'port' }, 'status.conditions': byType },
  '/Namespace': { 'status.conditions': byType },
  '/ServiceAccount': { secrets: byName, imagePullSecrets: byName },
  '/Pod': { ...under('spec', inPodSpec), 'status.conditions': byType, 'status.podIPs': { key: 'ip' }, 'status.hostIPs': { key: 'ip' } },
  'apps/Deployment': { ...under('spec.template.spec', inPodSpec), 'spec.template.metadata.finalizers': 'set', 'status.conditions': byType },
};

/** The rule of the list at a path (`spec.template.spec.containers.env`). */
export function listRule(kind: Pick<ApiKind, 'group' | 'kind'>, path: string): ListRule {
  return everywhere[path] ?? byKind[`${kind.group}/${kind.kind}`]?.[path] ?? (path === 'status.conditions' ? byType : undefined);
}

function under(prefix: string, rules: Readonly<Record<string, ListRule>>): Record<string, ListRule> {
  return Object.fromEntries(Object.entries(rules).map(([path, rule]) => [`${prefix}.${path}`, rule]));
}
