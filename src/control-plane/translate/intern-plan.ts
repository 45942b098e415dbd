import { hashMembers, InternTable, sameMembers } from './intern.ts';
import { type Built, plan, type ResourcePlan } from './plan.ts';

const plans = new InternTable<ResourcePlan>();

/** A plan lives as long as something it has built does, so that who keeps the result finds it again by the same plan. */
const planOf = new WeakMap<Built, ResourcePlan>();

/**
 * Like `plan`, but equal name, builder and inputs give the same plan object, across proxies and snapshots: a cache may
 * therefore key on the plan itself.
 */
export function internPlan<I extends readonly unknown[]>(
  name: string,
  typeUrl: string,
  builder: (...inputs: I) => Built,
  ...inputs: I
): ResourcePlan {
  const hash = hashMembers(inputs);
  const known = plans.find(hash, (other) => other.name === name && other.builder === builder && sameMembers(other.inputs, inputs));
  if (known) return known;
  const plain = plan(name, typeUrl, builder, ...inputs);
  const made: ResourcePlan = {
    ...plain,
    build: () => {
      const result = plain.build();
      planOf.set(result, made);
      return result;
    },
  };
  plans.add(hash, made);
  return made;
}
