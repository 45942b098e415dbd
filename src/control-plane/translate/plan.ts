import type { Message } from '@bufbuild/protobuf';
import type { Origin } from '#base/origin.ts';

/** One Envoy resource, ready to be named, encoded and explained. */
export interface Built {
  readonly name: string;
  /** `type.googleapis.com/envoy.config.cluster.v3.Cluster` and so on. */
  readonly typeUrl: string;
  /** The message as an object (dumps, simulation). May be made anew at each call; never mutated by callers. */
  message(): Message;
  /** The message's protobuf bytes. Called once per Built by the cache. */
  encode(): Uint8Array;
  /** Objects it was derived from; may be empty for what Meshwright adds itself. */
  readonly origins: readonly Origin[];
}

/**
 * One resource that a proxy needs, not yet built. `build` reads `inputs` and nothing else, so a cache may keep its
 * result for as long as `build` and every input are the same values (===): it can never be wrong.
 */
export interface ResourcePlan {
  readonly name: string;
  readonly typeUrl: string;
  /** The builder's identity; one function per sort of resource. Only compared, never called. */
  readonly builder: object;
  readonly inputs: readonly unknown[];
  build(): Built;
}

export function plan<I extends readonly unknown[]>(
  name: string,
  typeUrl: string,
  builder: (...inputs: I) => Built,
  ...inputs: I
): ResourcePlan {
  return { name, typeUrl, builder, inputs, build: () => builder(...inputs) };
}
