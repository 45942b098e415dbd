/**
 * The part of kubectl's JSONPath templates that people use: `{.items[*].metadata.name}`, `{range ...}{end}`, filters
 * `[?(@.type=="Ready")]`, slices, `..name`, quoted text. Kubernetes: client-go/util/jsonpath documents the language.
 */
import { UsageError } from '../command.ts';

type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'all' }
  | { readonly kind: 'deep'; readonly name: string }
  | { readonly kind: 'slice'; readonly from?: number; readonly to?: number; readonly step: number }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'filter'; readonly left: Operand; readonly operator: string; readonly right?: Operand };
type Operand = { readonly path: readonly Step[] } | { readonly value: unknown };
type Part =
  | { readonly text: string }
  | { readonly path: readonly Step[] }
  | { readonly range: readonly Step[]; readonly body: readonly Part[] };

/** Fills the template with `data`; values of one path are joined by blanks. Bad templates are usage errors. */
export function evaluateJsonPath(template: string, data: unknown): string {
  const braced = template.includes('{') ? template : `{${/^[.[$]/.test(template) ? '' : '.'}${template}}`;
  return render(parseTemplate(braced), data);
}

function render(parts: readonly Part[], data: unknown): string {
  return parts
    .map((part) => {
      if ('text' in part) return part.text;
      if ('range' in part)
        return resolve(part.range, data)
          .map((item) => render(part.body, item))
          .join('');
      return resolve(part.path, data).map(show).join(' ');
    })
    .join('');
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}

function resolve(path: readonly Step[], data: unknown): unknown[] {
  return path.reduce<unknown[]>((values, step) => values.flatMap((value) => follow(step, value)), [data]);
}

function follow(step: Step, value: unknown): unknown[] {
  switch (step.kind) {
    case 'field':
      return isObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case 'all':
      return isObject(value) ? Object.values(value) : [];
    case 'deep':
      return descendants(value).flatMap((below) => follow({ kind: 'field', name: step.name }, below));
    case 'index':
      return Array.isArray(value) && value.at(step.index) !== undefined ? [value.at(step.index)] : [];
    case 'slice':
      return Array.isArray(value) ? value.slice(step.from, step.to).filter((_, i) => i % step.step === 0) : [];
    case 'filter':
      return (isObject(value) ? Object.values(value) : []).filter((item) => holds(step, item));
  }
}

function holds(filter: Extract<Step, { kind: 'filter' }>, item: unknown): boolean {
  const of = (operand: Operand) => ('value' in operand ? operand.value : resolve(operand.path, item)[0]);
  const left = of(filter.left);
  if (!filter.right) return left !== undefined;
  const right = of(filter.right);
  if (filter.operator === '==') return left === right;
  if (filter.operator === '!=') return left !== right;
  if (typeof left !== typeof right || (typeof left !== 'number' && typeof left !== 'string')) return false;
  const order = Number(left > (right as typeof left)) - Number(left < (right as typeof left));
  return { '<': order < 0, '<=': order <= 0, '>': order > 0, '>=': order >= 0 }[filter.operator] ?? false;
}

function descendants(value: unknown): unknown[] {
  return isObject(value) ? [value, ...Object.values(value).flatMap(descendants)] : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function parseTemplate(template: string): Part[] {
  const open: { range?: readonly Step[]; body: Part[] }[] = [{ body: [] }];
  const add = (part: Part) => open.at(-1)?.body.push(part);
  let rest = template;
  while (rest !== '') {
    if (!rest.startsWith('{')) {
      const end = rest.indexOf('{');
      add({ text: end < 0 ? rest : rest.slice(0, end) });
      rest = end < 0 ? '' : rest.slice(end);
      continue;
    }
    const end = closingBrace(rest);
    const inside = rest.slice(1, end).trim();
    rest = rest.slice(end + 1);
    if (inside === 'end') {
      const done = open.pop();
      if (!done?.range) throw bad(template, '{end} without {range}');
      add({ range: done.range, body: done.body });
    } else if (inside.startsWith('range ')) open.push({ range: parsePath(inside.slice(6).trim()), body: [] });
    else if (/^["']/.test(inside)) add({ text: unquote(inside) });
    else add({ path: parsePath(inside) });
  }
  if (open.length > 1) throw bad(template, '{range} without {end}');
  return open[0]?.body ?? [];
}

function closingBrace(text: string): number {
  let quote = '';
  for (let i = 1; i < text.length; i++) {
    const char = text[i] ?? '';
    if (quote) {
      if (char === '\\') i++;
      else if (char === quote) quote = '';
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '}') return i;
  }
  throw bad(text, 'a closing brace is missing');
}

function parsePath(text: string): Step[] {
  const steps: Step[] = [];
  let rest = text.replace(/^[$@]/, '');
  while (rest !== '') {
    const deep = /^\.\.([\w$-]+)/.exec(rest);
    const field = /^\.?((?:\\.|[\w$/-])+)/.exec(rest);
    const all = /^\.?\*/.exec(rest);
    if (deep) steps.push({ kind: 'deep', name: deep[1] ?? '' });
    else if (all) steps.push({ kind: 'all' });
    else if (field) steps.push({ kind: 'field', name: (field[1] ?? '').replace(/\\(.)/g, '$1') });
    const taken = deep ?? all ?? field;
    if (taken) {
      rest = rest.slice(taken[0].length);
      continue;
    }
    if (rest === '.') break;
    const bracket = /^\.?\[((?:"(?:\\.|[^"])*"|'(?:\\.|[^'])*'|[^\]"'])*)\]/.exec(rest);
    if (!bracket) throw bad(text, `cannot read "${rest}"`);
    steps.push(parseBracket((bracket[1] ?? '').trim(), text));
    rest = rest.slice(bracket[0].length);
  }
  return steps;
}

function parseBracket(inside: string, text: string): Step {
  if (inside === '*') return { kind: 'all' };
  if (/^["']/.test(inside)) return { kind: 'field', name: unquote(inside) };
  if (/^-?\d+$/.test(inside)) return { kind: 'index', index: Number(inside) };
  const slice = /^(-?\d*):(-?\d*)(?::(\d+))?$/.exec(inside);
  if (slice) {
    const bound = (digits: string | undefined) => (digits ? Number(digits) : undefined);
    return { kind: 'slice', from: bound(slice[1]), to: bound(slice[2]), step: Number(slice[3] ?? 1) || 1 };
  }
  const filter = /^\?\((.*)\)$/.exec(inside);
  const comparison = /^(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+)$/.exec(filter?.[1] ?? '');
  if (comparison) {
    return {
      kind: 'filter',
      left: parseOperand(comparison[1] ?? ''),
      operator: comparison[2] ?? '',
      right: parseOperand(comparison[3] ?? ''),
    };
  }
  if (filter) return { kind: 'filter', left: parseOperand(filter[1] ?? ''), operator: 'exists' };
  throw bad(text, `cannot read "[${inside}]"`);
}

function parseOperand(text: string): Operand {
  const trimmed = text.trim();
  if (trimmed.startsWith('@')) return { path: parsePath(trimmed) };
  if (/^["']/.test(trimmed)) return { value: unquote(trimmed) };
  if (trimmed === 'true' || trimmed === 'false') return { value: trimmed === 'true' };
  return Number.isNaN(Number(trimmed)) ? { path: parsePath(trimmed) } : { value: Number(trimmed) };
}

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, (_, char: string) => ({ n: '\n', t: '\t', r: '\r' })[char] ?? char);
}

function bad(template: string, why: string): UsageError {
  return new UsageError(
    `the JSONPath ${JSON.stringify(template)} is not valid: ${why}`,
    "for example: -o jsonpath='{.items[*].metadata.name}'",
  );
}
