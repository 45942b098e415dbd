import type { DestinationRule } from '#resources/networking/destination-rule.ts';
import type { VirtualService } from '#resources/networking/virtual-service.ts';
import type { Resource } from '#resources/object.ts';
import type { ServiceEndpoints } from './endpoint.ts';
import type { MeshConfig } from './mesh-config.ts';
import type { Service, ServiceKey } from './service.ts';

/**
 * Everything translation may read, at one moment. Immutable and structurally shared: what did not change between two
 * snapshots is the same value (===), so caches may compare by identity.
 */
export interface MeshSnapshot {
  /** Grows by one with every snapshot; becomes xDS versions and nonces. */
  readonly epoch: number;
  readonly mesh: MeshConfig;
  /** Sorted: creation time, name, namespace. Kubernetes wins over ServiceEntry for one hostname+namespace (already resolved). */
  readonly services: readonly Service[];
  readonly endpoints: ReadonlyMap<ServiceKey, ServiceEndpoints>;
  /** Sorted: creation time, name, namespace. Delegates are merged into their roots already. */
  readonly virtualServices: readonly Resource<VirtualService>[];
  /** Sorted: creation time, name, namespace. */
  readonly destinationRules: readonly Resource<DestinationRule>[];
  /** Labels by namespace name. */
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

/** What differs between two snapshots. Keys: `namespace/name` of objects, ServiceKey of services and endpoints. */
export interface SnapshotChange {
  readonly mesh: boolean;
  readonly services: ReadonlySet<ServiceKey>;
  readonly endpoints: ReadonlySet<ServiceKey>;
  readonly virtualServices: ReadonlySet<string>;
  readonly destinationRules: ReadonlySet<string>;
  readonly namespaces: ReadonlySet<string>;
}
