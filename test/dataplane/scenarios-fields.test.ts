import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kinds as allKinds } from '#resources/kinds.ts';
import { readScenarios } from '../support/scenario.ts';

const kinds = allKinds.filter(({ kind }) => ['VirtualService', 'DestinationRule', 'ServiceEntry'].includes(kind));

/** Fields that no traffic scenario uses, by the reason. A path stands for everything below it. */
const unused: Readonly<Record<string, readonly string[]>> = {
  'no proxy supports it': ['VirtualService.http[].fault.delay.exponentialDelay', 'VirtualService.http[].fault.abort.http2Error'],
  'another spelling of mirrorPercent': ['VirtualService.http[].mirror_percent'],
  'Istio ignores it': ['VirtualService.tcp[].match[].sourceSubnet'],
  'TLS routes and client TLS come with identities': ['VirtualService.tls', 'DestinationRule.trafficPolicy.tls'],
  'everything is in one place on one machine': [
    'DestinationRule.trafficPolicy.loadBalancer.localityLbSetting',
    'DestinationRule.trafficPolicy.loadBalancer.zoneAwareLbSetting',
  ],
  'needs HTTP/2 upstream': [
    'DestinationRule.trafficPolicy.connectionPool.http.useClientProtocol',
    'DestinationRule.trafficPolicy.connectionPool.http.http2KeepAlive',
  ],
  'the far end would have to speak it too': ['DestinationRule.trafficPolicy.tunnel', 'DestinationRule.trafficPolicy.proxyProtocol'],
};

type Json = Readonly<Record<string, unknown>>;

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A traffic policy is one message in three places: for the host, for a port, for a subset. */
function canonical(path: string): string {
  return path.replace('.subsets[].trafficPolicy', '.trafficPolicy').replace('.trafficPolicy.portLevelSettings[].', '.trafficPolicy.');
}

/** `spec.http[].match[].uri.exact` and the like, leaves only; maps and lists are `[]`. */
function fieldsOf(schema: unknown, path: string, seen: readonly unknown[] = []): string[] {
  if (!isJson(schema) || seen.includes(schema)) return [path];
  const inner = [...seen, schema];
  if (isJson(schema.properties))
    return Object.entries(schema.properties).flatMap(([name, field]) => fieldsOf(field, `${path}.${name}`, inner));
  if (isJson(schema.items)) return fieldsOf(schema.items, `${path}[]`, inner);
  const values = isJson(schema.patternProperties) ? Object.values(schema.patternProperties)[0] : schema.additionalProperties;
  return isJson(values) ? fieldsOf(values, `${path}[]`, inner) : [path];
}

/** The same paths of a value, inner ones included. */
function pathsIn(value: unknown, schema: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => pathsIn(item, isJson(schema) ? schema.items : undefined, `${path}[]`));
  if (!isJson(value)) return [path];
  const properties = isJson(schema) && isJson(schema.properties) ? schema.properties : undefined;
  const own = Object.entries(value).flatMap(([name, item]) =>
    properties ? pathsIn(item, properties[name], `${path}.${name}`) : pathsIn(item, valueSchema(schema), `${path}[]`),
  );
  return [path, ...own];
}

function valueSchema(schema: unknown): unknown {
  if (!isJson(schema)) return undefined;
  return isJson(schema.patternProperties) ? Object.values(schema.patternProperties)[0] : schema.additionalProperties;
}

const scenarios = readScenarios();
test('the three kinds are there', () => assert.equal(kinds.length, 3));

for (const kind of kinds) {
  test(`every field of ${kind.kind} is in a scenario, or stands in the list with its reason`, () => {
    const used = new Set(
      scenarios
        .flatMap(({ objects }) => objects.filter((object) => object.kind === kind.kind))
        .flatMap(({ spec }) => pathsIn(spec, kind.schema, kind.kind).map(canonical)),
    );
    const all = [...new Set(fieldsOf(kind.schema, kind.kind).map(canonical))];
    assert.ok(all.length > 10, 'the fields of the schema were found');
    const excused = Object.values(unused).flat();
    const isExcused = (field: string) =>
      excused.some((path) => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[]`));
    assert.deepEqual(
      all.filter((field) => !used.has(field) && !isExcused(field)),
      [],
    );
    const needless = excused.filter(
      (path) => path.startsWith(`${kind.kind}.`) && (used.has(path) || !all.some((field) => field.startsWith(path))),
    );
    assert.deepEqual(needless, [], 'nothing is in the list that a scenario uses or no schema has');
  });
}
