/** What `meshwright check` looks at. A check needs others by name and is left out when they failed. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { version } from '#apps/version.ts';
import { messageOf } from '#base/fault.ts';
import type { KubeObject } from '#kube/object.ts';
import { isJsonObject } from '#kube/object.ts';
import { isAlive, parseIdentity } from '#process/process-identity.ts';
import { readRuntimeFile, runningControlPlane } from '#process/runtime-file.ts';
import { kinds } from '#resources/kinds.ts';
import { workloadEntryKind } from '#resources/networking/workload-entry-kind.ts';
import type { Overview, ProblemView, ProxyList } from '#server/api.ts';
import type { Invocation } from './command.ts';
import { connectObjects } from './objects.ts';
import { connectRest } from './rest.ts';
import { stateDir } from './session.ts';

export interface Finding {
  readonly state: 'ok' | 'warn' | 'fail';
  /** What was found; may be empty when all is well. */
  readonly message: string;
  /** What to do next; empty when nothing is to be done. */
  readonly fix: string;
}

export interface Check {
  readonly category: 'This machine' | 'Control plane' | 'Proxies' | 'Objects' | 'Traffic';
  readonly name: string;
  /** What is true when all is well. */
  readonly title: string;
  /** Names of checks without which this one means nothing. */
  readonly needs?: readonly string[];
  run(): Promise<Finding>;
}

export interface CheckResult extends Omit<Check, 'run'>, Finding {}

type Asked = Pick<Invocation, 'flags' | 'io' | 'signal'>;

const ok = (message = ''): Finding => ({ state: 'ok', message, fix: '' });
const warn = (message: string, fix: string): Finding => ({ state: 'warn', message, fix });
const fail = (message: string, fix: string): Finding => ({ state: 'fail', message, fix });

/** All checks, in the order in which they should be read. */
export function checksFor(asked: Asked): readonly Check[] {
  return [
    ...machineChecks(asked),
    ...controlPlaneChecks(asked),
    ...proxyChecks(asked),
    ...objectChecks(asked),
    ...sourceChecks(asked),
    ...trafficChecks(asked),
  ];
}

function machineChecks({ flags, io }: Asked): Check[] {
  const folder = stateDir(flags, io);
  return [
    {
      category: 'This machine',
      name: 'node',
      title: 'Node is new enough',
      run: async () =>
        Number(process.versions.node.split('.')[0]) >= 24 ? ok(process.version) : fail(`${process.version} runs this`, 'Install Node 24.'),
    },
    {
      category: 'This machine',
      name: 'state-dir',
      title: 'the state folder can be used',
      run: async () => {
        try {
          if (!existsSync(folder)) {
            accessSync(dirname(folder), constants.W_OK);
            return ok(`${folder} (made at the first start)`);
          }
          accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
          const others = statSync(folder).mode & 0o077;
          return others === 0 ? ok(folder) : warn(`${folder} is open to other users; keys are kept there`, `chmod 700 ${folder}`);
        } catch (error) {
          return fail(messageOf(error), 'Name a folder that you may write with --state-dir or MESHWRIGHT_STATE_DIR.');
        }
      },
    },
  ];
}

function controlPlaneChecks(asked: Asked): Check[] {
  const { flags, io, signal } = asked;
  const running = () => runningControlPlane(stateDir(flags, io));
  return [
    {
      category: 'Control plane',
      name: 'running',
      title: 'a control plane runs',
      needs: ['state-dir'],
      run: async () => {
        const found = running();
        if (found) return ok(`process ${found.process.pid}, version ${found.version}`);
        const left = readRuntimeFile(stateDir(flags, io));
        return fail(
          left ? `process ${left.process.pid} has ended without cleaning up` : 'none with this state folder',
          'Start one with "meshwright start" or "npm start"; leftovers are cleaned up then.',
        );
      },
    },
    {
      category: 'Control plane',
      name: 'version',
      title: 'it has the version of this program',
      needs: ['running'],
      run: async () => {
        const server = running()?.version ?? '';
        return server === version ? ok(server) : warn(`it is ${server}, this is ${version}`, 'Restart it after an update.');
      },
    },
    {
      category: 'Control plane',
      name: 'api',
      title: 'the API server answers',
      needs: ['running'],
      run: async () =>
        attempt(async () => {
          const api = await connectObjects(flags, io);
          await api.list(workloadEntryKind, {});
          return ok(running()?.apiUrl);
        }, 'Look at what the control plane printed, then restart it.'),
    },
    {
      category: 'Control plane',
      name: 'debug',
      title: 'metrics and debug pages answer',
      needs: ['running'],
      run: async () =>
        attempt(async () => {
          const url = running()?.debugUrl ?? '';
          const response = await fetch(`${url}/metrics`, { signal: AbortSignal.any([signal, AbortSignal.timeout(5000)]) });
          return response.ok ? ok(url) : fail(`${url} answered ${response.status}`, 'Look at what the control plane printed.');
        }, 'Restart the control plane.'),
    },
    {
      category: 'Control plane',
      name: 'rest',
      title: 'the REST API answers',
      needs: ['running'],
      run: async () =>
        attempt(async () => {
          await connectRest(flags, io).get<Overview>('/overview', signal);
          return ok(running()?.pageUrl);
        }, 'Restart the control plane.'),
    },
  ];
}

function proxyChecks({ flags, io, signal }: Asked): Check[] {
  return [
    {
      category: 'Proxies',
      name: 'synced',
      title: 'every proxy runs what it was sent',
      needs: ['rest'],
      run: async () =>
        attempt(async () => {
          const { items } = await connectRest(flags, io).get<ProxyList>('/proxies', signal);
          const rejected = items.filter(({ state }) => state === 'rejected').map(({ workload }) => workload);
          const stale = items.filter(({ state }) => state === 'stale').map(({ workload }) => workload);
          if (rejected.length > 0) return fail(`rejected by ${some(rejected)}`, 'See the cause with "meshwright proxy status".');
          if (stale.length > 0) return warn(`behind: ${some(stale)}`, 'If it lasts, see "meshwright proxy status".');
          return items.length > 0 ? ok(`${items.length} proxies`) : warn('no proxy is connected', 'Join a program with "meshwright run".');
        }, 'See "meshwright proxy status".'),
    },
    {
      category: 'Proxies',
      name: 'workloads',
      title: 'every workload of this machine is alive',
      needs: ['api'],
      run: async () =>
        attempt(async () => {
          const { items } = await (await connectObjects(flags, io)).list(workloadEntryKind, {});
          const dead = items.filter(isDead).map(({ metadata }) => metadata.name);
          return dead.length === 0
            ? ok(`${items.length} workloads`)
            : fail(`ended without leaving: ${some(dead)}`, `Remove them: meshwright delete workloadentry ${dead.join(' ')}`);
        }, ''),
    },
  ];
}

/** What the control plane itself finds wrong now, such as failing services. */
function trafficChecks({ flags, io, signal }: Asked): Check[] {
  return [
    {
      category: 'Traffic',
      name: 'findings',
      title: 'the control plane finds nothing wrong',
      needs: ['rest'],
      run: async () =>
        attempt(async () => {
          const { findings } = await connectRest(flags, io).get<Overview>('/overview', signal);
          const [first, ...more] = findings.filter(({ severity }) => severity === 'bad');
          if (!first) return ok();
          return warn(`${first.title}${more.length > 0 ? ` (and ${more.length} more on the page)` : ''}`, first.fix);
        }, 'See "meshwright tap".'),
    },
  ];
}

function objectChecks({ flags, io }: Asked): Check[] {
  return [
    {
      category: 'Objects',
      name: 'accepted',
      title: 'every object is accepted',
      needs: ['api'],
      run: async () =>
        attempt(async () => {
          const api = await connectObjects(flags, io);
          const own = kinds.filter(({ group, hasStatus }) => group.endsWith('istio.io') && hasStatus);
          const lists = await Promise.all(own.map((kind) => api.list(kind, {})));
          const objects = lists.flatMap(({ items }) => items);
          const bad = objects
            .filter((object) => conditionsOf(object).some(isBad))
            .map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`);
          return bad.length === 0
            ? ok(`${objects.length} objects`)
            : fail(
                some(bad),
                `See why with "meshwright describe ${(bad[0] ?? '').split(' ')[0]?.toLowerCase()} ${(bad[0] ?? '').split('/').at(-1)}".`,
              );
        }, ''),
    },
  ];
}

/** What the sources hold that is no object of this API server: files, the mesh configuration, objects of another API server. */
function sourceChecks({ flags, io, signal }: Asked): Check[] {
  return [
    {
      category: 'Objects',
      name: 'sources',
      title: 'every file and the mesh configuration are accepted',
      needs: ['rest'],
      run: async () =>
        attempt(async () => {
          const { items } = await connectRest(flags, io).get<{ readonly items: readonly ProblemView[] }>('/problems', signal);
          const errors = items.filter(({ severity, code }) => severity === 'error' && (code.startsWith('MW01') || code.startsWith('MW02')));
          const [first, ...more] = errors;
          if (!first) return ok();
          const place = first.origin?.text ? `${first.origin.text}: ` : '';
          const path = first.path ? `${first.path}: ` : '';
          return fail(`${place}${path}${first.message}${more.length > 0 ? ` (and ${more.length} more)` : ''}`, first.fix);
        }, 'See the problems on the page.'),
    },
  ];
}

async function attempt(run: () => Promise<Finding>, fix: string): Promise<Finding> {
  try {
    return await run();
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error;
    return fail(error instanceof Error && error.message !== 'fetch failed' ? error.message : messageOf(cause), fix);
  }
}

function some(names: readonly string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and ${names.length - 5} more` : names.join(', ');
}

function isDead({ metadata }: KubeObject): boolean {
  const identity = parseIdentity(metadata.annotations?.['meshwright.io/pid'] ?? '');
  return identity !== undefined && !isAlive(identity);
}

function conditionsOf({ status }: KubeObject): readonly Readonly<Record<string, unknown>>[] {
  return isJsonObject(status) && Array.isArray(status.conditions) ? status.conditions.filter(isJsonObject) : [];
}

function isBad({ type, status }: Readonly<Record<string, unknown>>): boolean {
  return (type === 'Accepted' || type === 'Reconciled' || type === 'Programmed') && status === 'False';
}
