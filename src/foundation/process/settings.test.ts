import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSettings, settingsTable } from './settings.ts';

test('an empty environment gives every default', () => {
  const { settings, problems } = readSettings({});
  assert.deepEqual(problems, []);
  for (const [name, setting] of Object.entries(settingsTable)) {
    assert.equal(Reflect.get(settings, name), setting.fallback, name);
    assert.match(setting.env, /^MESHWRIGHT_[A-Z_]+$/);
  }
});

test('no two settings share a variable', () => {
  const names = Object.values(settingsTable).map((setting) => setting.env);
  assert.equal(new Set(names).size, names.length);
});

const rows = [
  { env: 'MESHWRIGHT_API_PORT', value: '7000', name: 'apiPort', want: 7000, problems: 0 },
  { env: 'MESHWRIGHT_API_PORT', value: '70000', name: 'apiPort', want: 16440, problems: 1 },
  { env: 'MESHWRIGHT_API_PORT', value: '0x10', name: 'apiPort', want: 16440, problems: 1 },
  { env: 'MESHWRIGHT_API_PORT', value: '', name: 'apiPort', want: 16440, problems: 0 },
  { env: 'MESHWRIGHT_PROXY', value: 'envoy', name: 'proxy', want: 'envoy', problems: 0 },
  { env: 'MESHWRIGHT_PROXY', value: 'nginx', name: 'proxy', want: 'embedded', problems: 1 },
  { env: 'MESHWRIGHT_STATE_DIR', value: 'x/y', name: 'stateDir', want: 'x/y', problems: 0 },
  { env: 'MESHWRIGHT_GRACE', value: '-1', name: 'graceMs', want: 5000, problems: 1 },
];
for (const row of rows) {
  test(`${row.env}=${row.value}`, () => {
    const { settings, problems } = readSettings({ [row.env]: row.value });
    assert.equal(Reflect.get(settings, row.name), row.want);
    assert.equal(problems.length, row.problems);
    for (const problem of problems) assert.ok(problem.message.includes(row.env) && problem.message.includes(row.value) && problem.fix);
  });
}
