import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { type KubeconfigOptions, loadKubeconfig } from './kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const config = (parts: { cluster?: string; user?: string; context?: string; current?: string }) => `
apiVersion: v1
kind: Config
current-context: ${parts.current ?? 'main'}
clusters: [{name: c, cluster: {server: "https://10.0.0.1:6443/", ${parts.cluster ?? ''}}}]
users: [{name: u, user: {${parts.user ?? 'token: hush'}}}]
contexts: [{name: main, context: {cluster: c, user: u, ${parts.context ?? ''}}}]
`;

test('reads server, namespace, authority and token', () => {
  const access = loadKubeconfig([
    file('token', config({ cluster: `certificate-authority-data: ${base64('the ca')}`, context: 'namespace: shop' })),
  ]);
  assert.deepEqual([access.server, access.namespace, access.context], ['https://10.0.0.1:6443', 'shop', 'main']);
  assert.deepEqual(access.headers(), { authorization: 'Bearer hush' });
  assert.equal(String(access.tls().ca), 'the ca');
  assert.equal(access.tls().rejectUnauthorized, true);
  assert.ok(!inspect(access, { depth: 9 }).includes('hush') && !JSON.stringify(access).includes('hush'));
});

test('reads client certificates, names relative to the file, and token files again each time', () => {
  file('cert.pem', 'cert');
  const path = file('files', config({ user: `client-certificate: cert.pem, client-key-data: ${base64('key')}, tokenFile: token.txt` }));
  file('token.txt', 'one\n');
  const access = loadKubeconfig([path]);
  assert.deepEqual([String(access.tls().cert), String(access.tls().key)], ['cert', 'key']);
  assert.equal(access.headers().authorization, 'Bearer one');
  file('token.txt', 'two');
  assert.equal(access.headers().authorization, 'Bearer two');
  assert.equal(access.namespace, 'default');
});

test('merges files: the first that has a name wins, missing ones are passed over', () => {
  const first = file('first', 'current-context: main\ncontexts: [{name: other, context: {cluster: c, user: u, namespace: first}}]\n');
  const second = file(
    'second',
    config({ current: 'ignored' }).replace('contexts: [', 'contexts: [{name: other, context: {cluster: none}}, '),
  );
  const paths = [join(folder, 'absent'), first, second];
  assert.equal(loadKubeconfig(paths).context, 'main');
  assert.equal(loadKubeconfig(paths, { context: 'other' }).namespace, 'first');
});

test('says what is wrong and what to do', () => {
  const cases: readonly [string, readonly string[], KubeconfigOptions, string, RegExp][] = [
    ['missing', [join(folder, 'absent')], {}, 'KUBECONFIG_MISSING', /no kubeconfig was found at .*absent/],
    ['yaml', [file('bad', 'a: b\na: c\n')], {}, 'KUBECONFIG_INVALID', /bad: line 2, column 1/],
    ['list', [file('list', '- a\n')], {}, 'KUBECONFIG_INVALID', /expected one map/],
    ['context', [file('ok', config({}))], { context: 'nope' }, 'KUBECONFIG_INVALID', /no context "nope" in contexts; there are: main/],
    [
      'insecure',
      [file('insecure', config({ cluster: 'insecure-skip-tls-verify: true' }))],
      {},
      'KUBECONFIG_INSECURE',
      /asks not to verify/,
    ],
    ['exec', [file('exec', config({ user: 'exec: {command: aws}' }))], {}, 'KUBECONFIG_UNSUPPORTED', /by exec/],
    ['other user', [file('as', config({ user: 'token: x, as: jane' }))], {}, 'KUBECONFIG_UNSUPPORTED', /by as,/],
    ['proxy', [file('proxy', config({ cluster: 'proxy-url: "http://p:1"' }))], {}, 'KUBECONFIG_UNSUPPORTED', /by proxy-url/],
    ['server', [file('server', config({}).replace('https://10.0.0.1:6443/', 'ftp://x'))], {}, 'KUBECONFIG_INVALID', /http or https URL/],
    [
      'ca file',
      [file('ca', config({ cluster: 'certificate-authority: none.pem' }))],
      {},
      'KUBECONFIG_INVALID',
      /none\.pem, which cannot be read/,
    ],
  ];
  for (const [name, paths, options, code, message] of cases) {
    assert.throws(
      () => loadKubeconfig(paths, options).tls(),
      (error: { code: string; message: string; fix: string }) => {
        assert.equal(error.code, code, name);
        assert.match(error.message, message);
        assert.notEqual(error.fix, '');
        return true;
      },
    );
  }
  assert.equal(
    loadKubeconfig([file('allowed', config({ cluster: 'insecure-skip-tls-verify: true' }))], { allowInsecure: true }).tls()
      .rejectUnauthorized,
    false,
  );
});
