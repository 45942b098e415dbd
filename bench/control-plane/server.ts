/** The control plane of the bench: registry, translation, discovery server, as in the product, with objects from memory. */
import { createHash } from 'node:crypto';
import { createGraph } from '#collection/collection.ts';
import type { InputCollection } from '#collection/graph.ts';
import { defaultMeshConfig } from '#mesh/mesh-config.ts';
import { proxyFromNode } from '#mesh/proxy-node.ts';
import { createPilot, type Pilot } from '#pilot/pilot.ts';
import { meshTranslator } from '#pilot/translator.ts';
import { systemClock } from '#process/clock.ts';
import { logger } from '#process/log.ts';
import { typeUrls } from '#proto/type-url.ts';
import { createMeshState, type MeshState } from '#registry/mesh-state.ts';
import { meshInputs } from '#registry/snapshot-of.ts';
import type { KindDefinition } from '#resources/kind.ts';
import type { Resource } from '#resources/object.ts';
import { changedEndpoints, type MeshShape, meshObjects, namespaceOf, shapes, virtualService } from './mesh.ts';
import { nodeOf } from './node.ts';
import { type FromServer, nowMs, type ToServer } from './protocol.ts';

interface Running {
  readonly shape: MeshShape;
  readonly state: MeshState;
  readonly pilot: Pilot;
  set(resource: Resource<unknown>): void;
}

let running: Running | undefined;

process.on('message', (message: ToServer) => {
  void handle(message);
});

async function handle(message: ToServer): Promise<void> {
  if (message.do === 'quit') process.exit(0);
  if (message.do === 'start') {
    running = start(shapes[message.shape]);
    const address = await running.pilot.listen({ host: '127.0.0.1', port: 0 });
    if ('port' in address) say({ is: 'listening', port: address.port, routeNames: routeNames(running) });
    return;
  }
  if (!running) throw new Error('not started');
  if (message.do === 'settle') return say({ is: 'settled', ...(await settle(running)) });
  if (message.do === 'check') return say(await check(running));
  const { change } = message;
  // Decoded beforehand: the clock starts when the changed object enters the registry.
  const resource = message.do === 'endpoint' ? changedEndpoints(running.shape, change) : virtualService(change % 100);
  const at = nowMs();
  running.set(resource);
  say({ is: 'changed', at, epoch: running.state.current().epoch });
}

function start(shape: MeshShape): Running {
  const graph = createGraph();
  const inputs = new Map<string, InputCollection<Resource<unknown>>>();
  const collected = meshInputs(<Spec>(kind: KindDefinition<Spec>) => {
    const input = graph.input<Resource<Spec>>(kind.plural, ({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    inputs.set(kind.kind, input as unknown as InputCollection<Resource<unknown>>);
    return input;
  });
  const set = (resource: Resource<unknown>) => graph.transaction(() => inputs.get(resource.kind)?.set(resource));
  const objects = meshObjects(shape);
  graph.transaction(() => {
    for (const object of objects) inputs.get(object.kind)?.set(object);
  });
  const state = createMeshState({ graph, inputs: collected, mesh: defaultMeshConfig });
  const pilot = createPilot({ meshState: state, translator: meshTranslator, clock: systemClock, log: logger('pilot'), version: 'bench' });
  return { shape, state, pilot, set };
}

function routeNames({ shape, state }: Running): Record<string, readonly string[]> {
  const found: Record<string, readonly string[]> = {};
  for (let i = 0; i < shape.namespaces; i++) {
    const namespace = namespaceOf(i, shape);
    const proxy = proxyFromNode(nodeOf(i, namespace));
    if (typeof proxy === 'string') throw new Error(proxy);
    found[namespace] = meshTranslator.planRoutes(meshTranslator.scopeFor(state.current(), proxy)).map(({ name }) => name);
  }
  return found;
}

async function settle({ pilot, state }: Running): Promise<{ readonly reached: number; readonly rejected: number }> {
  const { reached, rejected } = await pilot.waitForEpoch(state.current().epoch, 10_000);
  return { reached, rejected };
}

async function check(running: Running): Promise<FromServer> {
  const { pilot } = running;
  const settled = await settle(running);
  const digests: Record<string, string> = {};
  for (const { id, proxy } of pilot.proxies()) {
    if (digests[proxy.namespace]) continue;
    const stream = pilot.connection(id)?.stream;
    const lines = [typeUrls.cluster, typeUrls.endpoint, typeUrls.listener, typeUrls.route].flatMap((typeUrl) => {
      const view = stream?.typeStatus(typeUrl)?.subscription.acknowledged;
      return [...(view?.names() ?? [])].map((name) => `${typeUrl} ${name} ${view?.get(name)?.version}`);
    });
    digests[proxy.namespace] = createHash('sha1').update(lines.sort().join('\n')).digest('hex');
  }
  return { is: 'checked', ...settled, digests };
}

function say(message: FromServer): void {
  process.send?.(message);
}
