/**
 * The rooms of src/ and what each may import (docs/architecture.md). `true` after a room's name: it also runs in
 * browsers, so it has no `node:` imports.
 */
const base = 'foundation/base';
const process = 'foundation/process';
const proto = 'foundation/proto';

/** Room to { allowed rooms or files, browserSafe }. A plane's name with a slash at its end allows all its rooms. */
export const rooms = {
  'foundation/base': { may: [], browserSafe: true },
  'foundation/process': { may: [base] },
  'foundation/proto': { may: [base], browserSafe: true },
  'foundation/collection': { may: [base], browserSafe: true },
  'foundation/regex': { may: [base], browserSafe: true },
  'foundation/yaml': { may: [base], browserSafe: true },
  'foundation/cel': { may: [base, 'foundation/regex'], browserSafe: true },
  'foundation/jwt': { may: [base, process] },
  'foundation/http': { may: [base, process] },
  'foundation/grpc': { may: [base, process, 'foundation/http'] },
  'foundation/xds': { may: [base, process, proto, 'foundation/grpc'] },
  'foundation/kube': { may: [base, process, 'foundation/yaml'] },
  'foundation/pki': { may: [base, process] },
  'model/resources': { may: ['foundation/'], browserSafe: true },
  'model/mesh': { may: ['foundation/', 'model/resources'], browserSafe: true },
  'control-plane/config': { may: ['foundation/', 'model/', 'control-plane/apiserver/store.ts'] },
  'control-plane/apiserver': { may: ['foundation/', 'model/'] },
  'control-plane/registry': { may: ['foundation/', 'model/'] },
  'control-plane/smi': { may: ['foundation/', 'model/'], browserSafe: true },
  'control-plane/translate': { may: ['foundation/', 'model/'], browserSafe: true },
  'control-plane/pilot': { may: ['foundation/', 'model/', 'control-plane/translate'] },
  'control-plane/ca': { may: ['foundation/', 'model/'] },
  'control-plane/mixer': { may: ['foundation/', 'model/'] },
  'control-plane/inject': { may: ['foundation/', 'model/', 'control-plane/translate'] },
  'control-plane/analyze': { may: ['foundation/', 'model/', 'control-plane/translate'], browserSafe: true },
  'data-plane/proxy': { may: ['foundation/'] },
  'data-plane/agent': { may: ['foundation/'] },
  'management-plane/store': { may: ['foundation/', 'model/', 'control-plane/'] },
  'management-plane/sync': { may: ['foundation/', 'model/', 'control-plane/', 'management-plane/store'] },
  'management-plane/conformance': { may: ['foundation/', 'model/', 'control-plane/', 'management-plane/store'] },
  'management-plane/perf': { may: ['foundation/', 'model/', 'control-plane/', 'management-plane/store'] },
  'management-plane/rollout': { may: ['foundation/', 'model/', 'control-plane/', 'management-plane/store'] },
  'management-plane/server': { may: ['foundation/', 'model/', 'control-plane/', 'management-plane/'] },
  apps: { may: ['foundation/', 'model/', 'control-plane/', 'data-plane/', 'management-plane/'] },
  cli: { may: ['foundation/', 'model/', 'control-plane/', 'management-plane/', 'apps'] },
};

/** Subfolders that belong to a room's face all the same. */
const openSubfolders = ['model/resources/[^/]+', 'foundation/proto/gen'];

/** Files outside of browser-safe rooms that browsers may load all the same. */
export const browserSafeFiles = ['management-plane/server/api.ts'];

/** Libraries that any room may import; every other one is wrapped by exactly one room. */
export const sharedLibraries = ['typebox', '@bufbuild/protobuf', '@opentelemetry/api'];

/** The room a path under src/ belongs to; undefined outside of all rooms. */
export function roomOf(path) {
  const [, plane, room] = path.split('/');
  if (plane === 'apps' || plane === 'cli') return plane;
  const name = `${plane}/${room}`;
  return name in rooms ? name : undefined;
}

/** Rules in dependency-cruiser's terms, one per room and sort of border. */
export function borderRules() {
  const rules = [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    // Types that name each other inside one room: no order of loading depends on them. Between rooms the table forbids it.
    { name: 'types-in-a-circle', severity: 'info', from: {}, to: { circular: true } },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'src-is-self-contained',
      severity: 'error',
      from: { path: '^src/', pathNot: testFile },
      to: { path: '^(test|bench|scripts|demo|web)/' },
    },
    {
      name: 'no-development-dependencies',
      severity: 'error',
      from: { path: '^src/', pathNot: testFile },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['npm', 'type-only'] },
    },
  ];
  for (const file of browserSafeFiles) {
    rules.push({ name: `browser-safe:${file}`, severity: 'error', from: { path: `^src/${file}$` }, to: { dependencyTypes: ['core'] } });
  }
  for (const [room, { may, browserSafe }] of Object.entries(rooms)) {
    const home = `^src/${room}/`;
    const allowed = [home, ...may.map((name) => `^src/${name.replace('.', '\\.')}${/\/$|\.ts$/.test(name) ? '' : '/'}`)];
    rules.push({
      name: `border:${room}`,
      severity: 'error',
      from: { path: home, pathNot: testFile },
      to: { path: '^src/', pathNot: allowed },
    });
    const open = openSubfolders.filter((folder) => folder.startsWith(room)).map((folder) => `^src/${folder}/`);
    rules.push({
      name: `private:${room}`,
      severity: 'error',
      from: { path: '^src/', pathNot: home },
      to: { path: `${home}[^/]+/`, ...(open.length > 0 ? { pathNot: open } : {}) },
    });
    if (browserSafe)
      rules.push({
        name: `browser-safe:${room}`,
        severity: 'error',
        from: { path: home, pathNot: testFile },
        to: { dependencyTypes: ['core'] },
      });
  }
  return rules;
}

const testFile = '\\.(test|prop\\.test)\\.ts$';
