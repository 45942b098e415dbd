import { problemTable } from '#resources/problems.ts';
import { closest } from '../closest.ts';
import { type Invocation, UsageError } from '../command.ts';
import { type ExitCode, exitCode } from '../exit-code.ts';
import type { Io } from '../io.ts';
import { findKind } from '../kind-name.ts';
import { childrenOf, descend, type FieldView, fieldView } from '../schema-view.ts';
import { type ServedKind, servedKinds } from '../served-kinds.ts';

/** `meshwright explain KIND[.FIELD...]` or `meshwright explain CODE`. Needs no running mesh. */
export async function explain({ arguments: [what = ''], flags, io }: Invocation): Promise<ExitCode> {
  if (/^(mw|ist)\d{4}$/i.test(what)) return explainProblem(what.toUpperCase(), io);
  const [name = '', ...path] = what.split('.');
  const kind = findKind(name) ?? findKind(what);
  if (!kind)
    throw new UsageError(
      `no kind is called ${name}`,
      closest(
        name,
        servedKinds.flatMap(({ plural, kind }) => [plural, kind.toLowerCase()]),
      ),
    );
  const root = rootOf(kind);
  const found = descend(root, findKind(what) ? [] : path);
  if ('missing' in found) {
    throw new UsageError(`${kind.kind} has no field ${found.missing} in ${found.at || 'it'}`, closest(found.missing, found.known));
  }
  io.out(`KIND:     ${kind.kind}\nVERSION:  ${kind.group === '' ? kind.versions[0] : `${kind.group}/${kind.versions[0]}`}`);
  if (kind.versions.length > 1) io.out(`ALSO:     ${kind.versions.slice(1).join(', ')}`);
  if (path.length > 0) io.out(`\nFIELD:    ${path.at(-1)} <${found.field.type}>`);
  io.out(`\nDESCRIPTION:\n${indent(found.field.description || kind.description, 4)}`);
  for (const line of found.field.rules) io.out(`    ${line}`);
  const fields = childrenOf(found.field.schema);
  if (fields.length > 0) io.out('\nFIELDS:');
  for (const field of fields) flags.on('recursive') ? printTree(field, 2, io) : printField(field, io);
  return exitCode.ok;
}

function rootOf(kind: ServedKind): FieldView {
  const body = kind.body === 'spec' ? { spec: kind.schema } : propertiesOf(kind.schema);
  const own = {
    apiVersion: text('version of the kind'),
    kind: text('name of the kind'),
    metadata: { type: 'object', description: 'name, namespace, labels and annotations' },
  };
  const status = kind.statusSchema ? { status: kind.statusSchema } : {};
  return fieldView(kind.kind, { type: 'object', description: kind.description, properties: { ...own, ...body, ...status } }, true);
}

function text(description: string) {
  return { type: 'string', description };
}

function propertiesOf(schema: unknown): object {
  return typeof schema === 'object' &&
    schema !== null &&
    'properties' in schema &&
    typeof schema.properties === 'object' &&
    schema.properties !== null
    ? schema.properties
    : {};
}

function printField(field: FieldView, io: Io): void {
  io.out(`  ${field.name} <${field.type}>${field.required ? ' -required-' : ''}`);
  if (field.description) io.out(indent(field.description, 4));
  for (const rule of field.rules) io.out(`    ${rule}`);
  io.out('');
}

function printTree(field: FieldView, depth: number, io: Io): void {
  io.out(`${' '.repeat(depth)}${field.name} <${field.type}>`);
  if (depth < 40) for (const child of childrenOf(field.schema)) printTree(child, depth + 2, io);
}

function indent(text: string, by: number): string {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && by + last.length + 1 + word.length > 80) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => ' '.repeat(by) + line).join('\n');
}

function explainProblem(code: string, io: Io): ExitCode {
  const entry = Object.entries(problemTable).find(([name]) => name === code)?.[1];
  if (!entry) throw new UsageError(`no problem has the code ${code}`, closest(code, Object.keys(problemTable)));
  io.out(`${code}: ${entry.title} (${entry.severity})\n\nCAUSE:\n${indent(entry.cause, 4)}\n\nFIX:\n${indent(entry.fix, 4)}`);
  if (entry.example) io.out(`\nEXAMPLE:\n${entry.example.replace(/^/gm, '    ')}`);
  return exitCode.ok;
}
