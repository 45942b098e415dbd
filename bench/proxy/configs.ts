/** The same job written for each contender: pass-through, or 100 routes, header changes and an access log. */

export const routeCount = 100;
export const askedPath = '/api/v1/item?id=7';

export interface Job {
  readonly full: boolean;
  readonly listen: number;
  readonly backend: number;
  /** Admin port where one is needed. */
  readonly admin: number;
  /** UDP port that takes haproxy's log lines. */
  readonly syslog: number;
  readonly logFile: string;
  /** Prefixes and back ends for haproxy, written by `haproxyMap`. */
  readonly mapFile: string;
  /** How the embedded proxy writes to sockets. */
  readonly backEnd: 'onread' | 'handle';
}

const indices = Array.from({ length: routeCount }, (_, index) => index);

export function nginxBackend(port: number, pidFile: string): string {
  const body = JSON.stringify({ text: 'x'.repeat(187) });
  return `worker_processes 1; daemon off; pid ${pidFile}; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; server { listen 127.0.0.1:${port}; default_type application/json; location / { return 200 '${body}'; } } }
`;
}

/** The routes of a full job as haproxy's map file has them. */
export function haproxyMap(): string {
  return indices.map((i) => `/route-${i}/ b\n`).join('');
}

export function haproxyConfig(job: Job): string {
  const log = job.full
    ? `log 127.0.0.1:${job.syslog} local0 info\n  option httplog\n  unique-id-format %{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid\n  unique-id-header x-request-id`
    : '';
  // A map is how haproxy's users write a hundred prefixes; a list of rules would be tried one by one.
  const routes = job.full ? `  use_backend %[path,map_beg(${job.mapFile},b)]` : '';
  const changes = job.full
    ? '  http-request set-header x-route all\n  http-request del-header x-drop\n  http-response set-header x-answer seen'
    : '';
  return `global
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:${job.listen}
  ${log}
${changes}
${routes}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:${job.backend}
`;
}

export function nginxConfig(job: Job, pidFile: string): string {
  const log = job.full ? `access_log ${job.logFile} combined buffer=64k flush=1s;` : 'access_log off;';
  const proxy = `proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";${job.full ? ' proxy_set_header x-route all; add_header x-answer seen;' : ''}`;
  const routes = job.full ? indices.map((i) => `location /route-${i}/ { ${proxy} }`).join('\n') : '';
  return `worker_processes 1; daemon off; pid ${pidFile}; error_log /dev/null;
events { worker_connections 2048; }
http { ${log} keepalive_requests 100000000; upstream up { server 127.0.0.1:${job.backend}; keepalive 128; keepalive_requests 100000000; }
server { listen 127.0.0.1:${job.listen}; ${routes} location / { ${proxy} } } }
`;
}

/** Envoy's bootstrap as JSON, which its YAML reader takes. */
export function envoyConfig(job: Job): string {
  const action = { cluster: 'b', timeout: '15s' };
  const routes = job.full ? indices.map((i) => ({ match: { prefix: `/route-${i}/` }, route: action })) : [];
  const changes = job.full
    ? {
        request_headers_to_add: [{ header: { key: 'x-route', value: 'all' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
        request_headers_to_remove: ['x-drop'],
        response_headers_to_add: [{ header: { key: 'x-answer', value: 'seen' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
      }
    : {};
  const typed = (type: string, rest: object = {}) => ({ '@type': `type.googleapis.com/${type}`, ...rest });
  const manager = typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'bench',
    normalize_path: true,
    route_config: {
      virtual_hosts: [{ name: 'v', domains: ['*'], routes: [...routes, { match: { prefix: '/' }, route: action, ...changes }] }],
    },
    http_filters: [{ name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router') }],
    ...(job.full
      ? {
          access_log: [
            { name: 'file', typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path: job.logFile }) },
          ],
        }
      : {}),
  });
  const socket = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  return JSON.stringify({
    admin: { address: socket(job.admin) },
    static_resources: {
      listeners: [{ name: 'l', address: socket(job.listen), filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }] }],
      clusters: [
        {
          name: 'b',
          type: 'STATIC',
          connect_timeout: '1s',
          load_assignment: { cluster_name: 'b', endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(job.backend) } }] }] },
        },
      ],
    },
  });
}
