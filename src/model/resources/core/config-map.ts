import { parseYaml } from '#yaml/document.ts';
import type { Issue } from '../issue.ts';
import { defineKind } from '../kind.ts';
import { readMeshConfig } from '../mesh/decode-mesh-config.ts';
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
  const documents = parseYaml(source);
  const broken = documents.flatMap(({ problems }) => problems);
  if (broken.length > 0)
    return broken.map(({ message, line, fix }) => ({ code: 'MW0101', path, message: `${message}, line ${line ?? 1} of the text`, fix }));
  if (documents.length > 1)
    return [{ code: 'MW0105', path, message: 'the text holds several documents, a mesh configuration is one', fix: 'Keep one document.' }];
  const [document] = documents;
  return readMeshConfig(document?.value).issues.map((issue) => {
    const line = document?.position(issue.path, 'key')?.line;
    return {
      ...issue,
      path: [...path, ...issue.path],
      message: line === undefined ? issue.message : `${issue.message} (line ${line} of the text)`,
    };
  });
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
