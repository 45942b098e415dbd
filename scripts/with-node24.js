/** `node scripts/with-node24.js <arguments>`: the same under Node 24. */
import { handOver } from '../bin/node24.js';

handOver(['--disable-warning=ExperimentalWarning', ...process.argv.slice(2)]);
