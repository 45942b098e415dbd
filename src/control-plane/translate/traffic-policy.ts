import type { Service } from '#mesh/service.ts';
import type { LocalityLbSetting, Subset, TrafficPolicy } from '#resources/networking/destination-rule.ts';
import { internList, internRecord, memoBy } from './intern.ts';
import { type LocalityInput, topologyLabels } from './locality.ts';
import type { Scope } from './scope.ts';
import type { Rule } from './visibility.ts';

/** One level of traffic settings, or the outcome of laying the levels over each other. */
export type Settings = Omit<TrafficPolicy, 'portLevelSettings'>;

/**
 * Rules for one host that apply to a proxy with these labels: a rule whose selector matches stands alone, otherwise
 * those without selector apply together. Interned.
 */
export function selectRules(rules: readonly Rule[], namespace: string, labels: Readonly<Record<string, string>>): readonly Rule[] {
  const selected = rules.find((rule) => {
    const wanted = rule.spec.workloadSelector?.matchLabels;
    return wanted && rule.metadata.namespace === namespace && Object.entries(wanted).every(([name, value]) => labels[name] === value);
  });
  if (selected) return internList([selected]);
  return rules.some((rule) => rule.spec.workloadSelector) ? internList(rules.filter((rule) => !rule.spec.workloadSelector)) : rules;
}

interface NamedSubset {
  readonly subset: Subset;
  readonly rule: Rule;
}

/** Subsets of all the rules; of equal names the first counts. Remembered by the (interned) list. */
export const subsetsOf = memoBy((rules: readonly Rule[]): readonly NamedSubset[] => {
  const seen = new Set<string>();
  return rules.flatMap((rule) =>
    (rule.spec.subsets ?? []).flatMap((subset) => {
      if (seen.has(subset.name)) return [];
      seen.add(subset.name);
      return [{ subset, rule }];
    }),
  );
});

const labelsByRules = memoBy(
  (rules: readonly Rule[]) =>
    new Map(subsetsOf(rules).map(({ subset }) => [subset.name, internRecord<Readonly<Record<string, string>>>({ ...subset.labels })])),
);

/** The labels of a subset (interned); undefined when no rule defines it. */
export function subsetLabels(rules: readonly Rule[], name: string): Readonly<Record<string, string>> | undefined {
  return labelsByRules(rules).get(name);
}

const settingsByRules = memoBy((_: readonly Rule[]) => new Map<string, Settings>());
const noSettings: Settings = {};

/** The settings for one port, and of one subset unless it is empty. Istio: port settings replace their level as a whole. */
export function settingsFor(rules: readonly Rule[], subset: string, port: number): Settings {
  if (rules.length === 0) return noSettings;
  const known = settingsByRules(rules);
  const key = `${port}|${subset}`;
  let settings = known.get(key);
  if (!settings) {
    settings = mergeSettings(rules, subset, port);
    known.set(key, settings);
  }
  return settings;
}

function mergeSettings(rules: readonly Rule[], subset: string, port: number): Settings {
  const top = levelFor(rules.find((rule) => rule.spec.trafficPolicy)?.spec.trafficPolicy, port);
  if (subset === '') return top;
  const own = levelFor(subsetsOf(rules).find((entry) => entry.subset.name === subset)?.subset.trafficPolicy, port);
  return { ...top, ...Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) };
}

function levelFor(policy: TrafficPolicy | undefined, port: number): Settings {
  if (!policy) return {};
  const { portLevelSettings, ...level } = policy;
  const entry = portLevelSettings?.find((settings) => settings.port?.number === port);
  if (!entry) return level;
  const { port: _, ...settings } = entry;
  return { ...settings, tunnel: level.tunnel, proxyProtocol: level.proxyProtocol };
}

/** How localities are weighed for this proxy, service and subset; undefined when they do not matter. Interned. */
export function localityInputFor(
  scope: Scope,
  service: Service,
  rules: readonly Rule[],
  subset: string,
  port: number,
): LocalityInput | undefined {
  const settings = settingsFor(rules, subset, port);
  const own = settings.loadBalancer?.localityLbSetting;
  const spread = trafficDistribution(service);
  const setting = own ?? spread ?? scope.mesh.localityLbSetting;
  if (!setting || setting.enabled === false) return undefined;
  const failoverActive = settings.outlierDetection !== undefined || (own === undefined && spread !== undefined);
  const distribute = setting.distribute ?? [];
  if (distribute.length === 0 && !failoverActive) return undefined;
  const { proxy } = scope;
  if (proxy.locality === '' && (setting.failoverPriority ?? []).length === 0) return undefined;
  return internRecord({
    locality: proxy.locality,
    labels: comparedLabels(setting.failoverPriority ?? [], topologyLabels(proxy)),
    distribute: distribute.map((entry) => ({ from: entry.from ?? '*', to: entry.to ?? {} })),
    failover: (setting.failover ?? []).map((entry) => ({ from: entry.from ?? '', to: entry.to ?? '' })),
    failoverPriority: setting.failoverPriority ?? [],
    failoverActive,
  });
}

function comparedLabels(priority: readonly string[], labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(priority.map((entry) => entry.split('=')[0] ?? '').map((name) => [name, labels[name] ?? '']));
}

const network = 'topology.istio.io/network';
const region = 'topology.kubernetes.io/region';
const zone = 'topology.kubernetes.io/zone';

function trafficDistribution(service: Service): LocalityLbSetting | undefined {
  switch (service.trafficDistribution) {
    case 'PreferClose':
    case 'PreferSameZone':
      return { failoverPriority: [network, region, zone] };
    case 'PreferSameNode':
      return { failoverPriority: [network, region, zone, 'topology.istio.io/subzone', 'kubernetes.io/hostname'] };
    default:
      return undefined;
  }
}
