import type { Issue } from '../issue.ts';
import { defineKind } from '../kind.ts';
import { readMeshText } from '../mesh/decode-mesh-config.ts';
import type { ObjectMeta } from '../object.ts';
import { bytes, flag, map, message, text, type Value } from '../schema.ts';

const content = message('The settings.', {
  data: map('Texts by name.', text('A text.')),
  binaryData: map('Bytes by name, in base64.', bytes('Base64.')),
  immutable: flag('Whether the content stays as it is.'),
});

/** Content of a ConfigMap; the mesh reads one of them. */
export type ConfigMap = Value<typeof content>;

/** The ConfigMap that holds the mesh configuration, as Istio's installation makes it: YAML text under the key `mesh`. */
export const meshConfigMap = { namespace: 'istio-system', name: 'istio', key: 'mesh' } as const;

export function isMeshConfigMap({ namespace, name }: Pick<ObjectMeta, 'namespace' | 'name'>): boolean {
  return namespace === meshConfigMap.namespace && name === meshConfigMap.name;
}

function validate({ data = {} }: ConfigMap, meta: ObjectMeta): Issue[] {
  if (!isMeshConfigMap(meta)) return [];
  const path = ['data', meshConfigMap.key];
  const source = data[meshConfigMap.key];
  if (source === undefined) {
    const fix = 'Add it; an empty text means all defaults.';
    return [{ code: 'MW0112', path, message: 'the mesh configuration is missing: the ConfigMap has no text under `mesh`', fix }];
  }
  return readMeshText(source).issues.map(({ at, ...issue }) => ({
    ...issue,
    path: [...path, ...issue.path],
    message: at ? `${issue.message} (line ${at.line} of the text)` : issue.message,
  }));
}

export const configMapKind = defineKind({
  group: '',
  versions: ['v1'],
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  categories: [],
  namespaced: true,
  hasStatus: false,
  body: 'object',
  description: 'Settings as named texts. The one named `istio` in `istio-system` holds the mesh configuration.',
  printerColumns: [{ name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation', priority: 0 }],
  schema: content,
  validate,
});
