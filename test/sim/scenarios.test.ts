import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { configFor } from '#analyze/proxy-config.ts';
import { needPeer } from '../support/peers.ts';
import { loadScenario, presentFiles, scenarioNames, wantedFiles } from './scenario.ts';
import { staticBootstrap } from './static-bootstrap.ts';

const run = promisify(execFile);

describe('scenarios', () => {
  it('are there', () => assert.ok(scenarioNames().length >= 20));
  for (const name of scenarioNames()) {
    it(`${name} generates what stands in want (npm run golden refreshes it)`, () => {
      const wanted = wantedFiles(loadScenario(name));
      const present = presentFiles(name);
      assert.deepEqual([...present.keys()].sort(), [...wanted.keys()].sort());
      for (const [path, text] of wanted) assert.equal(present.get(path), text, `${name}/want/${path}`);
    });
  }
});

describe('the real Envoy', () => {
  it('accepts what is generated for every proxy of every scenario', async (test) => {
    const envoy = needPeer(test, 'envoy');
    if (!envoy) return;
    const folder = mkdtempSync(join(tmpdir(), 'mw-validate-'));
    try {
      for (const name of scenarioNames()) {
        const scenario = loadScenario(name);
        for (const [proxyName, { proxy }] of scenario.proxies) {
          const file = join(folder, `${name}-${proxyName}.pb`);
          writeFileSync(file, staticBootstrap(configFor(scenario.snapshot, proxy)));
          const said = await validate(envoy, file);
          assert.equal(said, '', `${name}, proxy ${proxyName}`);
        }
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/**
 * Old names of DNS settings, which the embedded proxy and older Envoys read too (the new form is a type of its own), and
 * the gRPC deadline, whose new form would turn the route's timeout off.
 */
const tolerated = ['RouteAction.max_grpc_timeout', 'Cluster.dns_refresh_rate', 'Cluster.respect_dns_ttl', 'no configured limit'];

/** What Envoy complains of; deprecated fields count, its advice about connection limits does not. */
async function validate(envoy: string, file: string): Promise<string> {
  const flags = ['--mode', 'validate', '-c', file, '--disable-hot-restart', '-l', 'warning', '--log-format', '%v', '--base-id', '0'];
  try {
    const { stderr } = await run(envoy, flags);
    return stderr
      .split('\n')
      .filter((line) => line !== '' && !tolerated.some((text) => line.includes(text)))
      .join('\n');
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
