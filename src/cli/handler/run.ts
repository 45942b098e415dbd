import { parseProgramPort, runWorkload } from '#apps/workload.ts';
import { Fault } from '#base/fault.ts';
import { type Flags, type Invocation, UsageError } from '../command.ts';
import { parseDuration } from '../output/format.ts';

/** `meshwright run`: ends with the exit code of the program. */
export async function run({ arguments: command, flags, io }: Invocation): Promise<number> {
  const service = flags.text('service');
  if (!service) throw new UsageError('--service is missing', 'for example: meshwright run --service api --port 8080 -- node server.js');
  const wait = flags.text('wait');
  const grace = flags.text('grace');
  return runWorkload({
    service,
    version: flags.text('version') ?? 'v1',
    namespace: flags.text('namespace') ?? 'default',
    labels: pairs(flags, 'label'),
    variables: pairs(flags, 'env'),
    ports: flags.all('port').map(portOf),
    protocol: flags.text('protocol') ?? 'http',
    command,
    waitMs: wait === undefined ? 0 : parseDuration(wait, 'wait'),
    ...(grace === undefined ? {} : { graceMs: parseDuration(grace, 'grace') }),
    onLine: (line) => io.err(line),
    name: flags.text('name'),
    healthPath: flags.text('health-path'),
    metricsPath: flags.text('metrics-path'),
    stateDir: flags.text('state-dir'),
    kubeconfig: flags.text('kubeconfig'),
    context: flags.text('context'),
    engine: engines.find((name) => name === flags.text('proxy')),
    logLevel: logLevels.find((level) => level === flags.text('log-level')),
  });
}

const engines = ['embedded', 'envoy'] as const;
const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

function portOf(text: string) {
  try {
    return parseProgramPort(text);
  } catch (error) {
    if (error instanceof Fault) throw new UsageError(`--port ${text}: ${error.message}`);
    throw error;
  }
}

function pairs(flags: Flags, name: string): Record<string, string> {
  return Object.fromEntries(
    flags.all(name).map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw new UsageError(`--${name} ${text} is no KEY=VALUE`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
