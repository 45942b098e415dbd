/** The pages of docs/reference: path to text. Made from the tables that the program itself runs on. */
import { settingsTable } from '#process/settings.ts';
import { kinds } from '#resources/kinds.ts';
import { meshConfigSchema } from '#resources/mesh/mesh-config.ts';
import { problemTable } from '#resources/problems.ts';
import { commands } from '../commands.ts';
import type { KindName } from '../kind-name.ts';
import { childrenOf, type FieldView, fieldView } from '../schema-view.ts';
import { cliPage } from './cli-page.ts';
import { cell, table } from './markdown.ts';

/** File name below docs/reference to content. */
export function referencePages(): ReadonlyMap<string, string> {
  return new Map([
    ['README.md', indexPage()],
    ['cli.md', cliPage(commands)],
    ['settings.md', settingsPage()],
    ['problems.md', problemsPage()],
    ['mesh-configuration.md', meshConfigPage()],
    ...kinds.map((kind) => [`kinds/${kind.singular}.md`, kindPage(kind)] as const),
  ]);
}

function indexPage(): string {
  const groups = Map.groupBy(kinds, ({ group }) => group || 'core');
  return [
    '# Reference',
    '',
    'Made by `npm run gen` from the tables that the program runs on; never edited.',
    '',
    '- [Command line](cli.md)',
    '- [Settings](settings.md)',
    '- [Mesh configuration](mesh-configuration.md)',
    '- [Problems](problems.md)',
    '- [Metrics](metrics.md)',
    '- Kinds:',
    ...[...groups].flatMap(([group, members]) => [
      `  - ${group}: ${members.map(({ kind, singular }) => `[${kind}](kinds/${singular}.md)`).join(', ')}`,
    ]),
    '',
  ].join('\n');
}

function settingsPage(): string {
  const rows = Object.values(settingsTable).map(({ env, fallback, unit, description }) => [
    `\`${env}\``,
    fallback === '' ? '' : `\`${fallback}\``,
    unit,
    cell(description),
  ]);
  return [
    '# Settings',
    '',
    'Environment variables of every process. A flag of the same meaning wins over its variable.',
    '',
    table(['Variable', 'Default', 'Unit', 'Meaning'], rows),
    '',
  ].join('\n');
}

function problemsPage(): string {
  const entries = Object.entries(problemTable);
  const rows = entries.map(([code, { severity, title }]) => [`[${code}](#${code.toLowerCase()})`, severity, cell(title)]);
  return [
    '# Problems',
    '',
    'What can be wrong with an object or a file. `meshwright explain CODE` shows the same. A code keeps its meaning for ever.',
    '',
    table(['Code', 'Severity', 'What'], rows),
    '',
    ...entries.flatMap(([code, { title, severity, cause, fix, example }]) => [
      `## ${code}`,
      '',
      `**${title}** (${severity})`,
      '',
      `Cause: ${cause}`,
      '',
      `Fix: ${fix}`,
      '',
      ...(example ? ['Example:', '', '```yaml', example, '```', ''] : []),
    ]),
  ].join('\n');
}

function kindPage(kind: KindName): string {
  const versions = kind.versions.map((version) => `\`${kind.group ? `${kind.group}/` : ''}${version}\``).join(', ');
  const names = [kind.plural, kind.singular, ...kind.shortNames].map((name) => `\`${name}\``).join(', ');
  const rows = fieldRows(fieldView('', { ...kind.schema }, true), kind.body === 'spec' ? 'spec' : '', 0);
  return [
    `# ${kind.kind}`,
    '',
    kind.description,
    '',
    table(
      ['', ''],
      [
        ['Versions', versions],
        ['Names', names],
        ['Scope', kind.namespaced ? 'namespace' : 'cluster'],
      ],
    ),
    '',
    '## Fields',
    '',
    table(['Field', 'Type', 'Meaning'], rows),
    '',
  ].join('\n');
}

function meshConfigPage(): string {
  return [
    '# Mesh configuration',
    '',
    "Settings of the whole mesh, under the names of Istio's MeshConfig: the text under `mesh` in the ConfigMap `istio` of the namespace `istio-system`, or the file of",
    '`--mesh-config`. How to set it: [Configure the whole mesh](../tasks/configure-the-mesh.md).',
    '',
    table(['Field', 'Type', 'Meaning'], fieldRows(fieldView('', { ...meshConfigSchema }, true), '', 0)),
    '',
  ].join('\n');
}

/** Deeper fields are few and have pages of their own in the kinds that use them. */
const deepest = 9;

function fieldRows(field: FieldView, path: string, depth: number): string[][] {
  return childrenOf(field.schema).flatMap((child) => {
    const at = path ? `${path}.${child.name}` : child.name;
    const rules = child.rules.length > 0 ? ` (${child.rules.join('; ')})` : '';
    const row = [`\`${at}\``, cell(child.type), `${child.required ? '**Required.** ' : ''}${cell(child.description + rules)}`];
    const below = `${at}${child.type.startsWith('[]') ? '[]' : ''}`;
    return [row, ...(depth < deepest ? fieldRows(child, below, depth + 1) : [])];
  });
}
