import { internList } from './intern.ts';
import { type Built, plan, type ResourcePlan } from './plan.ts';

const plans = new WeakMap<readonly unknown[], ResourcePlan>();

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
  const key = internList([name, builder, ...inputs]);
  const known = plans.get(key);
  if (known) return known;
  const plain = plan(name, typeUrl, builder, ...inputs);
  const made = {
    ...plain,
    key,
    build: () => {
      const result = plain.build();
      planOf.set(result, made);
      return result;
    },
  };
  plans.set(key, made);
  return made;
}
