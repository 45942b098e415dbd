import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptanceDir, acceptanceSets, tally } from './sets.ts';

/** Least share of the cases that are not skipped, per set; sets not named here must pass as a whole. */
const least: Readonly<Record<string, number>> = {
  simulation: 75 / 91,
  'sidecar-routes': 11 / 12,
};

/** Sets that must be there. */
const required = ['simulation', 'sidecar-routes', 'inbound-clusters', 'samples'];

const absent = 'the acceptance data is not here: name its folder with ACCEPTANCE_DIR';

for (const set of await acceptanceSets()) {
  test(`acceptance set ${set.name}`, async (t) => {
    const dir = acceptanceDir();
    if (!dir) return t.skip(absent);
    const results = await set.run(dir);
    const { passed, failed, skipped } = tally(results);
    t.diagnostic(`${set.name} ${passed}/${failed}/${skipped}`);
    for (const { case: name, outcome, reason } of results)
      if (outcome === 'skipped') assert.ok(reason, `${name} is skipped without a reason`);
    if (passed + failed === 0) return t.skip(`no case of ${set.name} is in ${dir}`);
    const failing = results.filter(({ outcome }) => outcome === 'failed').map(({ case: name, reason }) => `${name}: ${reason ?? ''}`);
    const wanted = least[set.name] ?? 1;
    const share = passed / (passed + failed);
    assert.ok(
      share >= wanted,
      `${passed} of ${passed + failed} passed, at least ${Math.round(wanted * 100)} % must:\n${failing.join('\n')}`,
    );
  });
}

test('every required set has an adapter', async () => {
  const names = (await acceptanceSets()).map(({ name }) => name);
  assert.deepEqual(
    required.filter((name) => !names.includes(name)),
    [],
  );
});
