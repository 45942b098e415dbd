/** Flags that several commands share. */
import type { Flag } from './command.ts';

/** Flags that every command takes. */
export const globalFlags: readonly Flag[] = [
  {
    long: 'kubeconfig',
    value: 'FILE',
    description: 'kubeconfig of the API server; else that of the running mesh, else KUBECONFIG',
    complete: 'file',
  },
  { long: 'context', value: 'NAME', description: 'context of the kubeconfig', complete: 'none' },
  {
    long: 'state-dir',
    value: 'DIR',
    description: 'state folder of the mesh on this machine; else MESHWRIGHT_STATE_DIR, else .meshwright',
    complete: 'file',
  },
  { long: 'no-color', description: 'no colour (NO_COLOR does the same)' },
];

export const namespace: Flag = {
  long: 'namespace',
  short: 'n',
  value: 'NAMESPACE',
  description: "namespace; else the context's, else default",
  complete: 'namespace',
};
export const allNamespaces: Flag = { long: 'all-namespaces', short: 'A', description: 'objects of all namespaces' };
export const selector: Flag = {
  long: 'selector',
  short: 'l',
  value: 'LABELS',
  description: 'only objects with these labels: app=reviews,version!=v1',
  complete: 'none',
};
export const files: Flag = {
  long: 'filename',
  short: 'f',
  value: 'FILE',
  description: 'file or folder of YAML or JSON, - for standard input',
  repeatable: true,
  complete: 'file',
};
export const recursive: Flag = { long: 'recursive', short: 'R', description: 'with -f: folders inside folders too' };
export const objectOutput: Flag = {
  long: 'output',
  short: 'o',
  value: 'FORMAT',
  description: 'json, yaml, name, wide or jsonpath=TEMPLATE; else a table',
  complete: ['json', 'yaml', 'name', 'wide', 'jsonpath='],
};
export const timeout: Flag = {
  long: 'timeout',
  value: 'DURATION',
  description: 'longest time to wait: 30s, 2m',
  default: '60s',
  complete: 'none',
};
export const dryRun: Flag = {
  long: 'dry-run',
  value: 'WHERE',
  description: 'changes nothing: client = checks the files only, server = asks the API server',
  choices: ['none', 'client', 'server'],
  default: 'none',
};
export const startFlags: readonly Flag[] = [
  { long: 'proxy', value: 'ENGINE', description: 'proxy of workloads', choices: ['embedded', 'envoy'] },
  { long: 'config', value: 'DIR', description: 'folder of YAML that is watched besides the API server', complete: 'file' },
  {
    long: 'mesh-config',
    value: 'FILE',
    description: 'mesh configuration, watched; a ConfigMap istio in istio-system wins',
    complete: 'file',
  },
  { long: 'source-kubeconfig', value: 'FILE', description: 'another API server whose objects count as well', complete: 'file' },
  { long: 'api-port', value: 'PORT', description: 'port of the API server (16440)', complete: 'none' },
  { long: 'page-port', value: 'PORT', description: 'port of page and REST (16480)', complete: 'none' },
  { long: 'xds-port', value: 'PORT', description: 'port of xDS (15010)', complete: 'none' },
  { long: 'debug-port', value: 'PORT', description: 'port of metrics and debug pages (15014)', complete: 'none' },
  { long: 'log-level', value: 'LEVEL', description: 'least level of log lines', choices: ['debug', 'info', 'warn', 'error', 'silent'] },
];
