/** `node -C source test/support/serve-fake-mesh.ts [port]`: the server over simulated Bookinfo, to work on the page without a mesh. */
import { fileURLToPath } from 'node:url';
import { systemClock } from '#process/clock.ts';
import { logger } from '#process/log.ts';
import { createServer } from '#server/server.ts';
import { createFakeMesh } from './fake-mesh.ts';

const port = Number(process.argv[2] ?? 16481);
const webRoot = fileURLToPath(new URL('../../web/dist', import.meta.url));
const { sources } = createFakeMesh({ clock: systemClock, extraServices: Number(process.argv[3] ?? 0) });
const server = createServer({ sources, token: 'a-token-for-development', port, webRoot, clock: systemClock, log: logger('server') });
await server.listen();
console.error(server.openLink());
