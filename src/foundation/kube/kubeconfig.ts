import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { codeOf, Fault, messageOf } from '#base/fault.ts';
import { parseYaml } from '#yaml/document.ts';
import { isJsonObject, type JsonObject } from './object.ts';

/** How to reach an API server and as whom. Secrets are behind functions, so that printing it shows none. */
export interface KubeAccess {
  readonly server: string;
  /** Namespace of the context; `default` when it names none. */
  readonly namespace: string;
  readonly context: string;
  readonly tls: () => SecureContextOptions & { readonly rejectUnauthorized: boolean; readonly servername?: string };
  readonly headers: () => Readonly<Record<string, string>>;
}

export interface KubeconfigOptions {
  /** Instead of the files' current-context. */
  readonly context?: string;
  /** Accept `insecure-skip-tls-verify`, with which anyone may pose as the server. */
  readonly allowInsecure?: boolean;
}

/**
 * Reads kubeconfig files as kubectl merges them: for every name and for the current context the first file that has it
 * wins; files that do not exist are passed over. Throws the Faults `KUBECONFIG_MISSING`, `KUBECONFIG_INVALID`,
 * `KUBECONFIG_INSECURE`, `KUBECONFIG_UNSUPPORTED`.
 */
export function loadKubeconfig(paths: readonly string[], options: KubeconfigOptions = {}): KubeAccess {
  const files = paths.flatMap((path) => readConfig(path));
  if (files.length === 0) {
    throw new Fault('KUBECONFIG_MISSING', `no kubeconfig was found at ${paths.join(', ') || 'any path'}`, {
      fix: 'Name an existing file, or start Meshwright, which writes .meshwright/kubeconfig.',
    });
  }
  const name = options.context ?? files.map((file) => textOf(file.content, 'current-context')).find((text) => text !== '') ?? '';
  const context = find(files, 'contexts', 'context', name);
  const cluster = find(files, 'clusters', 'cluster', textOf(context.value, 'cluster'));
  const userName = textOf(context.value, 'user');
  const user = userName === '' ? { value: {}, folder: '' } : find(files, 'users', 'user', userName);
  return accessOf(name, context.value, cluster, user, options);
}

interface ConfigFile {
  readonly path: string;
  readonly content: JsonObject;
}

interface Found {
  readonly value: JsonObject;
  /** Relative paths inside are relative to this. */
  readonly folder: string;
}

function readConfig(path: string): ConfigFile[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw new Fault('KUBECONFIG_INVALID', `${path} cannot be read: ${messageOf(error)}`, { cause: error, fix: 'Check its permissions.' });
  }
  const [document, ...others] = parseYaml(text, path);
  const problem = document?.problems[0];
  if (problem) throw invalid(path, `line ${problem.line ?? 1}, column ${problem.column ?? 1}: ${problem.message}`);
  if (document === undefined) return [];
  if (others.length > 0 || !isJsonObject(document.value)) throw invalid(path, 'expected one map with clusters, users and contexts');
  return [{ path, content: document.value }];
}

function find(files: readonly ConfigFile[], list: string, field: string, name: string): Found {
  const known: string[] = [];
  for (const { path, content } of files) {
    for (const item of Array.isArray(content[list]) ? content[list] : []) {
      if (!isJsonObject(item)) continue;
      known.push(String(item.name));
      if (item.name === name && isJsonObject(item[field])) return { value: item[field], folder: dirname(path) };
    }
  }
  const place = files.map((file) => file.path).join(', ');
  throw invalid(place, `there is no ${field} ${JSON.stringify(name)} in ${list}; there are: ${known.join(', ') || 'none'}`);
}

function accessOf(name: string, context: JsonObject, cluster: Found, user: Found, options: KubeconfigOptions): KubeAccess {
  const server = textOf(cluster.value, 'server');
  if (!/^https?:\/\//.test(server))
    throw invalid(cluster.folder, `the cluster's server must be an http or https URL, found ${JSON.stringify(server)}`);
  const insecure = cluster.value['insecure-skip-tls-verify'] === true;
  if (insecure && options.allowInsecure !== true) {
    throw new Fault('KUBECONFIG_INSECURE', `context ${name} asks not to verify the server's certificate (insecure-skip-tls-verify)`, {
      fix: 'Put the authority of the server into certificate-authority-data, or allow insecure access explicitly.',
    });
  }
  for (const field of ['exec', 'auth-provider', 'username', 'as', 'as-uid', 'as-groups', 'as-user-extra'])
    if (user.value[field] !== undefined)
      throw unsupported(`the user of context ${name} authenticates by ${field}`, 'Use a token or a client certificate.');
  if (textOf(cluster.value, 'proxy-url') !== '')
    throw unsupported(`the cluster of context ${name} is reached by proxy-url`, 'Name an address that is reached directly.');
  const ca = dataOrFile(cluster, 'certificate-authority');
  const cert = dataOrFile(user, 'client-certificate');
  const key = dataOrFile(user, 'client-key');
  const token = readToken(user);
  const servername = textOf(cluster.value, 'tls-server-name');
  return {
    server: server.replace(/\/+$/, ''),
    namespace: textOf(context, 'namespace') || 'default',
    context: name,
    tls: () => ({
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      ...(servername ? { servername } : {}),
      rejectUnauthorized: !insecure,
    }),
    headers: (): Readonly<Record<string, string>> => {
      const value = token();
      return value === '' ? {} : { authorization: `Bearer ${value}` };
    },
  };
}

/** `<field>-data` in base64, else the file that `<field>` names. */
function dataOrFile(found: Found, field: string): Buffer | undefined {
  const data = textOf(found.value, `${field}-data`);
  if (data !== '') return Buffer.from(data, 'base64');
  const path = textOf(found.value, field);
  return path === '' ? undefined : readNamed(found, field, path);
}

/** A token file is read again for each request: the kubelet and others renew it in place. */
function readToken(user: Found): () => string {
  const token = textOf(user.value, 'token');
  const path = textOf(user.value, 'tokenFile');
  // Kubernetes: where both stand, the file counts.
  if (path === '') return () => token;
  return () => readNamed(user, 'tokenFile', path).toString('utf8').trim();
}

function readNamed(found: Found, field: string, path: string): Buffer {
  const full = resolve(found.folder, path);
  try {
    return readFileSync(full);
  } catch (error) {
    throw new Fault('KUBECONFIG_INVALID', `${field} names ${full}, which cannot be read: ${messageOf(error)}`, {
      cause: error,
      fix: 'Correct the path.',
    });
  }
}

function textOf(value: JsonObject, field: string): string {
  const found = value[field];
  return typeof found === 'string' ? found : '';
}

/** Passing over these would mean another user, or another way, than the file says. */
function unsupported(what: string, fix: string): Fault {
  return new Fault('KUBECONFIG_UNSUPPORTED', `${what}, which is not supported`, { fix });
}

function invalid(place: string, what: string): Fault {
  return new Fault('KUBECONFIG_INVALID', `kubeconfig ${place}: ${what}`, { fix: 'Correct the file or name another one.' });
}
