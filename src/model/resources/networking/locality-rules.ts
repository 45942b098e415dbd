import type { Path } from '../issue.ts';
import type { Report } from './checks.ts';
import type { LocalityLbSetting } from './destination-rule.ts';

/** Labels of `failoverPriority` that say the same as `failover` does by region. */
const topologyLabels: ReadonlySet<string> = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]);

export function checkLocality(setting: LocalityLbSetting, hasOutliers: boolean, path: Path, report: Report): void {
  const { distribute = [], failover = [], failoverPriority = [] } = setting;
  if (distribute.length > 0 && (failover.length > 0 || failoverPriority.length > 0)) {
    report('MW0205', path, 'distribute excludes failover and failoverPriority');
  }
  checkDistribution(distribute, [...path, 'distribute'], report);
  checkFailover(failover, [...path, 'failover'], report);
  if (failover.length > 0 && failoverPriority.some((label) => topologyLabels.has(label.split('=')[0] ?? ''))) {
    report('MW0205', path, 'failover and topology labels in failoverPriority exclude each other');
  }
  if (failover.length + failoverPriority.length > 0 && !hasOutliers) {
    report(
      'IST0133',
      path,
      'without outlierDetection no endpoint ever counts as unhealthy, so nothing fails over',
      'Add outlierDetection.',
    );
  }
}

function checkDistribution(distribute: NonNullable<LocalityLbSetting['distribute']>, path: Path, report: Report): void {
  checkLocalities(
    distribute.map(({ from = '' }) => from),
    (i) => [...path, i, 'from'],
    report,
  );
  for (const [i, { to = {} }] of distribute.entries()) {
    const at = [...path, i, 'to'];
    checkLocalities(Object.keys(to), (j) => [...at, Object.keys(to)[j] ?? ''], report);
    let sum = 0;
    for (const [locality, weight] of Object.entries(to)) {
      if (weight < 1 || weight > 100) report('MW0206', [...at, locality], `expected a share from 1 to 100, found ${weight}`);
      sum += weight;
    }
    if (sum !== 100) report('MW0206', at, `the shares add up to ${sum}, expected 100`);
  }
}

/** Every locality well-formed, and none within another. */
function checkLocalities(localities: readonly string[], pathOf: (i: number) => Path, report: Report): void {
  for (const [i, locality] of localities.entries()) {
    const parts = locality.split('/');
    const stars = locality.split('*').length - 1;
    if (stars > 1 || (stars === 1 && !locality.endsWith('*')))
      report('MW0115', pathOf(i), `\`${locality}\`: \`*\` may stand only once, at the end`);
    else if (parts.length > 3 || parts.some((part) => part === ''))
      report('MW0115', pathOf(i), `expected \`region/zone/subzone\`, found \`${locality}\``);
    const other = localities.slice(0, i).find((one) => isWithin(one, locality) || isWithin(locality, one));
    if (other !== undefined) report('MW0210', pathOf(i), `\`${locality}\` overlaps with \`${other}\``);
  }
}

/** `a/b/c` is within `a`, `a/*`, `a/b` and itself. */
function isWithin(outer: string, inner: string): boolean {
  if (outer === inner || outer === '*') return true;
  const prefix = outer.replace(/\/?\*$/, '');
  return inner.startsWith(`${prefix}/`) || inner === prefix;
}

function checkFailover(failover: NonNullable<LocalityLbSetting['failover']>, path: Path, report: Report): void {
  for (const [i, { from = '', to = '' }] of failover.entries()) {
    if (from === to) report('MW0205', [...path, i], `the region \`${from}\` would fail over to itself`);
    for (const [name, region] of [
      ['from', from],
      ['to', to],
    ] as const) {
      if (region.includes('*')) report('MW0115', [...path, i, name], 'a region cannot have a wildcard');
      else if (region.includes('/')) report('MW0115', [...path, i, name], `expected a region, found \`${region}\` with zone`);
    }
  }
}
