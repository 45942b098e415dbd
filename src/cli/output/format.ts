import { formatYaml } from '#yaml/text.ts';
import { UsageError } from '../command.ts';
import { evaluateJsonPath } from './json-path.ts';

/** How objects are shown: `-o` of `get`. */
export type Format =
  | { readonly kind: 'table' | 'wide' | 'json' | 'yaml' | 'name' }
  | { readonly kind: 'jsonpath'; readonly template: string };

/** Reads `-o`; absent means a table. */
export function parseFormat(text: string | undefined): Format {
  switch (text) {
    case undefined:
    case '':
    case 'table':
      return { kind: 'table' };
    case 'wide':
    case 'json':
    case 'yaml':
    case 'name':
      return { kind: text };
    default: {
      const template = /^jsonpath=([\s\S]*)$/.exec(text)?.[1];
      if (template !== undefined) return { kind: 'jsonpath', template: template.replace(/^(['"])(.*)\1$/s, '$2') };
      throw new UsageError(`-o ${text} is not known`, 'use table, wide, json, yaml, name or jsonpath=TEMPLATE');
    }
  }
}

/** A value as JSON or YAML text without a line end at its end, or filled into a JSONPath template. */
export function formatValue(value: unknown, format: Format): string {
  if (format.kind === 'jsonpath') return evaluateJsonPath(format.template, value);
  return format.kind === 'yaml' ? formatYaml(value).trimEnd() : JSON.stringify(value, null, 2);
}

/** `2m`, `30s`, `500ms`, `1h30m` or a bare number of seconds, in milliseconds. */
export function parseDuration(text: string, flag: string): number {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text))
    throw new UsageError(`--${flag} ${text} is no duration`, 'use for example 30s, 2m or 1h30m');
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) sum += Number(amount) * units[unit as keyof typeof units];
  return sum;
}
