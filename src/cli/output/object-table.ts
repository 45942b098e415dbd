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
      if (type === 'date') return Number.isNaN(Date.parse(text)) ? '<unknown>' : formatAge(options.now - Date.parse(text));
      return plain(text, kind);
    }),
  ];
}

/** Lists of service ports as kubectl shows them; core kinds say `<none>` where others stay empty. */
function plain(text: string, kind: KindName): string {
  if (text === '' && kind.group === '') return '<none>';
  if (!text.startsWith('[{')) return text;
  const ports = [...text.matchAll(/\{[^{}]*\}/g)].map(([port]) => portText(port));
  return ports.includes('') ? text : ports.join(',');
}

function portText(json: string): string {
  const number = /"port":(\d+)/.exec(json)?.[1];
  if (number === undefined) return '';
  const node = /"nodePort":(\d+)/.exec(json)?.[1];
  return `${number}${node ? `:${node}` : ''}/${/"protocol":"(\w+)"/.exec(json)?.[1] ?? 'TCP'}`;
}

function printed(kind: KindName, wide: boolean) {
  const columns = kind.printerColumns.filter(({ priority, name }) => (wide || priority === 0) && name.toLowerCase() !== 'name');
  const hasAge = columns.some(({ type }) => type === 'date');
  return hasAge
    ? columns
    : [...columns, { name: 'Age', type: 'date' as const, jsonPath: '.metadata.creationTimestamp', description: '', priority: 0 }];
}
