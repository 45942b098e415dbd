import type { YAMLError } from 'yaml';

interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** What the parser's error means, in words for people who write configuration. */
export function explain(error: YAMLError, text: string): Explanation {
  const found = describeFound(text, error.pos[0]);
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return {
        code: 'MW0102',
        message: `the key ${found} stands twice in the same map; each key may stand once`,
        fix: 'Remove one of the two, or merge their values.',
      };
    case 'TAB_AS_INDENT':
      return {
        code: 'MW0103',
        message: 'a tab is used for indentation; YAML expects spaces',
        fix: 'Replace the tab by spaces, two for each level.',
      };
    case 'BAD_INDENT':
      if (error.message.startsWith('Flow')) {
        return unreadable(
          `a bracket or brace is not closed: found ${found} where its end was expected`,
          'Close the bracket, or indent its content further than the key before it.',
        );
      }
      return wrongIndent(found);
    case 'BLOCK_IN_FLOW':
      return wrongIndent(found);
    case 'BLOCK_AS_IMPLICIT_KEY':
      return unreadable(
        `a colon too many at ${found}: a key with its value already stands here, so the nested key does not fit`,
        'Align the nested keys with their siblings, or put the value in quotes if it contains a colon.',
      );
    case 'MISSING_CHAR':
      return unreadable(
        `a character is missing before ${found}: ${withoutStop(error.message)}`,
        'Check the line for an unclosed quote or bracket, a missing colon, or a missing space after a colon or dash.',
      );
    case 'MULTILINE_IMPLICIT_KEY':
      return unreadable(
        `expected a colon after the key, found ${found} running over several lines`,
        'Put a colon and a space after the key.',
      );
    case 'BAD_ALIAS':
      return unreadable(
        `the alias ${found} refers to an anchor that is not defined before it`,
        'Define the anchor (`&name`) earlier in the same document.',
      );
    case 'NON_STRING_KEY':
      return unreadable(`the key ${found} is not text; every key must be text`, 'Put the key in quotes.');
    case 'BAD_SCALAR_START':
      return unreadable(`a plain value may not begin with ${found}`, 'Put the value in quotes.');
    default:
      return unreadable(`found ${found}: ${withoutStop(error.message)}`, 'Correct the text at the position given.');
  }
}

function wrongIndent(found: string): Explanation {
  return unreadable(
    `the indentation does not fit: found ${found} where the line above expects another level`,
    'Align the line with its siblings, using spaces.',
  );
}

function unreadable(message: string, fix: string): Explanation {
  return { code: 'MW0101', message, fix };
}

function withoutStop(message: string): string {
  const line = message.split('\n')[0] ?? '';
  const text = line.replace(/[.:]$/, '');
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function describeFound(text: string, offset: number): string {
  const rest = text.slice(offset, offset + 200);
  if (rest === '') return 'the end of the document';
  const first = rest.split(/\r?\n/)[0]?.trim() ?? '';
  if (first === '') return 'the end of the line';
  const wordOnly = /^[\w./-]+/.exec(first)?.[0] ?? first;
  return `\`${wordOnly.length > 40 ? `${wordOnly.slice(0, 40)}…` : wordOnly}\``;
}
