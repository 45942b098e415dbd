import { create, type DescMessage, type Message, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import type { Origin } from '#base/origin.ts';
import type { AddressSchema } from '#proto/gen/envoy/config/core/v3/address_pb.js';
import { durationMs } from '#resources/duration.ts';
import type { Built } from './plan.ts';

/** Small forms that recur in Envoy's messages. All pure. */

/** A message given as a plain object (without the made message itself, so that parts can be spread together). */
export type InitOf<Desc extends DescMessage> =
  MessageInitShape<Desc> extends infer Shape ? (Shape extends { $typeName: string } ? never : Shape) : never;

type AddressInit = InitOf<typeof AddressSchema>;

export function packed<Desc extends DescMessage>(schema: Desc, init?: MessageInitShape<Desc>): Any {
  return anyPack(schema, create(schema, init));
}

/** `google.protobuf.Duration` of milliseconds (fractions down to nanoseconds). */
export function duration(ms: number): { seconds: bigint; nanos: number } {
  const seconds = Math.trunc(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** Of duration text; undefined stays undefined. */
export function durationOf(text: string | undefined): { seconds: bigint; nanos: number } | undefined {
  return text === undefined ? undefined : duration(durationMs(text));
}

/** `address` is an IP; or `unix:///path`, whose port is ignored. */
export function socketAddress(address: string, port: number): AddressInit {
  if (address.startsWith('unix://')) return { address: { case: 'pipe', value: { path: address.slice('unix://'.length) } } };
  return { address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: port } } } };
}

/** A resource whose message is made at most once and only when asked for. */
export function built<Desc extends DescMessage>(
  typeUrl: string,
  schema: Desc,
  name: string,
  origins: readonly Origin[],
  make: () => MessageInitShape<Desc>,
): Built {
  let message: (Message & MessageOf<Desc>) | undefined;
  const get = () => {
    message ??= create(schema, make()) as Message & MessageOf<Desc>;
    return message;
  };
  return { name, typeUrl, origins, message: get, encode: () => toBinary(schema, get()) };
}

type MessageOf<Desc extends DescMessage> = ReturnType<typeof create<Desc>>;

/** Istio's path of a configuration object, as metadata and access logs show it. */
export function configPath(origin: Origin): string {
  const [group = '', version = '', kind = ''] = (origin.kind ?? '').split('/');
  const kebab = kind.replace(/(?<=[a-z])([A-Z])/g, '-$1').toLowerCase();
  return `/apis/${group}/${version}/namespaces/${origin.namespace ?? ''}/${kebab}/${origin.name ?? ''}`;
}
