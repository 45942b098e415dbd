/** A mesh state made from YAML text, for tests of the discovery server. */

import { serviceKey } from '#mesh/service.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import type { MeshStateSource } from '#pilot/pilot.ts';
import { meshFromYaml } from '../sim/mesh-from-yaml.ts';

export class YamlMesh implements MeshStateSource {
  #snapshot: MeshSnapshot;
  readonly #listeners = new Set<(snapshot: MeshSnapshot, change: SnapshotChange) => void>();

  constructor(text: string) {
    this.#snapshot = { ...read(text), epoch: 1 };
  }

  current(): MeshSnapshot {
    return this.#snapshot;
  }

  subscribe(listener: (snapshot: MeshSnapshot, change: SnapshotChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Replaces everything; returns the new epoch. */
  set(text: string): number {
    const before = this.#snapshot;
    const after = { ...read(text), epoch: before.epoch + 1 };
    this.#snapshot = after;
    const change: SnapshotChange = {
      mesh: false,
      services: new Set([...before.services, ...after.services].map(serviceKey)),
      endpoints: new Set([...before.endpoints.keys(), ...after.endpoints.keys()]),
      virtualServices: new Set(after.virtualServices.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)),
      destinationRules: new Set(after.destinationRules.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)),
      namespaces: new Set(),
    };
    for (const listener of this.#listeners) listener(after, change);
    return after.epoch;
  }
}

function read(text: string): MeshSnapshot {
  const { snapshot, problems } = meshFromYaml([{ file: 'mesh.yaml', text }]);
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new Error(`the test's YAML is wrong: ${errors.map(({ path, message }) => `${path} ${message}`).join('; ')}`);
  return snapshot;
}

export interface ShopOptions {
  readonly backends: Readonly<Record<'v1' | 'v2', number>>;
  /** Share of v1 in percent. */
  readonly v1: number;
  readonly maxConnections?: number;
  readonly withoutV2?: boolean;
  /** No subset v2: neither in the DestinationRule nor in the route. */
  readonly onlyV1?: boolean;
}

/** One service `reviews` with two versions behind loopback ports, split by a VirtualService. */
export function shopYaml({ backends, v1, maxConnections = 100, withoutV2, onlyV1 }: ShopOptions): string {
  const endpoint = (version: 'v1' | 'v2') => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: reviews-${version}, namespace: default }
spec:
  address: 127.0.0.1
  ports: { http: ${backends[version]} }
  labels: { app: reviews, version: ${version}, security.istio.io/tlsMode: disabled }
---`;
  return `
apiVersion: v1
kind: Service
metadata: { name: reviews, namespace: default }
spec:
  clusterIP: 10.96.0.77
  selector: { app: reviews }
  ports: [{ name: http, port: 9080 }]
---${endpoint('v1')}${withoutV2 ? '' : endpoint('v2')}
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec:
  host: reviews
  trafficPolicy: { connectionPool: { tcp: { maxConnections: ${maxConnections} } } }
  subsets:
  - { name: v1, labels: { version: v1 } }
${onlyV1 ? '' : '  - { name: v2, labels: { version: v2 } }'}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: reviews, namespace: default }
spec:
  hosts: [reviews]
  http:
  - route:
    - { destination: { host: reviews, subset: v1 }, weight: ${v1} }
${onlyV1 ? '' : `    - { destination: { host: reviews, subset: v2 }, weight: ${100 - v1} }`}
`;
}
