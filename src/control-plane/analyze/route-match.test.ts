import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { RouteMatchSchema } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { matchRoute, type SimulatedRequest } from './route-match.ts';

const request: SimulatedRequest = {
  method: 'GET',
  authority: 'web.shop:80',
  path: '/Items/42?page=7&empty=',
  scheme: 'http',
  headers: { 'x-a': 'abc', 'x-empty': '' },
};

function holds(match: MessageInitShape<typeof RouteMatchSchema>): boolean {
  return matchRoute(create(RouteMatchSchema, match), request).every((condition) => condition.holds);
}

const exact = (value: string) => ({ case: 'stringMatch' as const, value: { matchPattern: { case: 'exact' as const, value } } });
const regex = (value: string) => ({
  case: 'stringMatch' as const,
  value: { matchPattern: { case: 'safeRegex' as const, value: { regex: value } } },
});
const present = { case: 'presentMatch' as const, value: true };

describe('matchRoute', () => {
  const cases: readonly (readonly [string, MessageInitShape<typeof RouteMatchSchema>, boolean])[] = [
    ['prefix', { pathSpecifier: { case: 'prefix', value: '/Items' } }, true],
    ['prefix of other case', { pathSpecifier: { case: 'prefix', value: '/items' } }, false],
    ['prefix without case', { pathSpecifier: { case: 'prefix', value: '/items' }, caseSensitive: false }, true],
    ['path, the query does not count', { pathSpecifier: { case: 'path', value: '/Items/42' } }, true],
    ['regex matches the whole path', { pathSpecifier: { case: 'safeRegex', value: { regex: '/Items' } } }, false],
    ['regex', { pathSpecifier: { case: 'safeRegex', value: { regex: '/Items/[0-9]+' } } }, true],
    ['separated prefix', { pathSpecifier: { case: 'pathSeparatedPrefix', value: '/Items' } }, true],
    ['separated prefix inside a word', { pathSpecifier: { case: 'pathSeparatedPrefix', value: '/It' } }, false],
    ['connect', { pathSpecifier: { case: 'connectMatcher', value: {} } }, false],
    ['header', { headers: [{ name: 'X-A', headerMatchSpecifier: exact('abc') }] }, true],
    ['header regex is a full match', { headers: [{ name: 'x-a', headerMatchSpecifier: regex('b') }] }, false],
    ['present header', { headers: [{ name: 'x-empty', headerMatchSpecifier: present }] }, true],
    ['absent header', { headers: [{ name: 'x-b', headerMatchSpecifier: present }] }, false],
    ['absence of an absent header', { headers: [{ name: 'x-b', headerMatchSpecifier: present, invertMatch: true }] }, true],
    ['inverted comparison of an absent header', { headers: [{ name: 'x-b', headerMatchSpecifier: exact('1'), invertMatch: true }] }, false],
    [
      'the same when absent counts as empty',
      { headers: [{ name: 'x-b', headerMatchSpecifier: exact('1'), invertMatch: true, treatMissingHeaderAsEmpty: true }] },
      true,
    ],
    ['method', { headers: [{ name: ':method', headerMatchSpecifier: exact('GET') }] }, true],
    ['authority', { headers: [{ name: ':authority', headerMatchSpecifier: exact('web.shop:80') }] }, true],
    ['query', { queryParameters: [{ name: 'page', queryParameterMatchSpecifier: regex('[0-9]') }] }, true],
    ['empty query parameter is present', { queryParameters: [{ name: 'empty', queryParameterMatchSpecifier: present }] }, true],
    ['missing query parameter', { queryParameters: [{ name: 'none', queryParameterMatchSpecifier: present }] }, false],
  ];
  for (const [name, match, expected] of cases) it(name, () => assert.equal(holds(match), expected));
});
