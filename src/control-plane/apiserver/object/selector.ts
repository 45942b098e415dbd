import { isJsonObject, type KubeObject } from '#kube/object.ts';
import { badRequest } from '../status.ts';
import { isLabelValue, isQualifiedName } from './names.ts';

export type Selector = (object: KubeObject) => boolean;

const everything: Selector = () => true;

/**
 * A label selector in all its forms (`a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, `a>1`, `a<5`), joined
 * by commas. Refuses BadRequest with the place where reading stopped.
 */
export function labelSelector(text: string): Selector {
  const requirements = splitOutsideParentheses(text).map((part) => labelRequirement(part.trim(), text));
  if (requirements.length === 0) return everything;
  return (object) => requirements.every((matches) => matches(object.metadata.labels ?? {}));
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

function labelRequirement(part: string, whole: string): LabelTest {
  const fail = (why: string) => badRequest(`unable to parse label selector ${JSON.stringify(whole)}: ${why}`);
  const [, not = '', key = '', rest = ''] = /^(!?)\s*([^\s=!<>(),]+)\s*(.*)$/s.exec(part) ?? [];
  if (key === '') throw fail(`expected a label key in ${JSON.stringify(part)}`);
  if (!isQualifiedName(key)) throw fail(`${JSON.stringify(key)} is no valid label key`);
  const has: LabelTest = (labels) => Object.hasOwn(labels, key);
  if (rest === '') return not === '' ? has : (labels) => !has(labels);
  const set = /^(in|notin)\s*\(([^()]*)\)$/.exec(rest);
  const comparison = /^(==|=|!=|>|<)\s*([^\s=!<>(),]*)$/.exec(rest);
  if (not !== '' || (!set && !comparison))
    throw fail(`expected one of =, ==, !=, in, notin, <, > after ${JSON.stringify(key)}, found ${JSON.stringify(rest)}`);
  const operator = set?.[1] ?? comparison?.[1] ?? '';
  const values = set ? (set[2] ?? '').split(',').map((value) => value.trim()) : [comparison?.[2] ?? ''];
  const bad = values.find((value) => !isLabelValue(value));
  if (bad !== undefined) throw fail(`${JSON.stringify(bad)} is no valid label value`);
  if (operator === '>' || operator === '<') {
    const bound = Number(values[0]);
    if (!/^-?\d+$/.test(values[0] ?? '')) throw fail(`${operator} needs a whole number, found ${JSON.stringify(values[0])}`);
    return (labels) =>
      has(labels) && /^-?\d+$/.test(labels[key] ?? '') && (operator === '>' ? Number(labels[key]) > bound : Number(labels[key]) < bound);
  }
  const among: LabelTest = (labels) => has(labels) && values.includes(labels[key] ?? '');
  // Absence satisfies != and notin (Kubernetes: "resources with no labels with that key also match").
  return operator === '!=' || operator === 'notin' ? (labels) => !among(labels) : among;
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const char = text[at];
    if (char === '(') depth += 1;
    if (char === ')') depth -= 1;
    if (char === undefined || (char === ',' && depth === 0)) {
      if (at > from || text !== '') parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return text.trim() === '' ? [] : parts;
}

/** Fields by which objects of a kind may be selected besides metadata.name and metadata.namespace. */
const fieldsByKind: Readonly<Record<string, readonly string[]>> = {
  Event: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  Pod: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  Namespace: ['status.phase'],
  Service: ['spec.clusterIP', 'spec.type'],
  Secret: ['type'],
};

/** A field selector (`a=b,c!=d`). Refuses BadRequest for fields that the kind cannot be selected by. */
export function fieldSelector(text: string, kind: string): Selector {
  const tests = text
    .split(/(?<!\\),/)
    .filter((part) => part.trim() !== '')
    .map((part) => fieldRequirement(part.trim(), kind));
  return tests.length === 0 ? everything : (object) => tests.every((matches) => matches(object));
}

function fieldRequirement(part: string, kind: string): Selector {
  const [, field = '', operator = '', escaped = ''] = /^([^=!]+?)\s*(==|!=|=)\s*(.*)$/s.exec(part) ?? [];
  if (field === '')
    throw badRequest(`invalid field selector: ${JSON.stringify(part)}; can't understand it, expected field=value or field!=value`);
  if (!['metadata.name', 'metadata.namespace', ...(fieldsByKind[kind] ?? [])].includes(field)) {
    throw badRequest(`field label not supported: ${field}`);
  }
  const wanted = escaped.replace(/\\([\\,=])/g, '$1');
  const path = field === 'source' ? ['source', 'component'] : field.split('.');
  return (object) => (fieldText(object, path) === wanted) === (operator !== '!=');
}

function fieldText(object: KubeObject, path: readonly string[]): string {
  let value: unknown = object;
  for (const step of path) value = isJsonObject(value) ? value[step] : undefined;
  return value === undefined || value === null ? '' : String(value);
}
