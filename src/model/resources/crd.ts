import { nodeOf, type SchemaNode } from './decode-value.ts';
import type { KindDefinition } from './kind.ts';

type Json = Readonly<Record<string, unknown>>;

/**
 * The CustomResourceDefinition of a kind, for clusters that do not have it: all versions, printer columns, status
 * subresource and a structural schema of everything that the kind's table says.
 */
export function crdFor(kind: KindDefinition): Json {
  // Only the newest version carries descriptions: a definition must stay below the size that `kubectl apply` can annotate.
  const schemaOf = (isDescribed: boolean) => ({
    type: 'object',
    ...(isDescribed ? { description: kind.description } : {}),
    properties: {
      spec: structural(nodeOf(kind.schema), isDescribed),
      ...(kind.hasStatus ? { status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } : {}),
    },
  });
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${kind.group}`, labels: { 'app.kubernetes.io/part-of': 'meshwright' } },
    spec: {
      group: kind.group,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        shortNames: kind.shortNames,
        categories: kind.categories,
      },
      scope: kind.namespaced ? 'Namespaced' : 'Cluster',
      versions: kind.versions.map((name, i) => ({
        name,
        served: true,
        storage: i === 0,
        ...(kind.hasStatus ? { subresources: { status: {} } } : {}),
        // Servers drop a priority of 0: written, every `kubectl apply` would find a difference.
        additionalPrinterColumns: kind.printerColumns.map(({ priority, ...column }) => ({ ...column, ...(priority ? { priority } : {}) })),
        schema: { openAPIV3Schema: schemaOf(i === 0) },
      })),
    },
  };
}

/**
 * A schema in the form that API servers demand of CRDs: no closed objects (they prune instead), and words of our own
 * turned into what they mean. Fields that exclude each other become pairs that may not both be there.
 */
export function structural(node: SchemaNode, isDescribed = true): Json {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(node)) {
    if (name.startsWith('~') || ownWords.has(name) || (name === 'description' && !isDescribed)) continue;
    if (name === 'properties')
      out.properties = Object.fromEntries(
        Object.entries(node.properties ?? {}).map(([key, field]) => [key, structural(field, isDescribed)]),
      );
    else if (name === 'items') out.items = node.items ? structural(node.items, isDescribed) : {};
    else if (name === 'additionalProperties') {
      if (typeof node.additionalProperties === 'object') out.additionalProperties = structural(node.additionalProperties, isDescribed);
      else if (node.additionalProperties && node.properties) out['x-kubernetes-preserve-unknown-fields'] = true;
    } else if (name === 'required') {
      // What has a default need not be written.
      const required = (node.required ?? []).filter((field) => node.properties?.[field]?.default === undefined);
      if (required.length > 0) out.required = required;
    } else out[name] = value;
  }
  const pairs = (node['x-one-of'] ?? []).flatMap((names) => names.flatMap((a, i) => names.slice(i + 1).map((b) => ({ required: [a, b] }))));
  if (pairs.length > 0) out.not = { anyOf: pairs };
  return out;
}

const ownWords: ReadonlySet<string> = new Set(['x-one-of', 'x-same-as', 'x-empty-items']);
