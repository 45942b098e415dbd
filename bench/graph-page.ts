/**
 * `node -C source bench/graph-page.ts [frames]`: frame rate of the graph with 1,000 services all open, while it is moved,
 * and the share of a core the page uses while it is watched (grouped, as it opens), with 3,000 numbers a second coming in.
 */
import type { CDPSession, Page } from 'playwright-core';
import type { Graph, LiveMessage, Numbers } from '#server/api.ts';
import { openStage } from '../test/ui/stage.ts';

const services = 1000;
const seconds = 10;

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

const stage = await openStage({ skip: () => undefined });
if (!stage) throw new Error('no browser: run "npm run peers" first');
const graph = graphOf(services);
const metric = async (session: CDPSession, name: string) => {
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find((entry) => entry.name === name)?.value ?? 0;
};

async function prepared(path: string, reducedMotion: boolean): Promise<{ page: Page; session: CDPSession; close: () => Promise<void> }> {
  const { page, done } = await (stage as NonNullable<typeof stage>).open('/now', { reducedMotion });
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

const watched = [
  ['grouped, particles', '/graph', false],
  ['grouped, no particles', '/graph', true],
  ['all open, particles', '/graph?open=*', false],
] as const;
for (const [what, path, still] of process.argv[2] === 'frames' ? [] : watched) {
  const { session, close, page } = await prepared(path, still);
  const before = await metric(session, 'TaskDuration');
  await page.waitForTimeout(seconds * 1000);
  const used = (await metric(session, 'TaskDuration')) - before;
  console.log(`${what}: main thread busy ${((used / seconds) * 100).toFixed(1)} % of a core`);
  await close();
}

const { page, close } = await prepared('/graph?open=*', false);
await page.evaluate(`(() => {
  window.frameTimes = [];
  const tick = (at) => { window.frameTimes.push(at); requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
})()`);
await page.mouse.move(700, 300);
await page.mouse.down();
const end = Date.now() + 5_000;
for (let step = 0; Date.now() < end; step++) {
  await page.mouse.move(700 + 150 * Math.sin(step / 8), 300 + 80 * Math.cos(step / 8));
  await page.waitForTimeout(15);
}
await page.mouse.up();
const [frames, median, worst] = await page.evaluate<[number, number, number]>(`(() => {
  const gaps = window.frameTimes.slice(1).map((at, index) => at - window.frameTimes[index]).sort((a, b) => a - b);
  return [1000 * gaps.length / gaps.reduce((sum, gap) => sum + gap, 0), gaps[gaps.length >> 1], gaps[Math.floor(gaps.length * 0.95)]];
})()`);
console.log(
  `${services} nodes, ${graph.edges.length} edges, moved: ${frames.toFixed(0)} frames/s, median ${median.toFixed(0)} ms, p95 ${worst.toFixed(0)} ms`,
);
await close();
await stage.close();
