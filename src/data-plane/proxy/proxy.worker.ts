/** Entry of a data-plane thread. A thread has a compile cache of its own to switch on before the code it needs is loaded. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';
import type { ThreadData } from './thread-messages.ts';

const { compileCache } = workerData as ThreadData;
if (compileCache !== undefined) enableCompileCache(compileCache);
await import('./thread-entry.ts');
// Threads are ended from outside, which would lose what they compiled.
if (compileCache !== undefined) flushCompileCache();
