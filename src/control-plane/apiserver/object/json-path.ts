import { isJsonObject } from '#kube/object.ts';

type Step =
  | { readonly field: string }
  | { readonly index: number }
  | { readonly every: true }
  | { readonly where: string; readonly is: string };

const cache = new Map<string, readonly Step[]>();

/**
 * The values at a JSONPath as printer columns use it: `.a.b`, `[0]`, `[*]`, `['a.b']`, `[?(@.type=="Ready")]`. Other
 * syntax finds nothing.
 */
export function valuesAt(value: unknown, path: string): readonly unknown[] {
  const steps = cache.get(path) ?? parse(path);
  cache.set(path, steps);
  let found: readonly unknown[] = [value];
  for (const step of steps) found = found.flatMap((one) => take(one, step));
  return found;
}

const pattern = /\.?([\w-]+(?:\\\.[\w-]+)*)|\[(\d+)\]|\[\*\]|\.\*|\['([^']*)'\]|\[\?\(@\.([\w.-]+)\s*==\s*["']([^"']*)["']\)\]/y;

function parse(path: string): readonly Step[] {
  const steps: Step[] = [];
  const text = path.replace(/^\{|\}$/g, '').replace(/^\$/, '');
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (!match) return [{ field: '\0' }];
    const [, field, index, quoted, where, is] = match;
    if (where !== undefined) steps.push({ where, is: is ?? '' });
    else if (index !== undefined) steps.push({ index: Number(index) });
    else if (field !== undefined || quoted !== undefined) steps.push({ field: (field ?? quoted ?? '').replaceAll('\\.', '.') });
    else steps.push({ every: true });
  }
  return steps;
}

function take(value: unknown, step: Step): readonly unknown[] {
  if ('field' in step) {
    const inner = isJsonObject(value) && Object.hasOwn(value, step.field) ? value[step.field] : undefined;
    return inner === undefined || inner === null ? [] : [inner];
  }
  const items = Array.isArray(value) ? value : isJsonObject(value) ? Object.values(value) : [];
  if ('index' in step) return items.slice(step.index, step.index + 1);
  if ('every' in step) return items;
  return items.filter((item) => valuesAt(item, `.${step.where}`).some((found) => String(found) === step.is));
}
