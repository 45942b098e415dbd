/** Adapter of the samples: files that people have must load, analyse without error, and generate. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { analyzeSnapshot } from '#analyze/analyze.ts';
import { configFor } from '#analyze/proxy-config.ts';
import { describedProxy } from '../sim/described-proxy.ts';
import { meshFromYaml } from '../sim/mesh-from-yaml.ts';
import type { CaseResult } from './sets.ts';

export const name = 'samples';

/** The Bookinfo services that its routing files speak of. */
const platform = [
  'bookinfo/platform/kube/bookinfo.yaml',
  'bookinfo/platform/kube/bookinfo-db.yaml',
  'bookinfo/platform/kube/bookinfo-mysql.yaml',
];
const subsets = 'bookinfo/networking/destination-rule-all.yaml';

/** What files use and this version does not serve yet. */
const skippedFeatures: readonly { readonly reason: string; readonly applies: (text: string) => boolean }[] = [
  { reason: 'gateways are not served yet', applies: (text) => /kind: Gateway\b|gateways:/.test(text) },
  { reason: 'mutual TLS of the mesh (ISTIO_MUTUAL) is not served yet', applies: (text) => /ISTIO_MUTUAL/.test(text) },
];

/** Objects of the platform that stand in the same files; the API server keeps them as they are, the mesh does not read them. */
const platformKinds: ReadonlySet<string> = new Set(['apps/v1/Deployment', 'v1/ServiceAccount', 'v1/ConfigMap', 'v1/Secret']);

export async function run(dir: string): Promise<CaseResult[]> {
  const folder = join(dir, 'istio/samples');
  const file = join(folder, 'expectations.json');
  if (!existsSync(file)) return [];
  const data: { readonly cases: readonly string[] } = JSON.parse(readFileSync(file, 'utf8'));
  return data.cases.map((item) => ({ case: item, ...runCase(folder, item) }));
}

function runCase(folder: string, item: string): Omit<CaseResult, 'case'> {
  if (!existsSync(join(folder, item))) return { outcome: 'skipped', reason: 'the file is not there' };
  const own = readFileSync(join(folder, item), 'utf8');
  const skip = skippedFeatures.find((feature) => feature.applies(own));
  if (skip) return { outcome: 'skipped', reason: skip.reason };
  const alone = meshFromYaml([{ file: item, text: own }]);
  const [unknown] = alone.unknownKinds.filter((kind) => !platformKinds.has(kind));
  if (unknown) return { outcome: 'skipped', reason: `kinds not served yet: ${unknown}` };
  const companions = item.startsWith('bookinfo/networking') ? [...platform, subsets] : [];
  const texts = [item, ...companions.filter((path) => path !== item && existsSync(join(folder, path)))].map((path) => ({
    file: path,
    text: readFileSync(join(folder, path), 'utf8'),
  }));
  const { snapshot } = meshFromYaml(texts);
  const errors = [
    ...alone.problems,
    ...[...analyzeSnapshot(snapshot).values()].flat().filter((problem) => problem.origin?.file === item),
  ].filter((problem) => problem.severity === 'error');
  if (errors.length > 0) return { outcome: 'failed', reason: errors.map((problem) => `${problem.code} ${problem.message}`).join('; ') };
  configFor(snapshot, describedProxy());
  return { outcome: 'passed' };
}
