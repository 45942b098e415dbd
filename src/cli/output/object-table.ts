import type { KubeObject } from '#kube/object.ts';
import type { KindName } from '../kind-name.ts';
import { evaluateJsonPath } from './json-path.ts';
import { type Column, formatAge } from './table.ts';

/** Columns of a kind's table, from its printer columns; those of lower priority only when `wide`. */
export function tableColumns(kind: KindName, options: { readonly wide: boolean; readonly namespace: boolean }): Column[] {
  return [
    ...(options.namespace ? [{ name: 'namespace', cut: 0 }] : []),
    { name: 'name', cut: 0 },
    ...printed(kind, options.wide).map(({ name, type }) => ({ name: name.replace(/ /g, '-'), cut: type === 'string' ? 1 : 0 })),
  ];
}

export function tableRow(
  kind: KindName,
  object: KubeObject,
  options: { readonly wide: boolean; readonly namespace: boolean; readonly now: number },
): string[] {
  return [
    ...(options.namespace ? [object.metadata.namespace ?? ''] : []),
    object.metadata.name,
    ...printed(kind, options.wide).map(({ jsonPath, type }) => {
      const text = evaluateJsonPath(`{${jsonPath}}`, object);
      if (type !== 'date') return text === '' ? '' : text;
      const at = Date.parse(text);
      return Number.isNaN(at) ? '<unknown>' : formatAge(options.now - at);
    }),
  ];
}

function printed(kind: KindName, wide: boolean) {
  const columns = kind.printerColumns.filter(({ priority, name }) => (wide || priority === 0) && name.toLowerCase() !== 'name');
  const hasAge = columns.some(({ type }) => type === 'date');
  return hasAge
    ? columns
    : [...columns, { name: 'Age', type: 'date' as const, jsonPath: '.metadata.creationTimestamp', description: '', priority: 0 }];
}
