import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setLogLevel } from '#process/log.ts';
import { engines } from '../support/mesh.ts';
import { needPeer } from '../support/peers.ts';
import { readScenarios } from '../support/scenario.ts';
import { type Observation, type ScenarioMesh, startScenarioMesh } from '../support/scenario-run.ts';

setLogLevel('silent');
const scenarios = readScenarios();
const observed = new Map<string, Map<string, Observation[]>>();

test('there are at least 60 scenarios', () => assert.ok(scenarios.length >= 60, String(scenarios.length)));

for (const engine of engines()) {
  describe(engine, () => {
    let running: ScenarioMesh;
    const seen = new Map<string, Observation[]>();
    before(async () => {
      running = await startScenarioMesh(engine);
    });
    after(() => running?.close());
    for (const scenario of scenarios) {
      test(scenario.name, async () => {
        seen.set(scenario.name, await running.run(scenario));
      });
    }
    observed.set(engine, seen);
  });
}

describe('both engines alike', () => {
  for (const scenario of scenarios) {
    test(scenario.name, (t) => {
      if (!needPeer(t, 'envoy')) return;
      if (scenario.refused) return t.skip(`refused: ${JSON.stringify(scenario.refused)}`);
      const [embedded, envoy] = [observed.get('embedded')?.get(scenario.name), observed.get('envoy')?.get(scenario.name)];
      assert.ok(embedded && envoy, 'the scenario passed on both');
      assert.deepEqual(embedded, envoy);
    });
  }
});
