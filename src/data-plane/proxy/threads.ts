import { getCompileCacheDir } from 'node:module';
import { Worker } from 'node:worker_threads';
import { type Backoff, createBackoff } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import { messageOf } from '#base/fault.ts';
import type { BackEnd } from '#http/handle-writer.ts';
import type { Logger } from '#process/log.ts';
import { workerUrl } from '#process/worker.ts';
import type { Applied, Drain, ThreadStats } from './data-plane.ts';
import type { AccessRecord } from './records.ts';
import type { NodeFacts } from './runtime.ts';
import type { TableUpdate } from './table.ts';
import type { FromThread, ThreadData, ToThread } from './thread-messages.ts';

export interface ThreadsOptions {
  readonly count: number;
  readonly facts: Omit<NodeFacts, 'workerIndex'>;
  readonly backEnd: BackEnd;
  readonly clock: Clock;
  readonly log: Logger;
  /** Everything in force, for a thread that starts anew. */
  snapshot(): TableUpdate;
  records(batch: readonly AccessRecord[]): void;
}

/** Small heaps: tables and pools fit easily, and a young generation of this size keeps pauses and memory low. */
const limits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 8, stackSizeMb: 2 };
/** A thread that does not answer within this time is taken for stuck in the answer, not in serving. */
const answerMs = 10_000;

/** The data-plane threads. One that dies is replaced and gets the whole configuration again. */
export class Threads {
  private readonly slots: Slot[] = [];
  private recording = false;

  constructor(options: ThreadsOptions) {
    for (let index = 0; index < options.count; index++) this.slots.push(new Slot(options, index, () => this.recording));
  }

  async apply(update: TableUpdate): Promise<Applied> {
    const nothing: Applied = { failures: [], warming: 0 };
    const answers = await Promise.all(this.slots.map((slot) => slot.ask<Applied>((id) => ({ kind: 'update', id, update }), nothing)));
    const byListener = new Map(answers.flatMap((answer) => answer.failures).map((failure) => [failure.listener, failure]));
    return { failures: [...byListener.values()], warming: Math.max(...answers.map((answer) => answer.warming)) };
  }

  stats(): Promise<ThreadStats[]> {
    return Promise.all(this.slots.map((slot) => slot.ask<ThreadStats | undefined>((id) => ({ kind: 'stats', id }), undefined))).then(
      (all) => all.filter((stats) => stats !== undefined),
    );
  }

  setRecording(on: boolean): void {
    this.recording = on;
    for (const slot of this.slots) slot.tell({ kind: 'recording', on });
  }

  drain(drain: Drain): void {
    for (const slot of this.slots) slot.tell({ kind: 'drain', drain });
  }

  async close(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.close()));
  }

  /** How often a thread had to be replaced. */
  get restarts(): number {
    return this.slots.reduce((sum, slot) => sum + slot.restarts, 0);
  }

  /** For tests of fault handling: ends one thread the hard way. */
  async kill(index: number): Promise<void> {
    await this.slots[index]?.kill();
  }
}

class Slot {
  restarts = 0;
  private readonly options: ThreadsOptions;
  private readonly index: number;
  private readonly isRecording: () => boolean;
  private readonly backoff: Backoff;
  private worker: Worker;
  private nextId = 1;
  private readonly waiting = new Map<number, (value: unknown) => void>();
  private closing = false;
  private alive = true;

  constructor(options: ThreadsOptions, index: number, isRecording: () => boolean) {
    this.options = options;
    this.index = index;
    this.isRecording = isRecording;
    this.backoff = createBackoff(50, 5000, options.clock.random);
    this.worker = this.start();
  }

  /** Sends a command and waits for its answer; `fallback` when the thread dies or keeps silent. */
  ask<T>(make: (id: number) => ToThread, fallback: T): Promise<T> {
    // A thread that is being replaced gets everything in force when it starts.
    if (!this.alive) return Promise.resolve(fallback);
    const id = this.nextId++;
    return new Promise<T>((resolve) => {
      const cancel = this.options.clock.after(answerMs, () => {
        this.waiting.delete(id);
        resolve(fallback);
      });
      this.waiting.set(id, (value) => {
        cancel();
        resolve(value === undefined ? fallback : (value as T));
      });
      this.tell(make(id));
    });
  }

  tell(message: ToThread): void {
    this.worker.postMessage(message);
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.ask((id) => ({ kind: 'close', id }), undefined);
    await this.worker.terminate();
  }

  async kill(): Promise<void> {
    await this.worker.terminate();
  }

  private start(): Worker {
    const facts: NodeFacts = { ...this.options.facts, workerIndex: this.index };
    const worker = new Worker(workerUrl(import.meta.url, 'proxy.worker'), {
      workerData: { facts, backEnd: this.options.backEnd, compileCache: getCompileCacheDir() } satisfies ThreadData,
      resourceLimits: limits,
      name: `proxy-${this.index}`,
    });
    worker.on('message', (message: FromThread) => this.hear(message));
    worker.on('error', (error) => this.options.log.error('a data-plane thread failed', { worker: this.index, error: messageOf(error) }));
    worker.on('exit', () => this.ended());
    if (this.isRecording()) worker.postMessage({ kind: 'recording', on: true } satisfies ToThread);
    return worker;
  }

  private ended(): void {
    for (const resolve of [...this.waiting.values()]) resolve(undefined);
    this.waiting.clear();
    this.alive = false;
    if (this.closing) return;
    this.restarts++;
    this.options.clock.after(this.backoff.next(), () => {
      if (this.closing) return;
      this.options.log.warn('a data-plane thread is being replaced', { worker: this.index, restarts: this.restarts });
      this.worker = this.start();
      this.alive = true;
      this.tell({ kind: 'update', id: 0, update: this.options.snapshot() });
    });
  }

  private hear(message: FromThread): void {
    switch (message.kind) {
      case 'records':
        this.options.records(message.batch);
        return;
      case 'report':
        this.options.log[message.level](message.message, message.context);
        return;
      case 'applied':
        this.answer(message.id, message.applied);
        return;
      case 'stats':
        this.answer(message.id, message.stats);
        return;
      case 'closed':
        this.answer(message.id, true);
        return;
    }
  }

  private answer(id: number, value: unknown): void {
    this.waiting.get(id)?.(value);
    this.waiting.delete(id);
  }
}
