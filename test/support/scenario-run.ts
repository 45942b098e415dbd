/** Runs scenarios through workloads of one engine and holds what came back against what was wanted. */
import assert from 'node:assert/strict';
import { type Backend, type Backends, createBackends, type SeenRequest } from './backends.ts';
import { type Engine, startTestMesh, type TestMesh, type TestWorkload } from './mesh.ts';
import type { Scenario, ScenarioObject, Step, Want } from './scenario.ts';
import { type Answer, send } from './scenario-client.ts';

/** What one step brought, free of what differs between two runs: to be compared between engines. */
export interface Observation {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly seen?: {
    readonly workload: string;
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
  };
  readonly body?: string;
}

export interface ScenarioMesh {
  readonly mesh: TestMesh;
  run(scenario: Scenario): Promise<Observation[]>;
  close(): Promise<void>;
}

const services = `
apiVersion: v1
kind: Namespace
metadata: { name: elsewhere }
---
apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  selector: { app: echo }
  ports: [{ name: http, port: 9080 }]
---
apiVersion: v1
kind: Service
metadata: { name: other }
spec:
  selector: { app: other }
  ports: [{ name: http, port: 9080 }]
---
apiVersion: v1
kind: Service
metadata: { name: line }
spec:
  selector: { app: line }
  ports: [{ name: tcp, port: 9000 }]
---
apiVersion: v1
kind: Service
metadata: { name: sniffed }
spec:
  selector: { app: sniffed }
  ports: [{ name: port, port: 9070 }]
`;

/** Workloads of every scenario: echo-v1, echo-v2, echo-v3, other-v1, sniffed-v1 (HTTP), line-v1, line-v2 (TCP) and the client. */
export async function startScenarioMesh(engine: Engine): Promise<ScenarioMesh> {
  const mesh = await startTestMesh();
  const backends = createBackends();
  const running: Backend[] = [];
  const joinHttp = async (service: string, version: string) => {
    const backend = await backends.http(`${service}-${version}`);
    running.push(backend);
    await mesh.join(engine, { service, version, ports: [{ port: backend.port }] });
  };
  const joinTcp = async (version: string) => {
    const backend = await backends.tcp(`line-${version}`);
    running.push(backend);
    await mesh.join(engine, { service: 'line', version, ports: [{ port: backend.port }] });
  };
  await mesh.apply(services);
  for (const version of ['v1', 'v2', 'v3']) await joinHttp('echo', version);
  await joinHttp('other', 'v1');
  await joinHttp('sniffed', 'v1');
  for (const version of ['v1', 'v2']) await joinTcp(version);
  const outside = await backends.http('outside');
  running.push(outside);
  const client = await mesh.join(engine, { service: 'client', labels: { team: 'red' } });
  await mesh.allHealthy();
  await mesh.converged();
  const places = { OUTSIDE_PORT: String(outside.port) };
  let runs = 0;
  return {
    mesh,
    run: (scenario) => runScenario({ engine, mesh, backends, client, scenario, places, id: `${engine}-${++runs}` }),
    async close() {
      await mesh.close();
      for (const backend of running) backend.close();
    },
  };
}

interface Run {
  readonly engine: Engine;
  readonly mesh: TestMesh;
  readonly backends: Backends;
  readonly client: TestWorkload;
  readonly scenario: Scenario;
  /** Values of `$NAME` in objects. */
  readonly places: Readonly<Record<string, string>>;
  readonly id: string;
}

async function runScenario(run: Run): Promise<Observation[]> {
  const { mesh, scenario } = run;
  mesh.setMesh(scenario.mesh ?? {});
  const applied = await mesh.apply(scenario.objects.map((object) => toYaml(object, run.places)).join('\n---\n'));
  const refused = scenario.refused?.[run.engine];
  try {
    if (refused) {
      await settle(() => mesh.rejected.length > 0);
      assert.ok(
        mesh.rejected.some(({ error }) => error.includes(refused)),
        `the refusal names ${refused}: ${JSON.stringify(mesh.rejected)}`,
      );
      return [];
    }
    await mesh.converged();
    assert.deepEqual(mesh.rejected, [], 'no proxy refuses anything');
    const observations: Observation[] = [];
    for (const [index, step] of scenario.steps.entries()) observations.push(...(await runStep(run, step, `${run.id}-${index}`)));
    return observations;
  } finally {
    await mesh.remove(applied);
    mesh.setMesh({});
    await mesh.converged();
    mesh.forgetRejections();
  }
}

function toYaml({ kind, name, namespace = 'default', spec }: ScenarioObject, places: Readonly<Record<string, string>>): string {
  const apiVersion = kind === 'Service' ? 'v1' : 'networking.istio.io/v1';
  // JSON is YAML.
  const text = JSON.stringify({ apiVersion, kind, metadata: { name, namespace }, spec });
  return text.replaceAll(/"\$([A-Z_]+)"/g, (_, place: string) => places[place] ?? assert.fail(`no place ${place}`));
}

async function runStep(run: Run, step: Step, key: string): Promise<Observation[]> {
  const deadline = performance.now() + (step.withinMs ?? 0);
  for (let n = 0; ; n++) {
    try {
      return await tryStep(run, step, `${key}-${n}`);
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function tryStep(run: Run, step: Step, key: string): Promise<Observation[]> {
  const { backends, client } = run;
  backends.seen.length = 0;
  const answers: Answer[] = [];
  const one = () => send(client, step, { 'x-key': key });
  if (step.together) answers.push(...(await Promise.all(Array.from({ length: step.together }, one))));
  else for (let n = 0; n < (step.times ?? 1); n++) answers.push(await one());
  const arrived = () => backends.seen.filter(({ headers }) => headers['x-key'] === key);
  if (step.want.mirroredTo || step.want.arrived) await settle(() => arrived().length >= (step.want.arrived?.[0] ?? 2));
  const label = `${step.send} ${step.to ?? ''}`;
  checkAnswers(step.want, answers, label);
  checkArrivals(step.want, arrived(), label);
  const [only] = answers;
  return answers.length === 1 && only ? [observe(only, step)] : [];
}

/** Copies and late tries arrive after the answer. */
async function settle(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 1_000;
  while (!holds() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
}

function checkAnswers(want: Want, answers: readonly Answer[], label: string): void {
  const shown = () => `${label}: ${JSON.stringify(answers.slice(0, 3))}`;
  const between = (value: number, [least, most]: readonly [number, number], what: string) =>
    assert.ok(value >= least && value <= most, `${what} is ${value}, not ${least} to ${most}; ${shown()}`);
  if (want.status !== undefined) {
    const allowed = typeof want.status === 'number' ? [want.status] : want.status;
    for (const { status } of answers) assert.ok(allowed.includes(status), `status ${status}, not ${allowed}; ${shown()}`);
  }
  for (const [status, range] of Object.entries(want.statuses ?? {}))
    between(answers.filter((answer) => answer.status === Number(status)).length, range, `count of ${status}`);
  const sources = answers.map(sourceOf);
  if (typeof want.from === 'string') for (const source of sources) assert.equal(source, want.from, shown());
  else
    for (const [source, range] of Object.entries(want.from ?? {}))
      between(sources.filter((one) => one === source).length, range, `answers of ${source}`);
  if (want.sticky) assert.equal(new Set(sources).size, 1, shown());
  for (const answer of answers) {
    for (const [name, value] of Object.entries(want.headers ?? {}))
      checkValue(answer.headers[name], value, `response header ${name}`, shown);
    if (want.body !== undefined) assert.ok(answer.body.includes(want.body), `body lacks ${want.body}; ${shown()}`);
    if (want.took) between(answer.tookMs, want.took, 'time');
    const saw = seenIn(answer);
    for (const [name, value] of Object.entries(want.seen ?? {}))
      checkValue(name === 'path' || name === 'method' ? saw?.[name] : saw?.headers[name], value, `the backend's ${name}`, shown);
  }
}

function checkArrivals(want: Want, arrived: readonly SeenRequest[], label: string): void {
  if (want.arrived) {
    const [least, most] = want.arrived;
    assert.ok(arrived.length >= least && arrived.length <= most, `${label}: ${arrived.length} requests arrived, not ${least} to ${most}`);
  }
  if (want.mirroredTo) {
    const workloads = arrived.map(({ workload }) => workload);
    assert.ok(workloads.includes(want.mirroredTo), `${label}: it arrived at ${workloads.join(', ') || 'nobody'}`);
  }
}

function checkValue(found: string | undefined, want: string | null, what: string, shown: () => string): void {
  if (want === null) assert.equal(found, undefined, `${what}; ${shown()}`);
  else if (/^\/.*\/$/.test(want)) assert.match(found ?? '', new RegExp(want.slice(1, -1)), `${what}; ${shown()}`);
  else assert.equal(found, want, `${what}; ${shown()}`);
}

function seenIn(answer: Answer): SeenRequest | undefined {
  try {
    const value: unknown = JSON.parse(answer.body);
    return typeof value === 'object' && value !== null && 'workload' in value ? (value as SeenRequest) : undefined;
  } catch {
    return undefined;
  }
}

function sourceOf(answer: Answer): string {
  return seenIn(answer)?.workload ?? answer.headers['x-from'] ?? answer.body.split(' ')[0] ?? '';
}

/** Differ from run to run by nature. */
const volatile = new Set(['date', 'content-length', 'x-envoy-upstream-service-time', 'x-key', 'connection', 'keep-alive', 'x-from']);

function observe(answer: Answer, step: Step): Observation {
  const saw = seenIn(answer);
  // Which of several equal endpoints answers is chance.
  const isFixed = step.want.from !== undefined;
  const body = isFixed ? answer.body : answer.body.replace(/^(echo|line)-v\d /, '');
  const seen = saw && { workload: isFixed ? saw.workload : '', method: saw.method, path: saw.path, headers: steady(saw.headers) };
  return { status: answer.status, headers: steady(answer.headers), ...(seen ? { seen } : { body }) };
}

function steady(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !volatile.has(name))
      .map(([name, value]) => [name, steadyValue(name, value)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function steadyValue(name: string, value: string): string {
  if (name === 'x-request-id') return 'some';
  // Both make the value of a balancing cookie from their own hash.
  if (name === 'set-cookie') return value.replace(/="[0-9a-f]+"/, '="hash"');
  return value.replaceAll(/\b127(?:\.\d+){3}(?::\d+)?/g, 'loopback');
}
