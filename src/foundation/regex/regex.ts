import { RE2JS } from 're2js';
import { messageOf } from '#base/fault.ts';
import { createDfa, type Dfa } from './dfa.ts';
import { asciiPositions } from './syntax.ts';

/**
 * A compiled RE2 expression. Every operation takes time linear in the text, whatever the expression. Not shared between
 * threads; holds caches that grow to a fixed bound.
 */
export interface Regex {
  readonly source: string;
  /** Number of capture groups. */
  readonly groups: number;
  /** Whether the expression matches the whole text, as Istio and Envoy mean it. */
  matches(text: string): boolean;
  /** Whether it matches anywhere in the text. */
  test(text: string): boolean;
  /** Puts `rewrite` in place of every match; `\0` to `\9` stand for groups, `\\` for a backslash (RE2's GlobalReplace). */
  replace(text: string, rewrite: string): string;
}

export type RegexResult = { readonly regex: Regex; readonly error?: undefined } | { readonly regex?: undefined; readonly error: string };

/** Greatest length of an expression, in UTF-16 units; Istio refuses longer ones in a VirtualService at 1024 already. */
export const maxSourceLength = 16_384;

/** Greatest number of instructions of a compiled expression: bounds memory and time per character. */
export const maxProgramSize = 10_000;

/** Compiles an RE2 expression. An expression that RE2 refuses, or that is too large, gives its error as a value. */
export function compileRegex(source: string): RegexResult {
  if (source.length > maxSourceLength) {
    return { error: `the expression has ${source.length} characters, the limit is ${maxSourceLength}` };
  }
  let engine: RE2JS;
  try {
    engine = RE2JS.compile(source);
  } catch (error) {
    return { error: messageOf(error).replace(/^error parsing regexp: /, '') };
  }
  const size = engine.programSize();
  if (size > maxProgramSize) return { error: `the expression needs ${size} instructions, the limit is ${maxProgramSize}` };
  return { regex: regexOf(source, engine) };
}

/** Why `rewrite` cannot be used with an expression of `groups` capture groups; undefined when it can. */
export function rewriteError(rewrite: string, groups: number): string | undefined {
  for (let i = rewrite.indexOf('\\'); i >= 0; i = rewrite.indexOf('\\', i + 2)) {
    const next = rewrite[i + 1];
    if (next === '\\') continue;
    if (next === undefined) return 'ends with a single backslash';
    if (next < '0' || next > '9') return `\`\\${next}\` is neither a group (\`\\0\` to \`\\9\`) nor an escaped backslash`;
    if (Number(next) > groups) return `refers to group ${next}, but the expression has ${groups}`;
  }
  return undefined;
}

function regexOf(source: string, engine: RE2JS): Regex {
  // Built at first use: most expressions of a large configuration never see a request.
  let dfa: Dfa | null | undefined;
  return {
    source,
    groups: engine.groupCount(),
    matches(text) {
      if (dfa === undefined) {
        const positions = asciiPositions(source);
        dfa = positions ? createDfa(positions) : null;
      }
      return dfa?.matches(text) ?? engine.testExact(text);
    },
    test: (text) => engine.test(text),
    replace: (text, rewrite) => replaceAll(engine, text, rewrite),
  };
}

function replaceAll(engine: RE2JS, text: string, rewrite: string): string {
  const matcher = engine.matcher(text);
  let out = '';
  let from = 0;
  while (matcher.find()) {
    out += text.slice(from, matcher.start());
    out += rewrite.replace(/\\([0-9\\])/g, (_, what: string) => (what === '\\' ? '\\' : groupText(matcher, Number(what), engine)));
    from = matcher.end();
  }
  return out + text.slice(from);
}

function groupText(matcher: ReturnType<RE2JS['matcher']>, group: number, engine: RE2JS): string {
  return group > engine.groupCount() ? '' : (matcher.group(group) ?? '');
}
