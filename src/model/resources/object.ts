import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';

/** Kubernetes object metadata, the fields that Meshwright reads. */
export interface ObjectMeta {
  readonly name: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  /** RFC 3339; empty when unknown. Sorts before everything then. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
}

/** One decoded, defaulted, validated object in the kind's newest version. Immutable; identity changes only when content does. */
export interface Resource<Spec, Status = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
  readonly status?: Status;
  readonly origin: Origin;
}

/** Result of decoding: the resource is there unless a problem of severity error is. */
export interface Decoded<Spec> {
  readonly resource?: Resource<Spec>;
  readonly problems: readonly Problem[];
}
