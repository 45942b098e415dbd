/** Borders between rooms, cycles and wrapped libraries, by dependency-cruiser; proves on planted violations that it sees them. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise } from 'dependency-cruiser';
import { borderRules, browserSafeFiles, roomOf, rooms, sharedLibraries } from './rooms.js';

/** Lines about what is wrong; empty when all borders hold. */
export async function checkBorders(root) {
  const unseen = await plantedViolationsNotSeen(root);
  if (unseen.length > 0) return unseen.map((rule) => `the check is blind: a planted violation of ${rule} was not reported`);
  const modules = await modulesOf(root);
  const cruised = new Set(modules.map((module) => module.source));
  const files = filesUnder(root, 'src');
  const missed = files.filter((file) => !cruised.has(file));
  return [
    ...missed.slice(0, 10).map((file) => `${file} was not read by dependency-cruiser`),
    ...files.filter((file) => !roomOf(file)).map((file) => `${file} is in no room of scripts/check/rooms.js`),
    ...violationsOf(modules).map(({ rule, from, to }) => `${rule}: ${from} -> ${to}`),
    ...librariesInSeveralRooms(modules),
    ...pageImports(root),
  ];
}

async function modulesOf(baseDir) {
  const result = await cruise(
    ['src'],
    {
      baseDir,
      ruleSet: { forbidden: borderRules() },
      validate: true,
      doNotFollow: { path: 'node_modules' },
      exclude: { path: '^src/foundation/proto/gen/.*\\.d\\.ts$' },
      tsPreCompilationDeps: true,
      moduleSystems: ['es6'],
    },
    { conditionNames: ['source', 'import', 'node', 'default'], exportsFields: ['exports'], extensions: ['.ts', '.js', '.json'] },
  );
  return result.output.modules.filter((module) => module.source.startsWith('src/'));
}

function violationsOf(modules) {
  const found = new Map();
  for (const module of modules) {
    if (module.source.includes('/proto/gen/')) continue;
    for (const dependency of module.dependencies) {
      for (const rule of dependency.rules ?? []) {
        if (rule.severity !== 'error') continue;
        const entry = { rule: rule.name, from: module.source, to: dependency.resolved };
        // A cycle is reported once per module in it: one line is enough.
        const key =
          rule.name === 'no-cycles'
            ? [...new Set([module.source, ...dependency.cycle.map(({ name }) => name)])].sort().join()
            : JSON.stringify(entry);
        if (!found.has(key)) found.set(key, entry);
      }
    }
  }
  return [...found.values()];
}

function librariesInSeveralRooms(modules) {
  const users = new Map();
  for (const { source, dependencies } of modules) {
    if (source.endsWith('.test.ts') || source.includes('/proto/gen/')) continue;
    for (const { module, dependencyTypes } of dependencies) {
      if (!dependencyTypes.some((type) => type.startsWith('npm'))) continue;
      const library = module
        .split('/')
        .slice(0, module.startsWith('@') ? 2 : 1)
        .join('/');
      if (!sharedLibraries.includes(library)) users.set(library, new Set([...(users.get(library) ?? []), roomOf(source)]));
    }
  }
  return [...users]
    .filter(([, names]) => names.size > 1)
    .map(([library, names]) => `${library} is imported by several rooms (${[...names].join(', ')}): wrap it in one`);
}

/** The page may import what runs in browsers only; types are gone when it runs. */
function pageImports(root) {
  const names = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).imports;
  return filesUnder(root, 'web/src').flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/^(?:import|export) (?!type\b)[^'";]*from '(#[\w-]+)\/([^']+)'/gm)].flatMap(
      ([, name, rest]) => {
        const room = Object.entries(names)
          .find(([key]) => key.startsWith(`${name}/`))?.[1]
          .source.split('/')
          .slice(2, 4)
          .join('/');
        const safe = rooms[room]?.browserSafe || browserSafeFiles.includes(`${room}/${rest}`);
        return safe ? [] : [`${file} imports ${name}/${rest}, which does not run in browsers`];
      },
    ),
  );
}

/** Cruises a small tree that breaks each sort of rule once; gives the rules that stayed silent. */
async function plantedViolationsNotSeen(root) {
  const work = realpathSync(mkdtempSync(join(tmpdir(), 'meshwright-check-')));
  try {
    const { imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const files = {
      'package.json': JSON.stringify({ name: 'planted', type: 'module', imports }),
      'src/foundation/base/low.ts': "import type { Top } from '#apps/top.ts';\nexport type Low = Top;\n",
      'src/foundation/regex/core.ts': "import { readFileSync } from 'node:fs';\nexport const read = readFileSync;\n",
      'src/model/mesh/one.ts': "import { two } from './two.ts';\nexport const one = () => two;\n",
      'src/model/mesh/two.ts': "import { one } from './one.ts';\nexport const two = () => one;\n",
      'src/apps/top.ts': "import { inner } from '../control-plane/pilot/inner/inner.ts';\nexport type Top = typeof inner;\n",
      'src/control-plane/pilot/inner/inner.ts': 'export const inner = 1;\n',
    };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(work, path)), { recursive: true });
      writeFileSync(join(work, path), text);
    }
    const seen = new Set(violationsOf(await modulesOf(work)).map(({ rule }) => rule));
    return ['border:foundation/base', 'browser-safe:foundation/regex', 'no-cycles', 'private:control-plane/pilot'].filter(
      (rule) => !seen.has(rule),
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function filesUnder(root, folder) {
  try {
    return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
  } catch {
    return [];
  }
}
