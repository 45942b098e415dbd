/** The table of all commands: parsing, help, completion, docs/reference/cli.md and tests come from it. */
import type { Command, Flag } from './command.ts';

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

const namespace: Flag = {
  long: 'namespace',
  short: 'n',
  value: 'NAMESPACE',
  description: "namespace; else the context's, else default",
  complete: 'namespace',
};
const allNamespaces: Flag = { long: 'all-namespaces', short: 'A', description: 'objects of all namespaces' };
const selector: Flag = {
  long: 'selector',
  short: 'l',
  value: 'LABELS',
  description: 'only objects with these labels: app=reviews,version!=v1',
  complete: 'none',
};
const files: Flag = {
  long: 'filename',
  short: 'f',
  value: 'FILE',
  description: 'file or folder of YAML or JSON, - for standard input',
  repeatable: true,
  complete: 'file',
};
const recursive: Flag = { long: 'recursive', short: 'R', description: 'with -f: folders inside folders too' };
const objectOutput: Flag = {
  long: 'output',
  short: 'o',
  value: 'FORMAT',
  description: 'json, yaml, name, wide or jsonpath=TEMPLATE; else a table',
  complete: ['json', 'yaml', 'name', 'wide', 'jsonpath='],
};
const timeout: Flag = {
  long: 'timeout',
  value: 'DURATION',
  description: 'longest time to wait: 30s, 2m',
  default: '60s',
  complete: 'none',
};
const dryRun: Flag = {
  long: 'dry-run',
  value: 'WHERE',
  description: 'changes nothing: client = checks the files only, server = asks the API server',
  choices: ['none', 'client', 'server'],
  default: 'none',
};
const startFlags: readonly Flag[] = [
  { long: 'proxy', value: 'ENGINE', description: 'proxy of workloads', choices: ['embedded', 'envoy'] },
  { long: 'config', value: 'DIR', description: 'folder of YAML that is watched besides the API server', complete: 'file' },
  { long: 'api-port', value: 'PORT', description: 'port of the API server (16440)', complete: 'none' },
  { long: 'page-port', value: 'PORT', description: 'port of page and REST (16480)', complete: 'none' },
  { long: 'xds-port', value: 'PORT', description: 'port of xDS (15010)', complete: 'none' },
  { long: 'debug-port', value: 'PORT', description: 'port of metrics and debug pages (15014)', complete: 'none' },
  { long: 'log-level', value: 'LEVEL', description: 'least level of log lines', choices: ['debug', 'info', 'warn', 'error', 'silent'] },
];

export const commands: readonly Command[] = [
  {
    name: 'demo',
    group: 'Run a mesh',
    summary: 'Starts a mesh with the Bookinfo application under gentle traffic',
    description: 'Everything runs on loopback addresses of this machine and ends with Ctrl-C. State is kept in .meshwright.',
    examples: [
      { command: 'meshwright demo', does: 'prints the URL of the page and what to try' },
      { command: 'meshwright demo --proxy envoy', does: 'the same through the real Envoy' },
    ],
    flags: [...startFlags, { long: 'rps', value: 'NUMBER', description: 'requests a second to the product page (5)', complete: 'none' }],
    load: async () => (await import('./handler/start.ts')).demo,
  },
  {
    name: 'start',
    group: 'Run a mesh',
    summary: 'Starts the control plane, the API server and the page',
    description: 'Runs until Ctrl-C. Programs join with "meshwright run"; kubectl works with the kubeconfig that it prints.',
    examples: [
      { command: 'meshwright start', does: 'an empty mesh on this machine' },
      { command: 'meshwright start --config ./mesh', does: 'with the YAML files of a folder, watched' },
    ],
    flags: startFlags,
    load: async () => (await import('./handler/start.ts')).start,
  },
  {
    name: 'run',
    group: 'Run a mesh',
    summary: 'Runs a program joined to the mesh',
    description:
      'Starts a proxy and the program, makes the program a workload of the service, and leaves the mesh when the program ends. Ends with the exit code of the program.',
    examples: [
      { command: 'meshwright run --service my-api --version v2 --port 8080 -- node server.js', does: 'one more version of my-api' },
      { command: 'meshwright run --service client -- curl -s http://my-api:8080/', does: 'a client without a port of its own' },
    ],
    passThrough: true,
    arguments: [{ name: 'COMMAND', description: 'the program and its arguments', required: true, variadic: true, complete: 'file' }],
    flags: [
      { long: 'service', value: 'NAME', description: 'service that the program belongs to (made when absent)', complete: 'none' },
      { long: 'version', value: 'VERSION', description: 'label version of the workload', default: 'v1', complete: 'none' },
      {
        long: 'port',
        value: 'PORT',
        description: 'port on which the program listens; [name:]service:program with names',
        repeatable: true,
        complete: 'none',
      },
      { long: 'name', value: 'NAME', description: 'name of the workload; else SERVICE-VERSION', complete: 'none' },
      { long: 'label', value: 'KEY=VALUE', description: 'one more label', repeatable: true, complete: 'none' },
      { long: 'env', value: 'KEY=VALUE', description: 'one more variable for the program', repeatable: true, complete: 'none' },
      { long: 'health-path', value: 'PATH', description: 'ready when this path answers 2xx; else when the port accepts', complete: 'none' },
      { long: 'proxy', value: 'ENGINE', description: 'proxy beside the program', choices: ['embedded', 'envoy'] },
      { long: 'log-level', value: 'LEVEL', description: 'least level of log lines', choices: ['debug', 'info', 'warn', 'error', 'silent'] },
      namespace,
    ],
    load: async () => (await import('./handler/run.ts')).run,
  },
  {
    name: 'get',
    group: 'Objects',
    summary: 'Lists objects, or shows some of them',
    examples: [
      { command: 'meshwright get virtualservices -A', does: 'in all namespaces' },
      { command: 'meshwright get vs reviews -o yaml', does: 'one as YAML' },
      { command: 'meshwright get services,dr -l app=reviews', does: 'two kinds, by label' },
      { command: 'meshwright get we --watch', does: 'and every change' },
    ],
    arguments: [
      { name: 'KIND', description: 'kind or kinds (comma between them), or KIND/NAME', required: true, complete: 'kind' },
      { name: 'NAME', description: 'names; NAME.NAMESPACE is understood', variadic: true, complete: 'object' },
    ],
    flags: [
      namespace,
      allNamespaces,
      selector,
      objectOutput,
      { long: 'watch', short: 'w', description: 'goes on and shows every change until Ctrl-C' },
      { long: 'no-headers', description: 'the table without its first line' },
      { long: 'ignore-not-found', description: 'a missing name is no failure' },
    ],
    load: async () => (await import('./handler/get.ts')).get,
  },
  {
    name: 'apply',
    group: 'Objects',
    summary: 'Creates or changes objects from files',
    description: 'Checks every file first and says file, line and column of what is wrong; then applies on the server.',
    examples: [
      { command: 'meshwright apply -f reviews-50-50.yaml', does: 'one file' },
      { command: 'meshwright apply -f mesh/ -R --dry-run=server', does: 'what would change' },
      { command: 'meshwright apply -f reviews.yaml --wait=live', does: 'returns when every proxy runs it' },
    ],
    flags: [
      files,
      recursive,
      namespace,
      dryRun,
      { long: 'wait', value: 'CONDITION', implied: 'live', description: 'live = until every proxy has acknowledged it', choices: ['live'] },
      timeout,
      {
        long: 'output',
        short: 'o',
        value: 'FORMAT',
        description: 'name, json or yaml of what was applied',
        choices: ['name', 'json', 'yaml'],
      },
    ],
    load: async () => (await import('./handler/apply.ts')).apply,
  },
  {
    name: 'delete',
    group: 'Objects',
    summary: 'Deletes objects by name, label or file',
    examples: [
      { command: 'meshwright delete vs reviews', does: 'by name' },
      { command: 'meshwright delete -f reviews-50-50.yaml', does: 'what a file names' },
    ],
    arguments: [
      { name: 'KIND', description: 'kind, or KIND/NAME', complete: 'kind' },
      { name: 'NAME', description: 'names', variadic: true, complete: 'object' },
    ],
    flags: [
      files,
      recursive,
      namespace,
      selector,
      { long: 'all', description: 'all objects of the kind in the namespace' },
      { long: 'ignore-not-found', description: 'what is not there is no failure' },
      dryRun,
    ],
    load: async () => (await import('./handler/delete.ts')).deleteObjects,
  },
  {
    name: 'describe',
    group: 'Objects',
    summary: 'Shows an object with its conditions, its problems and its events',
    examples: [{ command: 'meshwright describe vs reviews', does: '' }],
    arguments: [
      { name: 'KIND', description: 'kind, or KIND/NAME', required: true, complete: 'kind' },
      { name: 'NAME', description: 'names; all when none is given', variadic: true, complete: 'object' },
    ],
    flags: [namespace, allNamespaces, selector],
    load: async () => (await import('./handler/describe.ts')).describe,
  },
  {
    name: 'explain',
    group: 'Objects',
    summary: 'Explains a kind, one of its fields, or the code of a problem',
    description: 'See "explain request" for where a request would go.',
    examples: [
      { command: 'meshwright explain virtualservice.spec.http', does: 'a field and what is below it' },
      { command: 'meshwright explain MW0101', does: 'cause and fix of a problem' },
    ],
    arguments: [{ name: 'WHAT', description: 'KIND[.FIELD...] or CODE', required: true, complete: 'kind' }],
    flags: [{ long: 'recursive', description: 'all fields below, names and types only' }],
    load: async () => (await import('./handler/explain.ts')).explain,
  },
  {
    name: 'explain request',
    group: 'Look inside',
    summary: 'Shows where a request would go, and which rule sends it there',
    description:
      'Asks the running mesh. Nothing is sent. Each rule that matched or missed is named with its file and line, or object and generation.',
    examples: [
      {
        command: 'meshwright explain request --from productpage-v1 --to reviews:9080 --path /reviews/0 -H end-user=jason',
        does: 'which version jason gets',
      },
    ],
    flags: [
      { long: 'from', value: 'WORKLOAD', description: 'workload that sends it: name, name.namespace', complete: 'workload' },
      { long: 'to', value: 'HOST[:PORT]', description: 'host and port as the client writes them [default port 80]', complete: 'none' },
      { long: 'path', value: 'PATH', description: 'path and query', default: '/', complete: 'none' },
      {
        long: 'method',
        short: 'X',
        value: 'METHOD',
        description: 'HTTP method',
        default: 'GET',
        complete: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      },
      {
        long: 'header',
        short: 'H',
        value: 'NAME=VALUE',
        description: 'header; NAME: VALUE is understood',
        repeatable: true,
        complete: 'none',
      },
      namespace,
      {
        long: 'output',
        short: 'o',
        value: 'FORMAT',
        description: 'text, json or yaml',
        choices: ['text', 'json', 'yaml'],
        default: 'text',
      },
      { long: 'all', description: 'shows every rule that missed, not only the last ones' },
    ],
    load: async () => (await import('./handler/explain-request.ts')).explainRequest,
  },
  {
    name: 'proxy',
    group: 'Look inside',
    summary: 'State and configuration of proxies',
    examples: [
      { command: 'meshwright proxy status', does: 'which proxies run what they were sent' },
      { command: 'meshwright proxy config routes reviews-v1', does: 'what one proxy has' },
    ],
  },
  {
    name: 'proxy status',
    aliases: ['ps', 'proxy-status'],
    group: 'Look inside',
    summary: 'Shows for each proxy whether it runs what it was sent',
    examples: [
      { command: 'meshwright proxy status', does: 'all proxies' },
      { command: 'meshwright proxy status reviews-v1 -o json', does: 'one, with versions and times' },
    ],
    arguments: [{ name: 'WORKLOAD', description: 'name, name.namespace or node id', complete: 'workload' }],
    flags: [
      namespace,
      {
        long: 'output',
        short: 'o',
        value: 'FORMAT',
        description: 'table, wide, json or yaml',
        choices: ['table', 'wide', 'json', 'yaml'],
        default: 'table',
      },
      { long: 'watch', short: 'w', description: 'repeats when something changed, until Ctrl-C' },
    ],
    load: async () => (await import('./handler/proxy-status.ts')).proxyStatus,
  },
  {
    name: 'proxy config',
    aliases: ['pc', 'proxy-config'],
    group: 'Look inside',
    summary: 'Shows the configuration that a proxy has',
    description:
      'Asks the proxy itself; with --sent the control plane, for what it would send. The Origin column names the object or file behind a resource.',
    examples: [
      { command: 'meshwright proxy config routes reviews-v1', does: '' },
      { command: 'meshwright proxy config clusters productpage-v1 --fqdn reviews --subset v1', does: '' },
      { command: 'meshwright proxy config all reviews-v1 -o json', does: '' },
    ],
    arguments: [
      {
        name: 'SECTION',
        description: 'clusters, listeners, routes, endpoints, bootstrap or all',
        required: true,
        complete: ['clusters', 'listeners', 'routes', 'endpoints', 'bootstrap', 'all'],
      },
      { name: 'WORKLOAD', description: 'name or name.namespace', complete: 'workload' },
    ],
    flags: [
      namespace,
      {
        long: 'output',
        short: 'o',
        value: 'FORMAT',
        description: 'short, json or yaml',
        choices: ['short', 'json', 'yaml'],
        default: 'short',
      },
      { long: 'fqdn', value: 'TEXT', description: 'clusters: service name contains this', complete: 'none' },
      { long: 'subset', value: 'NAME', description: 'clusters: subset', complete: 'none' },
      { long: 'direction', value: 'DIRECTION', description: 'clusters', choices: ['inbound', 'outbound'] },
      { long: 'port', value: 'PORT', description: 'clusters, listeners, endpoints: port', complete: 'none' },
      { long: 'address', value: 'ADDRESS', description: 'listeners, endpoints: address contains this', complete: 'none' },
      { long: 'name', value: 'NAME', description: 'routes: name of the route configuration', complete: 'none' },
      { long: 'cluster', value: 'NAME', description: 'endpoints: cluster contains this', complete: 'none' },
      { long: 'status', value: 'STATUS', description: 'endpoints', choices: ['healthy', 'unhealthy'] },
      { long: 'file', short: 'f', value: 'FILE', description: 'reads a saved /config_dump instead of asking', complete: 'file' },
      { long: 'sent', description: 'what the control plane would send, not what the proxy has' },
    ],
    load: async () => (await import('./handler/proxy-config.ts')).proxyConfig,
  },
  {
    name: 'tap',
    group: 'Look inside',
    summary: 'Shows requests as they happen',
    examples: [
      { command: 'meshwright tap', does: 'all requests, until Ctrl-C' },
      { command: 'meshwright tap --to reviews --status 5xx', does: 'only failures of reviews' },
      { command: 'meshwright tap -o json --limit 100 > requests.jsonl', does: 'the next hundred as JSON lines' },
    ],
    arguments: [{ name: 'WORKLOAD', description: 'only requests that this workload sent or received', complete: 'workload' }],
    flags: [
      { long: 'from', value: 'TEXT', description: 'source contains this', complete: 'workload' },
      { long: 'to', value: 'TEXT', description: 'destination workload or service contains this', complete: 'workload' },
      { long: 'path', value: 'PREFIX', description: 'path begins with this', complete: 'none' },
      { long: 'method', value: 'METHOD', description: 'HTTP method', complete: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] },
      { long: 'status', value: 'CODE', description: '503, 5xx, or a response flag such as UF', complete: 'none' },
      { long: 'reporter', value: 'SIDE', description: 'which side reports', choices: ['source', 'destination', 'both'], default: 'source' },
      { long: 'limit', value: 'NUMBER', description: 'ends after so many', complete: 'none' },
      {
        long: 'output',
        short: 'o',
        value: 'FORMAT',
        description: 'table, wide or json (one object per line)',
        choices: ['table', 'wide', 'json'],
        default: 'table',
      },
    ],
    load: async () => (await import('./handler/tap.ts')).tap,
  },
  {
    name: 'check',
    group: 'Look inside',
    summary: 'Checks this machine, the control plane, proxies and objects',
    description: 'Says for everything that is wrong what to do next. Exit code 2 when something is.',
    examples: [
      { command: 'meshwright check', does: '' },
      { command: 'meshwright check --fail-on warn -o json', does: 'for scripts' },
    ],
    flags: [
      {
        long: 'output',
        short: 'o',
        value: 'FORMAT',
        description: 'text, short (only what is wrong), json or junit',
        choices: ['text', 'short', 'json', 'junit'],
        default: 'text',
      },
      { long: 'fail-on', value: 'LEVEL', description: 'least level that gives exit code 2', choices: ['warn', 'fail'], default: 'fail' },
      { long: 'wait', value: 'DURATION', implied: '60s', description: 'repeats what may still become right for so long', complete: 'none' },
    ],
    load: async () => (await import('./handler/check.ts')).check,
  },
  {
    name: 'version',
    group: 'This program',
    summary: 'Shows the versions of this program and of the running mesh',
    examples: [{ command: 'meshwright version -o json', does: '' }],
    flags: [
      { long: 'client', description: 'this program only' },
      {
        long: 'output',
        short: 'o',
        value: 'FORMAT',
        description: 'text, json or yaml',
        choices: ['text', 'json', 'yaml'],
        default: 'text',
      },
    ],
    load: async () => (await import('./handler/version.ts')).version,
  },
  {
    name: 'completion',
    group: 'This program',
    summary: 'Prints the completion script of a shell',
    examples: [
      { command: 'source <(meshwright completion bash)', does: 'for this bash' },
      { command: 'meshwright completion fish | source', does: 'for this fish' },
    ],
    arguments: [
      { name: 'SHELL', description: 'bash, zsh, fish or powershell', required: true, complete: ['bash', 'zsh', 'fish', 'powershell'] },
    ],
    load: async () => (await import('./handler/completion.ts')).completion,
  },
  {
    name: 'complete',
    group: 'This program',
    hidden: true,
    passThrough: true,
    summary: 'Prints what may stand at the end of a command line, one per line',
    examples: [],
    arguments: [{ name: 'WORD', description: 'the words so far, the last one maybe empty', variadic: true }],
    load: async () => (await import('./handler/complete.ts')).complete,
  },
];
