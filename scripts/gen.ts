/**
 * `npm run gen`: rebuilds everything that is generated and committed: protobuf types, CRDs, the reference pages.
 * With `--check` nothing is written; exit code 1 and one line per file that differs.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { referencePages } from '../src/cli/reference/pages.ts';
import { formatYaml } from '../src/foundation/yaml/text.ts';
import { crdFor } from '../src/model/resources/crd.ts';
import { kinds } from '../src/model/resources/kinds.ts';
import { metricsPage } from './gen/metrics-page.ts';

const root = resolve(import.meta.dirname, '..');
const protoFolder = 'src/foundation/proto/gen';
const checking = process.argv.includes('--check');

const wanted = await generatedFiles();
if (checking) process.exit(report([...driftOf(wanted), ...protoDrift()]));
if (protoDrift().length > 0) {
  const proto = spawnSync(process.execPath, [join(root, 'scripts/gen-proto.ts')], { stdio: 'inherit' });
  if (proto.status !== 0) process.exit(1);
  writeFileSync(join(root, protoFolder, 'SOURCE.md'), protoSource());
}
for (const folder of ['docs/reference', 'deploy/crds']) rmSync(join(root, folder), { recursive: true, force: true });
for (const [path, content] of wanted) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
console.log(`${wanted.size} files written`);

/** Path to content of the CRDs and reference pages. */
async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const [name, content] of referencePages()) files.set(`docs/reference/${name}`, content);
  files.set('docs/reference/metrics.md', metricsPage());
  for (const kind of kinds.filter(({ group }) => group.endsWith('istio.io'))) {
    files.set(`deploy/crds/${kind.plural}.${kind.group}.yaml`, formatYaml(crdFor(kind)));
  }
  files.set('deploy/crds/SOURCE.md', source('the tables of kinds in src/model/resources', 'Meshwright'));
  files.set('docs/reference/SOURCE.md', source('the tables of commands, settings, problems, kinds and metrics in src/', 'Meshwright'));
  return files;
}

function source(from: string, owner: string): string {
  return `# Where these files come from\n\nMade by \`npm run gen\` from ${from} (${owner}, Apache-2.0). Never edited by hand.\n`;
}

function driftOf(files: ReadonlyMap<string, string>): string[] {
  const differing = [...files]
    .filter(([path, content]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== content)
    .map(([path]) => `${path} is not what its sources give`);
  const stale = ['docs/reference', 'deploy/crds'].flatMap((folder) => filesUnder(folder)).filter((path) => !files.has(path));
  return [...differing, ...stale.map((path) => `${path} is made by nothing any more`)];
}

/** The hash line of SOURCE.md covers inputs and outputs: a change of either without the other is drift. */
function protoDrift(): string[] {
  const path = join(root, protoFolder, 'SOURCE.md');
  return existsSync(path) && readFileSync(path, 'utf8') === protoSource()
    ? []
    : [`${protoFolder} does not fit its sources (see SOURCE.md there)`];
}

function protoSource(): string {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string } | undefined>;
  };
  const version = (name: string) => `${name} ${lock.packages[`node_modules/${name}`]?.version ?? 'unknown'}`;
  const inputs = createHash('sha256').update(readFileSync(join(root, 'scripts/gen-proto.ts')));
  const packages = ['@grpc/grpc-js-xds', '@bufbuild/protoc-gen-es', '@bufbuild/buf'].map(version);
  inputs.update(packages.join('\n'));
  const outputs = createHash('sha256');
  for (const file of filesUnder(protoFolder).filter((name) => !name.endsWith('SOURCE.md')))
    outputs
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0');
  return [
    '# Where these files come from',
    '',
    `Made by \`npm run gen\` (scripts/gen-proto.ts) with ${packages[1]} and ${packages[2]} from the \`.proto\` files in \`deps/\` of ${packages[0]}:`,
    "Envoy's API, xDS and UDPA (Apache-2.0), googleapis (Apache-2.0), protoc-gen-validate (Apache-2.0). Comments are left out, validation rules dropped.",
    'Never edited by hand.',
    '',
    `- inputs: sha256 ${inputs.digest('hex')}`,
    `- outputs: sha256 ${outputs.digest('hex')}`,
    '',
  ].join('\n');
}

function filesUnder(folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

function report(lines: readonly string[]): number {
  for (const line of lines) console.log(line);
  if (lines.length > 0) console.log('Run "npm run gen" and look at the difference.');
  return lines.length > 0 ? 1 : 0;
}
