import { type Explanation, explainRequest, type OriginText } from '#analyze/explain.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import type { Pilot } from '#pilot/pilot.ts';
import type { ExplainAnswer, OriginView } from '#server/api.ts';
import type { ExplainSource } from '#server/sources.ts';

/** Explains requests of connected workloads on the configuration that they are served. */
export function pageExplain(pilot: Pilot): ExplainSource {
  return async (question) => {
    const proxy = findProxy(pilot, question.from);
    return proxy && toAnswer(explainRequest(pilot.snapshot(), proxy, question));
  };
}

/** By workload (`reviews-v1`, `default/reviews-v1`) or node id. */
function findProxy(pilot: Pilot, from: string): MeshProxy | undefined {
  const [first = '', second] = from.split('/');
  const [namespace, name] = second === undefined ? [undefined, first] : [first, second];
  return pilot
    .proxies()
    .map((status) => status.proxy)
    .find((proxy) => proxy.id === from || (proxy.workloadName === name && (namespace === undefined || proxy.namespace === namespace)));
}

function toAnswer({ summary, outcome, steps, destinations }: Explanation): ExplainAnswer {
  return {
    summary,
    outcome,
    steps: steps.map(({ origin, ...step }) => ({ ...step, ...(origin ? { origin: toView(origin) } : {}) })),
    destinations: destinations.map((destination) => ({ ...destination, endpoints: [...destination.endpoints] })),
  };
}

function toView({ text, object }: OriginText): OriginView {
  return { text, ...(object ? { object: { kind: object.kind, namespace: object.namespace, name: object.name } } : {}) };
}
