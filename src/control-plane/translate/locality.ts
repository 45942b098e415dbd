import type { Endpoint } from '#mesh/endpoint.ts';

/** Endpoints of one locality (or a part of them) with their weight and priority. */
export interface EndpointGroup {
  /** `region/zone/subzone`. */
  readonly locality: string;
  readonly endpoints: readonly Endpoint[];
  readonly weight: number;
  /** 0 is tried first; without gaps. */
  readonly priority: number;
}

/** What locality load balancing reads of the calling proxy and of the effective setting. Interned. */
export interface LocalityInput {
  /** Locality of the calling proxy. */
  readonly locality: string;
  /** The proxy's labels that `failoverPriority` compares, completed with the topology labels of its locality. */
  readonly labels: Readonly<Record<string, string>>;
  readonly distribute: readonly { readonly from: string; readonly to: Readonly<Record<string, number>> }[];
  readonly failover: readonly { readonly from: string; readonly to: string }[];
  readonly failoverPriority: readonly string[];
  /** Failover needs outlier detection, or a traffic distribution that asks for it. */
  readonly failoverActive: boolean;
}

/** Istio 1.30 behaviour: distribute, else failover by locality and labels. */
export function arrangeByLocality(groups: readonly EndpointGroup[], input: LocalityInput): readonly EndpointGroup[] {
  if (input.distribute.length > 0) return distribute(groups, input);
  if (!input.failoverActive) return groups;
  const byLabels = input.failoverPriority.length > 0 ? groups.flatMap((group) => splitByLabels(group, input)) : groups;
  const arranged =
    input.failoverPriority.length > 0 && input.failover.length === 0
      ? byLabels
      : byLabels.map((group) => {
          const place = failoverRank(group.locality, input);
          return { ...group, priority: input.failoverPriority.length > 0 ? group.priority * 5 + place : place };
        });
  return compact(arranged);
}

/** Does locality `rule` (`*` and missing parts match anything) cover `locality`? */
export function localityCovers(rule: string, locality: string): boolean {
  if (rule === '*') return true;
  const have = locality.split('/');
  return rule.split('/').every((part, i) => part === '*' || part === (have[i] ?? ''));
}

function distribute(groups: readonly EndpointGroup[], input: LocalityInput): readonly EndpointGroup[] {
  const rule = input.distribute.find((entry) => localityCovers(entry.from, input.locality));
  if (!rule) return groups;
  const weights = new Map<EndpointGroup, number>();
  const taken = new Set<EndpointGroup>();
  for (const [to, share] of Object.entries(rule.to)) {
    const matching = groups.filter((group) => !taken.has(group) && localityCovers(to, group.locality));
    const total = matching.reduce((sum, group) => sum + group.weight, 0);
    for (const group of matching) {
      taken.add(group);
      weights.set(group, Math.ceil((share * group.weight) / total));
    }
  }
  // Localities without a share get no traffic: they are left out.
  return groups.flatMap((group) => {
    const weight = weights.get(group) ?? 0;
    return weight > 0 ? [{ ...group, weight }] : [];
  });
}

/** 0 same subzone, 1 same zone, 2 same region (or its failover target: 3), else farther. */
function failoverRank(locality: string, input: LocalityInput): number {
  const [region = '', zone = '', subzone = ''] = input.locality.split('/');
  const [otherRegion = '', otherZone = '', otherSubzone = ''] = locality.split('/');
  if (region === otherRegion) {
    if (zone !== otherZone) return 2;
    return subzone === otherSubzone ? 0 : 1;
  }
  const target = input.failover.find((entry) => entry.from === region);
  if (!target) return 3;
  return target.to === otherRegion ? 3 : 4;
}

function splitByLabels(group: EndpointGroup, input: LocalityInput): EndpointGroup[] {
  const byPriority = new Map<number, Endpoint[]>();
  for (const endpoint of group.endpoints) {
    const priority = labelPriority(endpoint, input);
    byPriority.set(priority, [...(byPriority.get(priority) ?? []), endpoint]);
  }
  return [...byPriority.entries()]
    .sort(([a], [b]) => a - b)
    .map(([priority, endpoints]) => ({
      locality: group.locality,
      endpoints,
      weight: endpoints.reduce((sum, endpoint) => sum + endpoint.weight, 0),
      priority,
    }));
}

/** The labels are compared in order; the earlier the first difference, the lower the priority. */
function labelPriority(endpoint: Endpoint, input: LocalityInput): number {
  const labels = topologyLabels(endpoint);
  const count = input.failoverPriority.length;
  for (let i = 0; i < count; i++) {
    const [name = '', wanted] = (input.failoverPriority[i] ?? '').split('=');
    const expected = wanted ?? input.labels[name] ?? '';
    if ((labels[name] ?? '') !== expected) return count - i;
  }
  return 0;
}

export function topologyLabels(
  place: Pick<Endpoint, 'locality' | 'labels' | 'clusterId' | 'network' | 'nodeName'>,
): Readonly<Record<string, string>> {
  const [region = '', zone = '', subzone = ''] = place.locality.split('/');
  return {
    'topology.kubernetes.io/region': region,
    'topology.kubernetes.io/zone': zone,
    'topology.istio.io/subzone': subzone,
    'topology.istio.io/cluster': place.clusterId,
    'topology.istio.io/network': place.network,
    'kubernetes.io/hostname': place.nodeName,
    ...place.labels,
  };
}

function compact(groups: readonly EndpointGroup[]): readonly EndpointGroup[] {
  const used = [...new Set(groups.map((group) => group.priority))].sort((a, b) => a - b);
  return groups.map((group) => ({ ...group, priority: used.indexOf(group.priority) }));
}
