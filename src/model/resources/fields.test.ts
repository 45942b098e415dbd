import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { nodeOf, type SchemaNode } from './decode-value.ts';
import type { KindDefinition } from './kind.ts';
import { destinationRuleKind } from './networking/destination-rule-kind.ts';
import { serviceEntryKind } from './networking/service-entry-kind.ts';
import { virtualServiceKind } from './networking/virtual-service-kind.ts';
import { workloadEntryKind } from './networking/workload-entry-kind.ts';

/** Ends of the paths of fields that Istio has and the type declarations, which are older, do not. What is below them is newer too. */
const newer: Readonly<Record<string, readonly string[]>> = {
  VirtualService: [
    'redirect.prefixRewrite',
    'rewrite.uriRegexRewrite',
    'retries.retryIgnorePreviousHosts',
    'retries.backoff',
    'http.mirrors',
    'corsPolicy.unmatchedPreflights',
  ],
  DestinationRule: [
    'http.http2KeepAlive',
    'http.maxConcurrentStreams',
    'httpCookie.attributes',
    'loadBalancer.warmup',
    'loadBalancer.zoneAwareLbSetting',
    'tcp.idleTimeout',
    'tls.caCrl',
    'trafficPolicy.proxyProtocol',
    'trafficPolicy.retryBudget',
  ],
  ServiceEntry: [],
  WorkloadEntry: [],
};

const istioKinds: readonly KindDefinition[] = [virtualServiceKind, destinationRuleKind, serviceEntryKind, workloadEntryKind];
const files = istioKinds.map(({ kind }) =>
  fileURLToPath(import.meta.resolve(`@kubernetes-models/istio/networking.istio.io/v1beta1/${kind}`)).replace(/\.m?js$/, '.d.ts'),
);
const program = ts.createProgram(files, { noEmit: true, skipLibCheck: true, strict: true, target: ts.ScriptTarget.ES2022 });
const checker = program.getTypeChecker();

/** Paths of all fields of a declared type; `*` stands for the keys of a map. */
function declaredFields(type: ts.Type, prefix: string, into: Set<string>, depth = 0): void {
  assert.ok(depth < 20, `${prefix} has no end`);
  const members = type.isUnionOrIntersection() ? type.types : [type];
  for (const member of members) {
    if (member.isUnionOrIntersection()) declaredFields(member, prefix, into, depth + 1);
    else if (checker.isArrayType(member)) {
      for (const item of checker.getTypeArguments(member as ts.TypeReference)) declaredFields(item, prefix, into, depth + 1);
    } else if (member.flags & ts.TypeFlags.Object) {
      for (const property of checker.getPropertiesOfType(member)) {
        const path = prefix === '' ? property.name : `${prefix}.${property.name}`;
        into.add(path);
        declaredFields(checker.getTypeOfSymbol(property), path, into, depth + 1);
      }
      const values = checker.getIndexTypeOfType(member, ts.IndexKind.String);
      if (values) declaredFields(values, `${prefix}.*`, into, depth + 1);
    }
  }
}

function schemaFields(node: SchemaNode, prefix: string, into: Set<string>): void {
  for (const [name, field] of Object.entries(node.properties ?? {})) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    into.add(path);
    schemaFields(field, path, into);
  }
  if (node.items) schemaFields(node.items, prefix, into);
  if (typeof node.additionalProperties === 'object') schemaFields(node.additionalProperties, `${prefix}.*`, into);
}

for (const [i, kind] of istioKinds.entries()) {
  test(`${kind.kind} has the fields of the published type declarations`, () => {
    const source = program.getSourceFile(files[i] ?? '');
    assert.ok(source, files[i]);
    const declaration = source.statements.find((one) => ts.isInterfaceDeclaration(one) && one.name.text === `I${kind.kind}`);
    assert.ok(declaration);
    const spec = checker.getTypeAtLocation(declaration).getProperty('spec');
    assert.ok(spec);
    const declared = new Set<string>();
    declaredFields(checker.getNonNullableType(checker.getTypeOfSymbol(spec)), '', declared);
    assert.ok(declared.size > 5, 'the declarations were read');
    const ours = new Set<string>();
    schemaFields(nodeOf(kind.schema), '', ours);
    assert.deepEqual([...declared].filter((path) => !ours.has(path)).sort(), [], 'fields that are missing here');
    const added = [...ours].filter((path) => !declared.has(path));
    const ends = newer[kind.kind] ?? [];
    const isListed = (path: string) => ends.some((end) => `.${path}.`.includes(`.${end}.`));
    assert.deepEqual(
      added.filter((path) => !isListed(path)),
      [],
      'fields that the declarations do not have',
    );
    assert.deepEqual(
      ends.filter((end) => !added.some((path) => `.${path}.`.includes(`.${end}.`))),
      [],
      'no longer newer',
    );
  });
}
