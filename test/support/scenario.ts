/** Traffic scenarios: mesh configuration, requests through it, and what must come of them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseYaml } from '#yaml/document.ts';

/** An object as a scenario writes it; the API group follows from the kind. */
export interface ScenarioObject {
  readonly kind: 'VirtualService' | 'DestinationRule' | 'ServiceEntry' | 'Service';
  readonly name: string;
  readonly namespace?: string;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** One request, or several alike. */
export interface Step {
  /** `GET /path`, or `TCP text`, or `UPGRADE /path`. */
  readonly send: string;
  /** Service and port, `echo:9080` when absent. With `via: proxy` any authority. */
  readonly to?: string;
  /** How the client gets there: the service's own address, the HTTP proxy in absolute form, or CONNECT to it. */
  readonly via?: 'address' | 'proxy' | 'connect';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** One after the other, 1 when absent. */
  readonly times?: number;
  /** At the same moment. */
  readonly together?: number;
  /** Tried again until it holds, at most so many milliseconds: for what needs an interval of the proxy to pass. */
  readonly withinMs?: number;
  readonly want: Want;
}

export interface Want {
  /** Every answer has one of these; 0 is a connection that ended without one. */
  readonly status?: number | readonly number[];
  /** Answers by status: least and most. */
  readonly statuses?: Readonly<Record<string, readonly [number, number]>>;
  /** Every answer came from there, or by workload: least and most. */
  readonly from?: string | Readonly<Record<string, readonly [number, number]>>;
  /** Response headers; null means absent. A value between slashes is an expression. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** What the backend saw: `method`, `path`, or a request header; null means absent. */
  readonly seen?: Readonly<Record<string, string | null>>;
  /** Part of the body. */
  readonly body?: string;
  /** Milliseconds until the answer: least and most. */
  readonly took?: readonly [number, number];
  /** Requests that reached backends because of the step (retries and mirrors counted): least and most. */
  readonly arrived?: readonly [number, number];
  /** A workload that saw a copy. */
  readonly mirroredTo?: string;
  /** All answers came from the same workload. */
  readonly sticky?: boolean;
}

export interface Scenario {
  readonly name: string;
  /** Fields of the mesh configuration that differ from the defaults. */
  readonly mesh?: Readonly<Record<string, unknown>>;
  readonly objects: readonly ScenarioObject[];
  readonly steps: readonly Step[];
  /** An engine that cannot honour it, by the field that its refusal must name; the last good configuration stays. */
  readonly refused?: Readonly<Partial<Record<'embedded' | 'envoy', string>>>;
}

export const scenarioFolder = new URL('../../fixtures/scenarios-traffic/', import.meta.url).pathname;

/** All scenarios of all files, in order; names are unique. */
export function readScenarios(): Scenario[] {
  const found = readdirSync(scenarioFolder)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .flatMap((file) => {
      const path = join(scenarioFolder, file);
      return parseYaml(readFileSync(path, 'utf8'), path).map((document) => {
        assert.deepEqual(document.problems, [], path);
        return document.value as Scenario;
      });
    });
  assert.equal(new Set(found.map(({ name }) => name)).size, found.length, 'names of scenarios are unique');
  return found;
}
