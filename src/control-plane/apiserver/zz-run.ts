import { startApiServer } from '#apiserver/server.ts';
import { writePrivateFile } from '#pki/private-file.ts';
import { systemClock } from '#process/clock.ts';
import { logger } from '#process/log.ts';
import { kinds } from '#resources/kinds.ts';

const s = await startApiServer({
  stateDir: process.argv[2]!,
  kinds,
  clock: systemClock,
  log: logger('apiserver'),
  port: Number(process.argv[3] ?? 0),
});
writePrivateFile(process.argv[2] + '/kubeconfig', s.kubeconfig());
console.log(s.url);
process.on('SIGTERM', () => s.close().then(() => process.exit(0)));
