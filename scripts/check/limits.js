/** Limits that types and lint do not know: type assertions outside of decoding, and the length of files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const longestFile = 400;
/** Functions whose job is to give a type to raw data. */
const decoding = /^(decode|parse|read|from)/;

/** How many assertions stand outside of decoding today. May only go down. */
const assertionsAllowed = 50;

/** { failures, notices }: the number of assertions may not grow; long files are pointed out. */
export function checkLimits(root) {
  const assertions = [];
  const long = [];
  for (const file of sourcesOf(root)) {
    const text = readFileSync(join(root, file), 'utf8');
    const lines = text.split('\n').length - 1;
    if (lines > longestFile) long.push(`${file} has ${lines} lines (aim: under ${longestFile})`);
    if (file.endsWith('.test.ts') || !text.includes(' as ')) continue;
    const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    for (const line of assertionsIn(tree)) assertions.push(`${file}:${line} asserts a type ("as"): decode or narrow instead`);
  }
  const failures =
    assertions.length > assertionsAllowed
      ? [`${assertions.length} type assertions outside of decoding, ${assertionsAllowed} are allowed`]
      : [];
  return { failures, notices: [...long, ...assertions] };
}

function sourcesOf(root) {
  return readdirSync(join(root, 'src'), { withFileTypes: true, recursive: true })
    .filter(
      (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') && !entry.parentPath.includes('/proto/gen'),
    )
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

function assertionsIn(tree) {
  const lines = [];
  const visit = (node) => {
    if (ts.isAsExpression(node) && !isConst(node) && !isUnknown(node) && !isDecoding(node)) {
      lines.push(tree.getLineAndCharacterOfPosition(node.getStart()).line + 1);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return lines;
}

function isConst(node) {
  return ts.isTypeReferenceNode(node.type) && node.type.getText() === 'const';
}

function isUnknown(node) {
  return node.type.kind === ts.SyntaxKind.UnknownKeyword;
}

function isDecoding(node) {
  for (let at = node.parent; at; at = at.parent) {
    if (
      (ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at) || ts.isVariableDeclaration(at)) &&
      decoding.test(at.name?.getText() ?? '')
    )
      return true;
  }
  return false;
}
