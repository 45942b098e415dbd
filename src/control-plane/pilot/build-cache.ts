import { messageOf } from '#base/fault.ts';
import type { Origin } from '#base/origin.ts';
import type { Built, ResourcePlan } from '#translate/plan.ts';
import { type EncodedResource, encodedResource } from '#xds/resource.ts';

/** A resource that could not be made. A bug of ours or an input nobody thought of; its neighbours are not touched. */
export interface BuildProblem {
  readonly typeUrl: string;
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
}

/**
 * Builds plans and remembers the bytes. `translate` gives equal inputs the same plan object, so the plan itself is the
 * key: what is remembered lives as long as its inputs and can never be wrong.
 */
export class BuildCache {
  readonly #entries = new WeakMap<ResourcePlan, EncodedResource | undefined>();
  readonly #built = new WeakMap<EncodedResource, Built>();
  readonly #onProblem: (problem: BuildProblem) => void;
  #hits = 0;
  #misses = 0;

  constructor(onProblem: (problem: BuildProblem) => void) {
    this.#onProblem = onProblem;
  }

  /** The plan's resource; undefined when it cannot be built, which is reported once. */
  encoded(plan: ResourcePlan): EncodedResource | undefined {
    if (this.#entries.has(plan)) {
      this.#hits++;
      return this.#entries.get(plan);
    }
    this.#misses++;
    const made = this.#build(plan);
    this.#entries.set(plan, made);
    return made;
  }

  /** The objects that a resource was made from. */
  origins(resource: EncodedResource): readonly Origin[] {
    return this.#built.get(resource)?.origins ?? [];
  }

  /** Reads since the last call that found bytes, and those that had to make them. */
  takeReads(): { readonly hits: number; readonly misses: number } {
    const reads = { hits: this.#hits, misses: this.#misses };
    this.#hits = 0;
    this.#misses = 0;
    return reads;
  }

  #build(plan: ResourcePlan): EncodedResource | undefined {
    try {
      const built = plan.build();
      const resource = encodedResource(built.name, built.typeUrl, built.encode());
      this.#built.set(resource, built);
      return resource;
    } catch (error) {
      const stack = error instanceof Error ? error.stack : undefined;
      this.#onProblem({ typeUrl: plan.typeUrl, name: plan.name, message: messageOf(error), stack });
      return undefined;
    }
  }
}
