import { messageOf } from '#base/fault.ts';
import type { Problem } from '#base/problem.ts';

/** One setting: `env` is its environment variable, `unit` is empty for plain text, `fallback` its default. */
export interface Setting<Value> {
  readonly env: string;
  readonly fallback: Value;
  readonly unit: '' | 'ms' | 'port' | 'path' | 'count' | 'per second' | 'MiB';
  readonly description: string;
  readonly parse: (text: string) => Value;
}

function text(env: string, fallback: string, description: string): Setting<string> {
  return { env, fallback, unit: '', description, parse: (value) => value };
}

function path(env: string, fallback: string, description: string): Setting<string> {
  return { env, fallback, unit: 'path', description, parse: (value) => value };
}

function choice<Name extends string>(env: string, names: readonly [Name, ...Name[]], description: string): Setting<Name> {
  const parse = (value: string): Name => {
    const found = names.find((name) => name === value);
    if (found === undefined) throw new Error(`expected one of ${names.join(', ')}`);
    return found;
  };
  return { env, fallback: names[0], unit: '', description, parse };
}

function whole(env: string, fallback: number, unit: Setting<number>['unit'], description: string): Setting<number> {
  const most = unit === 'port' ? 65535 : Number.MAX_SAFE_INTEGER;
  const parse = (value: string): number => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number > most) throw new Error(`expected a whole number from 0 to ${most}`);
    return number;
  };
  return { env, fallback, unit, description, parse };
}

/** Every setting of every process, once. Command-line flags of the same meaning win over the environment. */
export const settingsTable = {
  stateDir: path('MESHWRIGHT_STATE_DIR', '.meshwright', 'folder of the database, keys, kubeconfig and runtime file'),
  runtimeDir: path('MESHWRIGHT_RUNTIME_DIR', '', 'folder of the sockets; empty: a short folder derived from the state folder'),
  peersDir: path('MESHWRIGHT_PEERS', '', "cache of Envoy, kubectl and other peers; empty: meshwright/peers in the user's cache folder"),
  envoy: path('MESHWRIGHT_ENVOY', '', 'the Envoy binary; empty: the one that `npm run peers` fetched, else `envoy` on the PATH'),
  proxy: choice('MESHWRIGHT_PROXY', ['embedded', 'envoy'], 'which engine carries the traffic of joined workloads'),
  proxyBackEnd: choice(
    'MESHWRIGHT_PROXY_BACK_END',
    ['onread', 'handle'],
    'how the embedded proxy writes to sockets: handle is cheaper and uses what Node keeps private',
  ),
  logLevel: choice('MESHWRIGHT_LOG_LEVEL', ['warn', 'debug', 'info', 'error', 'silent'], 'least level of log lines'),
  apiPort: whole('MESHWRIGHT_API_PORT', 16440, 'port', 'port of the embedded API server (TLS)'),
  pagePort: whole('MESHWRIGHT_PAGE_PORT', 16480, 'port', 'port of the page, REST and WebSocket'),
  xdsPort: whole('MESHWRIGHT_XDS_PORT', 15010, 'port', 'port of xDS in plain text'),
  debugPort: whole('MESHWRIGHT_DEBUG_PORT', 15014, 'port', 'port of control-plane metrics and debug pages'),
  configDir: path('MESHWRIGHT_CONFIG_DIR', '', 'folder of YAML that is watched and applied besides the API server; empty: none'),
  meshConfig: path(
    'MESHWRIGHT_MESH_CONFIG',
    '',
    'file with the mesh configuration, watched; a ConfigMap istio in istio-system wins; empty: none',
  ),
  sourceKubeconfig: path('MESHWRIGHT_SOURCE_KUBECONFIG', '', 'kubeconfig of another API server whose objects count as well; empty: none'),
  clusterId: text('MESHWRIGHT_CLUSTER_ID', 'Kubernetes', 'name of this cluster in node metadata and metrics'),
  debounceAfterMs: whole('MESHWRIGHT_DEBOUNCE_AFTER', 10, 'ms', 'quiet time that ends the gathering of changes into one push'),
  debounceMaxMs: whole('MESHWRIGHT_DEBOUNCE_MAX', 200, 'ms', 'longest time that a change waits for others before it is pushed'),
  graceMs: whole('MESHWRIGHT_GRACE', 5_000, 'ms', 'time from SIGTERM to SIGKILL for a joined program'),
  drainMs: whole('MESHWRIGHT_DRAIN', 500, 'ms', 'time between leaving the mesh and stopping a joined program'),
  trafficRps: whole('MESHWRIGHT_TRAFFIC_RPS', 5, 'per second', 'requests a second that the demo sends to its product page'),
  metricSeries: whole('MESHWRIGHT_METRIC_SERIES', 2_000, 'count', 'most label combinations an agent keeps per metric'),
} as const;

type Table = typeof settingsTable;

/** The value of every setting. */
export type Settings = { readonly [Name in keyof Table]: Table[Name] extends Setting<infer Value> ? Value : never };

/**
 * Reads the table from an environment (handed in: only `apps` reads the process's own). A bad value gives a Problem and
 * the default; an empty variable counts as absent.
 */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): {
  readonly settings: Settings;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  const read = <Value>(setting: Setting<Value>): Value => {
    const value = environment[setting.env];
    if (value === undefined || value === '') return setting.fallback;
    try {
      return setting.parse(value);
    } catch (error) {
      problems.push(badSetting(setting.env, value, messageOf(error), String(setting.fallback)));
      return setting.fallback;
    }
  };
  const t = settingsTable;
  const settings: Settings = {
    stateDir: read(t.stateDir),
    runtimeDir: read(t.runtimeDir),
    peersDir: read(t.peersDir),
    envoy: read(t.envoy),
    proxy: read(t.proxy),
    proxyBackEnd: read(t.proxyBackEnd),
    logLevel: read(t.logLevel),
    apiPort: read(t.apiPort),
    pagePort: read(t.pagePort),
    xdsPort: read(t.xdsPort),
    debugPort: read(t.debugPort),
    configDir: read(t.configDir),
    meshConfig: read(t.meshConfig),
    sourceKubeconfig: read(t.sourceKubeconfig),
    clusterId: read(t.clusterId),
    debounceAfterMs: read(t.debounceAfterMs),
    debounceMaxMs: read(t.debounceMaxMs),
    graceMs: read(t.graceMs),
    drainMs: read(t.drainMs),
    trafficRps: read(t.trafficRps),
    metricSeries: read(t.metricSeries),
  };
  return { settings, problems };
}

function badSetting(env: string, value: string, expected: string, fallback: string): Problem {
  return {
    code: 'MW0001',
    severity: 'warning',
    path: env,
    message: `the environment variable ${env} is ${JSON.stringify(value)}: ${expected}`,
    fix: `Correct or unset ${env}; ${fallback === '' ? 'it is ignored now' : `${fallback} is used now`}.`,
  };
}
