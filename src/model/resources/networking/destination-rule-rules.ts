import type { Issue } from '../issue.ts';
import type { ObjectMeta } from '../object.ts';
import { checkExportTo, checkLabels, checkSelector, collector, isDnsLabel, isWildcardDomain } from './checks.ts';
import type { DestinationRule } from './destination-rule.ts';
import { checkTrafficPolicy } from './traffic-policy-rules.ts';

/** What a DestinationRule's schema cannot say. Istio 1.30: pkg/config/validation. */
export function validateDestinationRule(spec: DestinationRule, meta: ObjectMeta): Issue[] {
  const { issues, report } = collector();
  const context = { namespace: meta.namespace };
  if (!isWildcardDomain(spec.host)) {
    report(
      'MW0201',
      ['spec', 'host'],
      spec.host === '' ? 'the host is empty' : `\`${spec.host}\` is neither a host name nor one with \`*.\` at its start`,
    );
  }
  if (spec.trafficPolicy) checkTrafficPolicy(spec.trafficPolicy, ['spec', 'trafficPolicy'], context, report);
  const names = new Set<string>();
  for (const [i, subset] of (spec.subsets ?? []).entries()) {
    const path = ['spec', 'subsets', i];
    if (!isDnsLabel(subset.name)) report('MW0218', [...path, 'name'], `\`${subset.name}\` is not a valid subset name`);
    if (names.has(subset.name)) report('MW0210', [...path, 'name'], `two subsets are named \`${subset.name}\``);
    names.add(subset.name);
    checkLabels(subset.labels, [...path, 'labels'], report);
    if (subset.trafficPolicy) checkTrafficPolicy(subset.trafficPolicy, [...path, 'trafficPolicy'], context, report);
  }
  if (spec.workloadSelector) checkSelector(spec.workloadSelector.matchLabels, ['spec', 'workloadSelector'], report);
  checkExportTo(spec.exportTo, { namespace: meta.namespace, isOwnOnly: spec.workloadSelector !== undefined }, report);
  return issues;
}
