import { Bug } from '#base/fault.ts';
import { lowerBytes } from '#http/ascii.ts';
import type { compileRegex, Regex } from '#regex/regex.ts';
import type { HeaderRule, QueryRule, StringRule } from '../table.ts';
import { queryValue, type RequestView, requestField } from './request-view.ts';

export type TextTest = (text: string) => boolean;
export type RequestTest = (view: RequestView) => boolean;

let compile: typeof compileRegex | undefined;

/** Loads the expression engine; to be done before tables with expressions are linked. Most meshes have none. */
export async function loadRegex(): Promise<void> {
  compile ??= (await import('#regex/regex.ts')).compileRegex;
}

/** Compiles an expression that the control thread has already accepted. */
export function regexOf(source: string): Regex {
  const result = compile?.(source) ?? { error: 'the engine is not loaded' };
  if (result.regex === undefined) throw new Bug(`expression refused after it was accepted: ${result.error}`);
  return result.regex;
}

export function textTest(rule: StringRule): TextTest {
  if (rule.kind === 'regex') {
    const regex = regexOf(rule.value);
    return (text) => regex.matches(text);
  }
  const value = rule.ignoreCase ? rule.value.toLowerCase() : rule.value;
  const test = plainTest(rule.kind, value);
  return rule.ignoreCase ? (text) => test(text.toLowerCase()) : test;
}

function plainTest(kind: 'exact' | 'prefix' | 'suffix' | 'contains', value: string): TextTest {
  switch (kind) {
    case 'exact':
      return (text) => text === value;
    case 'prefix':
      return (text) => text.startsWith(value);
    case 'suffix':
      return (text) => text.endsWith(value);
    case 'contains':
      return (text) => text.includes(value);
  }
}

/** Reads a field of some message; how a header rule works on requests and responses alike. */
export type FieldReader<V> = (view: V, name: string, lower: Uint8Array) => string | undefined;

export function headerTest<V>(rule: HeaderRule, read: FieldReader<V>): (view: V) => boolean {
  const lower = lowerBytes(rule.name);
  const test = rule.test;
  if (test.kind === 'present') return (view) => ((read(view, rule.name, lower) !== undefined) === test.present) !== rule.invert;
  const matches: TextTest = test.kind === 'range' ? (text) => inRange(text, test.from, test.to) : textTest(test.rule);
  return (view) => {
    const value = read(view, rule.name, lower) ?? (rule.missingIsEmpty ? '' : undefined);
    // A missing header never matches, inverted or not.
    return value !== undefined && matches(value) !== rule.invert;
  };
}

function inRange(text: string, from: number, to: number): boolean {
  if (!/^[+-]?\d{1,18}$/.test(text)) return false;
  const value = Number(text);
  return value >= from && value < to;
}

/** One test for all header and query rules of a route; undefined when there are none. */
export function requestTests(headers: readonly HeaderRule[], query: readonly QueryRule[]): RequestTest | undefined {
  const tests: RequestTest[] = headers.map((rule) => headerTest(rule, requestField));
  for (const rule of query) {
    const test = rule.rule === undefined ? undefined : textTest(rule.rule);
    tests.push((view) => {
      const value = queryValue(view, rule.name);
      return value !== undefined && (test === undefined || test(value));
    });
  }
  if (tests.length === 0) return undefined;
  return (view) => {
    for (let i = 0; i < tests.length; i++) if (tests[i]?.(view) === false) return false;
    return true;
  };
}
