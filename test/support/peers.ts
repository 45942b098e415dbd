/** Finds the real programs that tests run against; `npm run peers` fetches them. */
import { accessSync, constants, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

export type PeerName =
  | 'envoy'
  | 'kubectl'
  | 'kubectl-1.34'
  | 'kube-apiserver'
  | 'etcd'
  | 'chromium'
  | 'haproxy'
  | 'nginx'
  | 'wrk'
  | 'curl'
  | 'python3'
  | 'go'
  | 'openssl';

/** Names under which distributions install a program, when they differ. */
const aliases: Partial<Record<PeerName, readonly string[]>> = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
};

/** On CI the absence of these is a failure, elsewhere a skip. */
const required: ReadonlySet<PeerName> = new Set(['envoy', 'kubectl', 'chromium']);

/** The folder that `npm run peers` fills: MESHWRIGHT_PEERS, else `meshwright/peers` in the user's cache folder. */
export function peersFolder(): string {
  return process.env.MESHWRIGHT_PEERS ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'meshwright', 'peers');
}

/**
 * Path of a peer's executable: what MESHWRIGHT_PEER_<NAME> names (e.g. MESHWRIGHT_PEER_KUBECTL), else from the peers'
 * folder, else from the PATH; undefined when there is none.
 */
export function peerPath(name: PeerName): string | undefined {
  const chosen = process.env[`MESHWRIGHT_PEER_${name.toUpperCase().replace(/[^A-Z]/g, '_')}`];
  if (chosen) return isExecutable(chosen) ? chosen : undefined;
  const folders = [peersFolder(), ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const alias of aliases[name] ?? [name]) {
    for (const folder of folders) {
      const path = join(folder, alias);
      if (folder !== '' && isExecutable(path)) return path;
    }
  }
  return undefined;
}

/**
 * The peer's path, or undefined after the test was marked as skipped with the reason: the caller returns then. Throws
 * when CI is true and the peer is one that CI must have.
 */
export function needPeer(test: Pick<TestContext, 'skip'>, name: PeerName): string | undefined {
  const path = peerPath(name);
  if (path) return path;
  const reason = `${name} is absent: get it with "npm run peers -- ${name}"`;
  if (process.env.CI === 'true' && required.has(name)) throw new Error(reason);
  test.skip(reason);
  return undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
