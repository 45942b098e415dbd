import type { GraphNode } from '#server/api.ts';

/**
 * Whether a node matches an expression: words (part of the name), `ns=x`, `kind=service`, `health=bad`, `rps>5`,
 * `errors>1` (percent), `p95>100` (milliseconds), each may be negated by `!`. All must hold.
 */
export function matcherFor(expression: string): (node: GraphNode) => boolean {
  const terms = expression.trim().split(/\s+/).filter(Boolean).map(termFor);
  return (node) => terms.every((term) => term(node));
}

function termFor(text: string): (node: GraphNode) => boolean {
  if (text.startsWith('!') && text.length > 1) {
    const inner = termFor(text.slice(1));
    return (node) => !inner(node);
  }
  const [, name = '', sign = '', value = ''] = /^(\w+)(=|>|<)(.+)$/.exec(text) ?? [];
  if (sign === '=') {
    const fields: Readonly<Record<string, (node: GraphNode) => string>> = {
      ns: (node) => node.namespace,
      kind: (node) => node.kind,
      health: (node) => node.health,
      version: (node) => node.version ?? '',
    };
    const field = fields[name];
    if (field) return (node) => field(node) === value;
  }
  if (sign === '>' || sign === '<') {
    const limit = Number(value);
    const quantities: Readonly<Record<string, (node: GraphNode) => number>> = {
      rps: ({ numbers }) => numbers.rps,
      errors: ({ numbers }) => numbers.errors * 100,
      p50: ({ numbers }) => numbers.p50 ?? 0,
      p95: ({ numbers }) => numbers.p95 ?? 0,
      p99: ({ numbers }) => numbers.p99 ?? 0,
    };
    const quantity = quantities[name];
    if (quantity && Number.isFinite(limit)) return (node) => (sign === '>' ? quantity(node) > limit : quantity(node) < limit);
  }
  const word = text.toLowerCase();
  return (node) => `${node.name} ${node.namespace} ${node.version ?? ''}`.toLowerCase().includes(word);
}
