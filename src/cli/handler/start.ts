import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ControlPlane, startControlPlane } from '#apps/control-plane.ts';
import { startDemo } from '#apps/demo.ts';
import { meshObjects } from '#apps/mesh-objects.ts';
import { readSettings, type Settings, settingsTable } from '#process/settings.ts';
import { type Flags, type Invocation, UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { formatProblems } from '../output/problems.ts';

/** `meshwright start`: a control plane until Ctrl-C. */
export async function start(invocation: Invocation): Promise<ExitCode> {
  const settings = settingsFrom(invocation);
  const plane = await startPlane(invocation, settings);
  try {
    for (const line of welcome(plane, invocation.io, undefined)) invocation.io.out(line);
    await untilStopped(invocation.signal);
    return exitCode.ok;
  } finally {
    await plane.close();
  }
}

/** `meshwright demo`: `start`, then Bookinfo under traffic. */
export async function demo(invocation: Invocation): Promise<ExitCode> {
  const { io, signal } = invocation;
  const settings = settingsFrom(invocation, { ...flagSettings, rps: 'trafficRps' });
  const plane = await startPlane(invocation, settings);
  try {
    const running = await startDemo({
      stateDir: resolve(io.cwd, settings.stateDir),
      runtimeDir: plane.runtime.runtimeDir,
      objects: await meshObjects({ kubeconfig: plane.runtime.kubeconfig }),
      settings,
      engine: settings.proxy,
      meshwright: ownCommand(),
      environment: ownEnvironment(io),
      rps: settings.trafficRps,
      onStep: (line) => io.err(step(io, line)),
      signal,
    });
    try {
      plane.setDemoUrl(running.url);
      for (const line of welcome(plane, io, running.url)) io.out(line);
      await untilStopped(signal);
    } finally {
      io.err('stopping; Ctrl-C again ends at once');
      await running.stop();
    }
    return exitCode.ok;
  } finally {
    await plane.close();
  }
}

async function startPlane({ io, signal }: Invocation, settings: Settings): Promise<ControlPlane> {
  return startControlPlane({
    settings: { ...settings, stateDir: resolve(io.cwd, settings.stateDir) },
    onStep: (line) => io.err(step(io, line)),
    onProblem: (problem) => {
      for (const line of formatProblems([problem], io)) io.err(line);
    },
    signal,
    ...(io.env.XDG_RUNTIME_DIR ? { xdgRuntimeDir: io.env.XDG_RUNTIME_DIR } : {}),
  });
}

/** The environment's settings, with the command's flags over them. */
function settingsFrom({ flags, io }: Invocation, names: FlagSettings = flagSettings): Settings {
  const given = overrides(flags, names);
  const { settings, problems } = readSettings({ ...io.env, ...given });
  const bad = problems.find(({ path }) => Object.hasOwn(given, path));
  if (bad) throw new UsageError(bad.message.replace(/^the environment variable \S+/, 'a flag'));
  for (const problem of problems) io.err(`${problem.message}. ${problem.fix}`);
  return settings;
}

type FlagSettings = Readonly<Record<string, keyof typeof settingsTable>>;

/** Which setting a flag of `start` gives. */
const flagSettings = {
  'state-dir': 'stateDir',
  proxy: 'proxy',
  config: 'configDir',
  'mesh-config': 'meshConfig',
  'source-kubeconfig': 'sourceKubeconfig',
  'api-port': 'apiPort',
  'page-port': 'pagePort',
  'xds-port': 'xdsPort',
  'debug-port': 'debugPort',
  'log-level': 'logLevel',
} as const satisfies FlagSettings;

function overrides(flags: Flags, names: FlagSettings): Record<string, string> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([flag, name]) => {
      const value = flags.text(flag);
      return value === undefined ? [] : [[settingsTable[name].env, value]];
    }),
  );
}

/** What a person needs next: where everything is, and three things to try. */
function welcome(plane: ControlPlane, io: Io, demoUrl: string | undefined): string[] {
  const kubeconfig = relative(io.cwd, plane.runtime.kubeconfig) || plane.runtime.kubeconfig;
  const rows = [['page', plane.pageLink()], ['kubeconfig', kubeconfig], ...(demoUrl ? [['demo', demoUrl]] : [])];
  const tries = demoUrl
    ? [
        `kubectl --kubeconfig ${kubeconfig} get virtualservices,destinationrules,services -A`,
        'npx meshwright explain request --from productpage-v1 --to reviews:9080 --path /reviews/0 -H end-user=jason',
        'npx meshwright tap',
      ]
    : [
        'npx meshwright run --service hello --port 8080 -- python3 -m http.server 8080 --bind 127.0.0.1',
        `kubectl --kubeconfig ${kubeconfig} get workloadentries -A`,
        'npx meshwright check',
      ];
  return [
    '',
    ...rows.map(([name = '', value = '']) => `${io.paint('strong', name.padEnd(11))} ${value}`),
    '',
    'Try:',
    ...tries.map((line) => `  ${line}`),
    '',
    'Ctrl-C ends it.',
  ];
}

function step(io: Io, line: string): string {
  return `${io.paint('good', '√')} ${line}`;
}

function untilStopped(signal: AbortSignal): Promise<void> {
  // A timer keeps the process alive while it waits.
  const awake = setInterval(() => {}, 2 ** 30);
  return new Promise((resolve) => {
    const done = () => {
      clearInterval(awake);
      resolve();
    };
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}

/** How this very program is started again. */
function ownCommand(): readonly string[] {
  const entry = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url));
  return [process.execPath, ...process.execArgv, entry];
}

function ownEnvironment(io: Io): Record<string, string> {
  return Object.fromEntries(Object.entries(io.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
