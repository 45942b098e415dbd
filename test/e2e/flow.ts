/** Two versions of a service under 50 requests a second, for tests that kill something meanwhile. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Engine } from '../support/mesh.ts';
import { type Answer, descendants, type Joined, type Plane, until } from './plane.ts';

const server = `require('node:http').createServer((q, s) => s.end(process.env.MESHWRIGHT_WORKLOAD)).listen(process.env.PORT, '127.0.0.1')`;
export const command = [process.execPath, '-e', server];

export const split = (weight: number) => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api]
  http:
    - route:
        - {destination: {host: api, subset: v1}, weight: ${weight}}
        - {destination: {host: api, subset: v2}, weight: ${100 - weight}}
`;

/** Two versions of api, and a visitor that calls them. */
export async function joinPair(
  plane: Plane,
  engine: Engine,
): Promise<{ readonly v1: Joined; readonly v2: Joined; readonly visitor: Joined }> {
  const wishes = [...['v1', 'v2'].map((version) => ({ service: 'api', version, port: '80:0', command })), { service: 'visitor' }];
  const [v1, v2, visitor] = await Promise.all(wishes.map((wish) => plane.join({ ...wish, engine })));
  assert.ok(v1 && v2 && visitor);
  await plane.converged();
  return { v1, v2, visitor };
}

export interface Flow {
  readonly answers: readonly Answer[];
  stop(): Promise<void>;
}

/** 50 requests a second, whatever becomes of them. */
export function startFlow(plane: Plane, from: Joined): Flow {
  const answers: Answer[] = [];
  const waiting = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const one = plane.ask(from, 'api:80', '/').then((answer) => {
      answers.push(answer);
      waiting.delete(one);
    });
    waiting.add(one);
  }, 20);
  return {
    answers,
    async stop() {
      clearInterval(timer);
      await Promise.all(waiting);
    },
  };
}

export function failuresOf(answers: readonly Answer[]): string[] {
  return answers.filter(({ status }) => status !== 200).map(({ status, body }) => `${status} ${body}`);
}

/** Resolves when the last 50 answers are all good. */
export async function flowsWell({ answers }: Flow, withinMs: number): Promise<void> {
  const begin = answers.length;
  await until('50 good answers in a row', () => answers.length >= begin + 50 && failuresOf(answers.slice(-50)).length === 0, withinMs);
}

export function envoyOf(agent: Joined): number {
  const found = descendants(agent.running.child.pid ?? 0).find((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0]?.endsWith('envoy'),
  );
  assert.ok(found, 'the agent has an Envoy');
  return found;
}
