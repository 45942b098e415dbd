import { Type } from 'typebox';
import type { VirtualService } from '#resources/networking/virtual-service.ts';
import type { Resource } from '#resources/object.ts';
import { requireWriter } from '../access/guard.ts';
import { type SplitDestination, SplitList, SplitRequest, type SplitRoute, WriteAnswer } from '../api.ts';
import type { KubeObject } from '../sources.ts';
import { fullHost, type ServiceNode } from '../state/mesh-view.ts';
import type { Api, Context } from './context.ts';
import { refusal } from './refusal.ts';
import { writeAnswer, writeOne } from './writing.ts';

/** How a service's requests are shared between its versions, and changing that without touching anything else. */
export function splitRoutes(app: Api, context: Context): void {
  const { sources, sessions, state } = context;

  const query = Type.Object({ service: Type.String({ description: 'service/namespace/name' }) });
  app.get(
    '/splits',
    { schema: { summary: 'Routes of a service with their weights', querystring: query, response: { 200: SplitList } } },
    async (request) => {
      const node = state.mesh().services.get(request.query.service);
      if (!node) throw refusal(404, 'not_found', `There is no ${request.query.service}.`, 'See /api/v1/services for the ids of services.');
      return { items: splitsOf(context, node) };
    },
  );

  app.post(
    '/splits',
    {
      schema: {
        summary: 'Changes the weights of one route, or says what that would change',
        body: SplitRequest,
        response: { 200: WriteAnswer },
      },
    },
    async (request) => {
      requireWriter(request, sessions);
      const { ref, dryRun, generation, destinations } = request.body;
      if (ref.kind !== 'VirtualService') throw refusal(400, 'bad_request', `${ref.kind} has no weights.`, 'Name a VirtualService.');
      const total = destinations.reduce((sum, destination) => sum + destination.weight, 0);
      if (total !== 100)
        throw refusal(422, 'weights', `The weights add up to ${total}, expected 100.`, 'Give each destination its share in percent.');
      const stored = await sources.resources.get(ref);
      if ((stored?.metadata.generation ?? 0) !== generation) {
        const found = stored ? `has generation ${stored.metadata.generation}` : 'does not exist';
        const message = `VirtualService ${ref.namespace}/${ref.name} ${found}, the split that was shown has generation ${generation}.`;
        throw refusal(409, 'conflict', message, 'Read the splits again: somebody changed it meanwhile.');
      }
      const object = stored ? withWeights(stored, request.body) : newVirtualService(request.body);
      const options = { dryRun, fieldValidation: 'Strict', ...(stored ? { generation } : {}) } as const;
      const { change, warnings } = await writeOne(sources.resources, object, options);
      return writeAnswer(dryRun, [change], warnings);
    },
  );
}

const protocols = ['http', 'tls', 'tcp'] as const;

/** Routes that lead to the service; when none does, the one that applying would create. */
function splitsOf({ sources }: Context, node: ServiceNode): SplitRoute[] {
  const snapshot = sources.mesh.current();
  const { service } = node;
  const subsets = snapshot.destinationRules
    .filter((rule) => fullHost(rule.spec.host ?? '', rule.metadata.namespace) === service.hostname)
    .flatMap((rule) => (rule.spec.subsets ?? []).map((subset) => subset.name ?? ''));
  const routes: SplitRoute[] = [];
  for (const virtualService of snapshot.virtualServices) {
    for (const protocol of protocols) {
      (virtualService.spec[protocol] ?? []).forEach((route, index) => {
        const destinations = destinationsOf(virtualService, route.route ?? []);
        const leads = destinations.some(({ host }) => fullHost(host, virtualService.metadata.namespace) === service.hostname);
        if (leads) routes.push(splitRoute(virtualService, protocol, index, destinations, subsets));
      });
    }
  }
  if (routes.length || subsets.length < 2) return routes;
  const even = Math.floor(100 / subsets.length);
  const weights = subsets.map((subset, index) => ({
    host: service.name,
    subset,
    weight: index ? even : 100 - even * (subsets.length - 1),
  }));
  const ref = { kind: 'VirtualService', namespace: service.namespace, name: service.name };
  return [{ ref, exists: false, protocol: 'http', index: 0, title: 'all requests', generation: 0, destinations: weights }];
}

interface Weighted {
  readonly destination?: { readonly host?: string; readonly subset?: string; readonly port?: { readonly number?: number } };
  readonly weight?: number;
}

function destinationsOf(_: Resource<VirtualService>, route: readonly Weighted[]): SplitDestination[] {
  return route.map(({ destination, weight }) => ({
    host: destination?.host ?? '',
    subset: destination?.subset ?? '',
    ...(destination?.port?.number ? { port: destination.port.number } : {}),
    weight: weight ?? (route.length === 1 ? 100 : 0),
  }));
}

/** Subsets that the route does not use yet are offered with weight 0. */
function splitRoute(
  owner: Resource<VirtualService>,
  protocol: SplitRoute['protocol'],
  index: number,
  used: SplitDestination[],
  subsets: readonly string[],
): SplitRoute {
  const { namespace, name, generation } = owner.metadata;
  const first = used[0];
  const offered = first
    ? subsets
        .filter((subset) => !used.some((destination) => destination.subset === subset && destination.host === first.host))
        .map((subset) => ({ host: first.host, subset, ...(first.port ? { port: first.port } : {}), weight: 0 }))
    : [];
  const http = protocol === 'http' ? owner.spec.http?.[index] : undefined;
  return {
    ref: { kind: 'VirtualService', namespace, name },
    exists: true,
    protocol,
    index,
    title: http?.name || (http?.match?.length ? describeMatch(http.match) : 'all requests'),
    generation,
    destinations: [...used, ...offered],
  };
}

/** `header end-user = jason, path prefix /api`: the match's conditions in the words of the API. */
function describeMatch(matches: readonly unknown[]): string {
  const said = matches.map((match) => {
    const parts: string[] = [];
    const walk = (value: unknown, path: string) => {
      if (typeof value !== 'object' || value === null) parts.push(`${path} ${String(value)}`);
      else for (const [key, inner] of Object.entries(value)) walk(inner, path ? `${path} ${key}` : key);
    };
    walk(match, '');
    return parts.join(', ');
  });
  return said.join(' or ');
}

type Json = Record<string, unknown>;

/** The stored object with other weights in one route. Destinations of weight 0 are left out, whatever else they carry stays. */
function withWeights(stored: KubeObject, { protocol, index, destinations }: SplitRequest): KubeObject {
  const object: KubeObject & { spec?: Json } = structuredClone(stored) as KubeObject & { spec?: Json };
  const routes = object.spec?.[protocol];
  const route: Json | undefined = Array.isArray(routes) ? routes[index] : undefined;
  const old = Array.isArray(route?.route) ? (route.route as (Weighted & Json)[]) : undefined;
  if (!route || !old) {
    throw refusal(
      409,
      'conflict',
      `${protocol} route ${index} is not in the stored object.`,
      'Read the splits again: somebody changed it meanwhile.',
    );
  }
  route.route = destinations
    .filter(({ weight }) => weight > 0)
    .map((wanted) => {
      const held = old.find(({ destination }) => sameDestination(destination, wanted));
      return held ? { ...held, weight: wanted.weight } : routeEntry(wanted);
    });
  return object;
}

function sameDestination(destination: Weighted['destination'], { host, subset, port }: SplitDestination): boolean {
  return destination?.host === host && (destination.subset ?? '') === subset && destination.port?.number === port;
}

function routeEntry({ host, subset, port, weight }: SplitDestination): Json {
  return { destination: { host, ...(subset ? { subset } : {}), ...(port ? { port: { number: port } } : {}) }, weight };
}

function newVirtualService({ ref, destinations }: SplitRequest): KubeObject {
  const host = destinations[0]?.host ?? ref.name;
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: ref.name, namespace: ref.namespace },
    spec: { hosts: [host], http: [{ route: destinations.filter(({ weight }) => weight > 0).map(routeEntry) }] },
  };
}
