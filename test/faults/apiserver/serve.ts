/** A server in a process of its own, to be killed: prints its URL, then lives until told otherwise. */

import { startApiServer } from '#apiserver/server.ts';
import { writePrivateFile } from '#pki/private-file.ts';
import { systemClock } from '#process/clock.ts';
import { logger, setLogLevel } from '#process/log.ts';
import { kinds } from '#resources/kinds.ts';

const [stateDir = '', kubeconfig = ''] = process.argv.slice(2);
setLogLevel('silent');
try {
  const server = await startApiServer({ stateDir, kinds, clock: systemClock, log: logger('apiserver') });
  writePrivateFile(kubeconfig, server.kubeconfig());
  console.log(server.url);
} catch (error) {
  console.log(error instanceof Error && 'fix' in error ? `${error.message}. ${error.fix}` : error);
  process.exitCode = 3;
}
