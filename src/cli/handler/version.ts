import { version as clientVersion } from '#apps/version.ts';
import { runningControlPlane } from '#process/runtime-file.ts';
import type { Invocation } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import { formatValue } from '../output/format.ts';
import { stateDir } from '../session.ts';

/** `meshwright version`. */
export async function version({ flags, io }: Invocation): Promise<ExitCode> {
  const client = clientVersion;
  const running = flags.on('client') ? undefined : runningControlPlane(stateDir(flags, io));
  const format = flags.text('output');
  if (format === 'json' || format === 'yaml') {
    io.out(
      formatValue(
        { client: { version: client, node: process.version }, ...(running ? { server: { version: running.version } } : {}) },
        { kind: format },
      ),
    );
    return exitCode.ok;
  }
  io.out(`client   ${client} (Node ${process.version})`);
  if (flags.on('client')) return exitCode.ok;
  io.out(running ? `server   ${running.version}` : `server   none runs here (start one with "meshwright start")`);
  if (running && running.version !== client) {
    io.err(`client ${client} and server ${running.version} differ: they are made to work together only in the same version.`);
  }
  return exitCode.ok;
}
