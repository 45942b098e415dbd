import type { CDPSession, Page } from 'playwright-core';
import type { Graph, LiveMessage, Numbers } from '#server/api.ts';
import { openStage } from '../test/ui/stage.ts';
import type { BenchOptions, BenchRow } from './bench.ts';

export const name = 'page';

const services = 1000;

function numbers(seed: number): Numbers {
  const rps = 1 + (seed % 40) + Math.random();
  return { rps, errors: seed % 97 === 0 ? 0.08 : 0, p50: 4, p95: 12, p99: 30, bps: 0 };
}

/** Services in 20 namespaces; each calls one or two others, mostly of its own namespace. */
function graphOf(count: number): Graph {
  const namespace = (index: number) => `team-${index % 20}`;
  const id = (index: number) => `service/${namespace(index)}/service-${index}`;
  const nodes = Array.from({ length: count }, (_, index) => ({
    id: id(index),
    kind: 'service' as const,
    name: `service-${index}`,
    namespace: namespace(index),
    health: index % 97 === 0 ? ('bad' as const) : ('ok' as const),
    problems: 0,
    numbers: numbers(index),
  }));
  const calls = nodes.flatMap((_, index) => {
    const next = [index + 20, ...(index % 2 ? [index + 60] : []), ...(index % 25 === 0 ? [index + 7] : [])];
    return next.filter((target) => target < count).map((target) => [id(index), id(target)] as const);
  });
  const edges = calls.map(([source, target], index) => ({
    id: `${source}>${target}`,
    source,
    target,
    mtls: true,
    numbers: numbers(index),
  }));
  return { seq: 1, at: Date.now(), nodes, edges };
}

type Stage = NonNullable<Awaited<ReturnType<typeof openStage>>>;

interface Watched {
  readonly page: Page;
  readonly session: CDPSession;
  readonly close: () => Promise<void>;
}

/** The graph page with 1,000 services whose numbers all change each second: what it costs to watch, how it moves. */
export async function run(options: BenchOptions): Promise<readonly BenchRow[]> {
  const stage = await openStage({ skip: () => undefined });
  if (!stage) {
    options.log('no browser: run "npm run peers" first');
    return [];
  }
  try {
    const seconds = options.quick ? 3 : 10;
    const what = `graph page, ${services} services, all numbers each second, software rendering`;
    const core = { unit: '% of a core', target: '<= 5 %' };
    const quiet = await busyShare(stage, '/graph', true, seconds);
    const lively = await busyShare(stage, '/graph', false, seconds);
    const frames = await framesWhileMoved(stage, options.quick ? 2_000 : 5_000);
    return [
      { what: `${what}: grouped, no particles`, ours: quiet, ...core, met: quiet <= 5 },
      { what: `${what}: grouped, particles`, ours: lively, ...core, met: lively <= 5 },
      { what: `${what}: all nodes open, moved`, ours: frames, unit: 'frames/s', target: '>= 30', met: frames >= 30 },
    ];
  } finally {
    await stage.close();
  }
}

async function metric(session: CDPSession, wanted: string): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find((entry) => entry.name === wanted)?.value ?? 0;
}

async function prepared(stage: Stage, path: string, reducedMotion: boolean): Promise<Watched> {
  const graph = graphOf(services);
  const { page, done } = await stage.open('/now', { reducedMotion });
  await page.route('**/api/v1/graph*', (route) => route.fulfill({ json: graph }));
  await page.routeWebSocket('**/api/v1/live*', (socket) => {
    let seq = 10;
    const say = (message: LiveMessage) => socket.send(JSON.stringify(message));
    say({ seq: seq++, type: 'hello', version: '0' });
    const timer = setInterval(() => {
      const ids = [...graph.nodes, ...graph.edges].map((thing, index) => [thing.id, numbers(index)] as const);
      say({ seq: seq++, type: 'traffic', at: Date.now(), set: Object.fromEntries(ids), gone: [] });
    }, 1000);
    socket.onClose(() => clearInterval(timer));
  });
  await page.goto(new URL(path, page.url()).href);
  await page.waitForSelector('canvas >> nth=0', { timeout: 60_000 });
  await page.waitForTimeout(3000);
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  return { page, session, close: done };
}

/** Per cent of a core that the page's main thread uses. */
async function busyShare(stage: Stage, path: string, reducedMotion: boolean, seconds: number): Promise<number> {
  const { page, session, close } = await prepared(stage, path, reducedMotion);
  const before = await metric(session, 'TaskDuration');
  await page.waitForTimeout(seconds * 1000);
  const used = (await metric(session, 'TaskDuration')) - before;
  await close();
  return Math.round((used / seconds) * 1000) / 10;
}

async function framesWhileMoved(stage: Stage, forMs: number): Promise<number> {
  const { page, close } = await prepared(stage, '/graph?open=*', false);
  await page.evaluate(`(() => {
    window.frameTimes = [];
    const tick = (at) => { window.frameTimes.push(at); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
  })()`);
  await page.mouse.move(700, 300);
  await page.mouse.down();
  const end = Date.now() + forMs;
  for (let step = 0; Date.now() < end; step++) {
    await page.mouse.move(700 + 150 * Math.sin(step / 8), 300 + 80 * Math.cos(step / 8));
    await page.waitForTimeout(15);
  }
  await page.mouse.up();
  const frames = await page.evaluate<number>('1000 * (window.frameTimes.length - 1) / (window.frameTimes.at(-1) - window.frameTimes[0])');
  await close();
  return Math.round(frames);
}
