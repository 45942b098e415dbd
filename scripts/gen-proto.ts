/**
 * Regenerates src/foundation/proto/gen from the .proto files that the development dependency
 * @grpc/grpc-js-xds carries. Comments are left out; validation rules are dropped.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const deps = join(root, 'node_modules/@grpc/grpc-js-xds/deps');
const protoOutput = join(root, 'src/foundation/proto/gen');

/** Entry points; what they import comes along. */
const entries = [
  'envoy/service/discovery/v3/ads.proto',
  'envoy/service/discovery/v3/discovery.proto',
  'envoy/service/accesslog/v3/als.proto',
  'envoy/data/accesslog/v3/accesslog.proto',
  'envoy/config/bootstrap/v3/bootstrap.proto',
  'envoy/config/listener/v3/listener.proto',
  'envoy/config/route/v3/route.proto',
  'envoy/config/cluster/v3/cluster.proto',
  'envoy/config/endpoint/v3/endpoint.proto',
  'envoy/admin/v3/config_dump.proto',
  'envoy/admin/v3/clusters.proto',
  'envoy/admin/v3/listeners.proto',
  'envoy/admin/v3/server_info.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
  'envoy/extensions/filters/http/fault/v3/fault.proto',
  'envoy/extensions/filters/http/cors/v3/cors.proto',
  'envoy/extensions/filters/listener/original_dst/v3/original_dst.proto',
  'envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto',
  'envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto',
  'envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto',
  'envoy/extensions/transport_sockets/tls/v3/tls.proto',
  'envoy/extensions/upstreams/http/v3/http_protocol_options.proto',
  'envoy/extensions/access_loggers/file/v3/file.proto',
  'envoy/extensions/access_loggers/stream/v3/stream.proto',
  'envoy/extensions/access_loggers/grpc/v3/als.proto',
  'envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto',
  'envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto',
];

const work = mkdtempSync(join(tmpdir(), 'mwproto-'));
try {
  for (const part of ['envoy-api', 'googleapis', 'xds', 'protoc-gen-validate']) cpSync(join(deps, part), work, { recursive: true });
  // The bundled validate.proto is older than the files that use it: give every rule message the field they name.
  const validate = join(work, 'validate/validate.proto');
  const text = readFileSync(validate, 'utf8')
    .split(/(?=^message \w+Rules \{)/m)
    .map((part) =>
      /^message \w+Rules \{/.test(part) && !part.includes('ignore_empty') ? part.replace('{', '{ optional bool ignore_empty = 900;') : part,
    )
    .join('');
  writeFileSync(validate, text);
  rmSync(join(work, 'java'), { recursive: true, force: true });
  rmSync(join(work, 'tests'), { recursive: true, force: true });
  writeFileSync(join(work, 'buf.yaml'), 'version: v2\n');
  const buf = join(root, 'node_modules/.bin/buf');
  const image = join(work, 'image.binpb');
  execFileSync(buf, ['build', '--exclude-source-info', ...entries.flatMap((e) => ['--path', e]), '-o', image], {
    cwd: work,
    stdio: 'inherit',
  });
  const template = JSON.stringify({
    version: 'v2',
    plugins: [
      {
        local: [process.execPath, join(root, 'node_modules/.bin/protoc-gen-es')],
        out: 'out',
        opt: ['target=js+dts', 'import_extension=js'],
        include_imports: true,
      },
    ],
  });
  execFileSync(buf, ['generate', image, '--template', template], { cwd: work, stdio: 'inherit' });
  const keep = readFileSync(join(protoOutput, 'SOURCE.md'), { encoding: 'utf8', flag: 'a+' });
  rmSync(protoOutput, { recursive: true, force: true });
  mkdirSync(protoOutput, { recursive: true });
  cpSync(join(work, 'out'), protoOutput, { recursive: true });
  writeFileSync(join(protoOutput, 'SOURCE.md'), keep);
} finally {
  if (!process.env.KEEP_WORK) rmSync(work, { recursive: true, force: true });
}
