import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DescMessage } from '@bufbuild/protobuf';
import { ClusterSchema } from '#proto/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#proto/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#proto/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { FileAccessLogSchema } from '#proto/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { HttpGrpcAccessLogConfigSchema, TcpGrpcAccessLogConfigSchema } from '#proto/gen/envoy/extensions/access_loggers/grpc/v3/als_pb.js';
import { CorsPolicySchema } from '#proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { HTTPFaultSchema } from '#proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { HttpConnectionManagerSchema } from '#proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '#proto/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { UpstreamTlsContextSchema } from '#proto/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '#proto/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { fieldRules } from './field-rules.ts';

const roots: readonly DescMessage[] = [
  ClusterSchema,
  ClusterLoadAssignmentSchema,
  ListenerSchema,
  RouteConfigurationSchema,
  FileAccessLogSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
  CorsPolicySchema,
  HTTPFaultSchema,
  HttpConnectionManagerSchema,
  TcpProxySchema,
  UpstreamTlsContextSchema,
  HttpProtocolOptionsSchema,
];

function reachable(): Map<string, DescMessage> {
  const found = new Map<string, DescMessage>();
  const visit = (type: DescMessage) => {
    if (found.has(type.typeName)) return;
    found.set(type.typeName, type);
    for (const field of type.fields) if (field.message) visit(field.message);
  };
  roots.forEach(visit);
  return found;
}

test('every field named in a rule exists', () => {
  const types = reachable();
  const unknown = Object.entries(fieldRules).flatMap(([name, rules]) => {
    const fields = new Set(types.get(name)?.fields.map((field) => field.name));
    return types.has(name)
      ? Object.keys(rules)
          .filter((field) => !fields.has(field))
          .map((field) => `${name}.${field}`)
      : [];
  });
  assert.deepEqual(unknown, []);
});

test('a field that is read leads to a message whose own fields have rules', () => {
  const types = reachable();
  const missing: string[] = [];
  for (const [name, rules] of Object.entries(fieldRules)) {
    for (const field of types.get(name)?.fields ?? []) {
      const inner = field.message;
      if (rules[field.name] !== 'read' || inner === undefined || inner.typeName.startsWith('google.protobuf.')) continue;
      if (fieldRules[inner.typeName] === undefined && inner.fields.length > 0) missing.push(`${name}.${field.name} (${inner.typeName})`);
    }
  }
  assert.deepEqual(missing, []);
});
