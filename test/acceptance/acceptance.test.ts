import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptanceDir, acceptanceSets, tally } from './sets.ts';

/**
 * Least share of the open cases of a set that must pass, counted on the data beside the checkout. Other folders (any
 * subset of cases may be there) only need to have no failures.
 */
const least: Readonly<Record<string, { readonly passed: number; readonly of: number }>> = {
  simulation: { passed: 75, of: 91 },
  'sidecar-routes': { passed: 11, of: 12 },
  'inbound-clusters': { passed: 6, of: 6 },
};

for (const set of await acceptanceSets()) {
  test(`acceptance set ${set.name}`, async (t) => {
    const dir = acceptanceDir();
    if (!dir) return t.skip('the acceptance data is not here: name its folder with ACCEPTANCE_DIR');
    const results = await set.run(dir);
    const { passed, failed, skipped } = tally(results);
    t.diagnostic(`${set.name} ${passed}/${failed}/${skipped}`);
    const failing = results.filter(({ outcome }) => outcome === 'failed').map(({ case: name, reason }) => `${name}: ${reason ?? ''}`);
    assert.ok(results.length > 0, 'the set has no cases');
    for (const { outcome, reason } of results) if (outcome === 'skipped') assert.ok(reason, 'a skipped case needs a reason');
    const wanted = least[set.name];
    if (wanted && results.length >= wanted.of)
      assert.ok(passed >= wanted.passed, `${passed} passed, at least ${wanted.passed} must:\n${failing.join('\n')}`);
    else assert.deepEqual(failing, []);
  });
}

test('every set with a required number has an adapter', async (t) => {
  const names = (await acceptanceSets()).map(({ name }) => name);
  const missing = Object.keys(least).filter((name) => !names.includes(name));
  if (!acceptanceDir()) return t.skip('the acceptance data is not here: name its folder with ACCEPTANCE_DIR');
  assert.deepEqual(missing, []);
});
