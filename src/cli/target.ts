/** A workload as a person names it. */
export interface Target {
  readonly name: string;
  /** Undefined: any. */
  readonly namespace?: string;
}

/** `reviews-v1`, `reviews-v1.default`, `default/reviews-v1`, a type before a slash (`deployment/reviews-v1`) is left out. */
export function parseTarget(text: string, namespace?: string): Target {
  const slash = text.indexOf('/');
  if (slash > 0) {
    const [before = '', after = ''] = [text.slice(0, slash), text.slice(slash + 1)];
    if (/^(deploy|deployments?|po|pods?|we|workloadentr(y|ies)|workloads?)(\.|$)/i.test(before)) return parseTarget(after, namespace);
    return { name: after, namespace: before };
  }
  const dot = text.lastIndexOf('.');
  if (dot > 0) return { name: text.slice(0, dot), namespace: text.slice(dot + 1) };
  return { name: text, ...(namespace ? { namespace } : {}) };
}

/** Whether that workload is meant: by its whole name, or by its node id. */
export function isMeant(target: Target, workload: { readonly name: string; readonly namespace: string }): boolean {
  return workload.name === target.name && (target.namespace === undefined || target.namespace === workload.namespace);
}
