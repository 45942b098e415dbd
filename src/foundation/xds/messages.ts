import { prefixBytes, writePrefix } from '#grpc/frame.ts';
import type { EncodedResource } from './resource.ts';
import { fieldBytes, ProtoReader, ProtoWriter, textBytes, varintBytes } from './wire.ts';

/** gRPC methods of aggregated discovery. */
export const adsMethods = {
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
} as const;

/** Why a peer rejected a response (google.rpc.Status). */
export interface RejectDetail {
  readonly code: number;
  readonly message: string;
}

/** envoy.service.discovery.v3.DiscoveryRequest. */
export interface StateRequest {
  readonly typeUrl: string;
  readonly versionInfo: string;
  /** Undecoded `envoy.config.core.v3.Node`; only the first message of a stream must have it. */
  readonly node?: Buffer;
  readonly names: readonly string[];
  readonly nonce: string;
  readonly error?: RejectDetail;
}

/** envoy.service.discovery.v3.DeltaDiscoveryRequest. */
export interface DeltaRequest {
  readonly typeUrl: string;
  readonly node?: Buffer;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** What the client kept from an earlier stream, name to version. */
  readonly initialVersions?: ReadonlyMap<string, string>;
  readonly nonce: string;
  readonly error?: RejectDetail;
}

/** One resource of a delta response. */
export interface ReceivedResource {
  readonly name: string;
  readonly version: string;
  /** Type of the message in `bytes`; differs from the response's for wrapped resources. */
  readonly typeUrl: string;
  readonly bytes: Buffer;
}

/** envoy.service.discovery.v3.DeltaDiscoveryResponse. */
export interface DeltaResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly systemVersion: string;
  readonly resources: readonly ReceivedResource[];
  readonly removed: readonly string[];
}

/** envoy.service.discovery.v3.DiscoveryResponse. */
export interface StateResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly { readonly typeUrl: string; readonly bytes: Buffer }[];
}

export function readStateRequest(bytes: Buffer): StateRequest {
  const reader = new ProtoReader(bytes);
  const names: string[] = [];
  const request = {
    typeUrl: '',
    versionInfo: '',
    nonce: '',
    names,
    node: undefined as Buffer | undefined,
    error: undefined as RejectDetail | undefined,
  };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) request.versionInfo = reader.string();
    else if (field === 2) request.node = reader.bytes();
    else if (field === 3) names.push(reader.string());
    else if (field === 4) request.typeUrl = reader.string();
    else if (field === 5) request.nonce = reader.string();
    else if (field === 6) request.error = readStatus(reader.message());
    else if (field === 7) names.push(readLocator(reader.message()));
    else reader.skip();
  }
  return request;
}

export function readDeltaRequest(bytes: Buffer): DeltaRequest {
  const reader = new ProtoReader(bytes);
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  let initialVersions: Map<string, string> | undefined;
  const request = { typeUrl: '', nonce: '', node: undefined as Buffer | undefined, error: undefined as RejectDetail | undefined };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) request.node = reader.bytes();
    else if (field === 2) request.typeUrl = reader.string();
    else if (field === 3) subscribe.push(reader.string());
    else if (field === 4) unsubscribe.push(reader.string());
    else if (field === 5) {
      initialVersions ??= new Map();
      readEntry(reader.message(), initialVersions);
    } else if (field === 6) request.nonce = reader.string();
    else if (field === 7) request.error = readStatus(reader.message());
    else if (field === 8) subscribe.push(readLocator(reader.message()));
    else if (field === 9) unsubscribe.push(readLocator(reader.message()));
    else reader.skip();
  }
  return { ...request, subscribe, unsubscribe, initialVersions };
}

export function readDeltaResponse(bytes: Buffer): DeltaResponse {
  const reader = new ProtoReader(bytes);
  const response = { typeUrl: '', nonce: '', systemVersion: '', resources: [] as ReceivedResource[], removed: [] as string[] };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) response.systemVersion = reader.string();
    else if (field === 2) response.resources.push(readResource(reader.message()));
    else if (field === 4) response.typeUrl = reader.string();
    else if (field === 5) response.nonce = reader.string();
    else if (field === 6) response.removed.push(reader.string());
    else reader.skip();
  }
  return response;
}

export function readStateResponse(bytes: Buffer): StateResponse {
  const reader = new ProtoReader(bytes);
  const response = { typeUrl: '', nonce: '', version: '', resources: [] as { typeUrl: string; bytes: Buffer }[] };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) response.version = reader.string();
    else if (field === 2) response.resources.push(readAny(reader.message()));
    else if (field === 4) response.typeUrl = reader.string();
    else if (field === 5) response.nonce = reader.string();
    else reader.skip();
  }
  return response;
}

export function writeStateRequest(request: StateRequest): Buffer {
  const error = request.error && writeStatus(request.error);
  const size =
    textBytes(request.versionInfo) +
    (request.node ? fieldBytes(request.node.length) : 0) +
    sumOf(request.names, nameBytes) +
    textBytes(request.typeUrl) +
    textBytes(request.nonce) +
    (error ? fieldBytes(error.length) : 0);
  const writer = new ProtoWriter(Buffer.allocUnsafe(size));
  writer.text(1, request.versionInfo);
  if (request.node) writer.field(2, request.node);
  for (const name of request.names) writer.field(3, Buffer.from(name));
  writer.text(4, request.typeUrl);
  writer.text(5, request.nonce);
  if (error) writer.field(6, error);
  return writer.bytes;
}

export function writeDeltaRequest(request: DeltaRequest): Buffer {
  const error = request.error && writeStatus(request.error);
  const entries = [...(request.initialVersions ?? [])].map(([name, version]) => writeEntry(name, version));
  const size =
    (request.node ? fieldBytes(request.node.length) : 0) +
    textBytes(request.typeUrl) +
    sumOf(request.subscribe, nameBytes) +
    sumOf(request.unsubscribe, nameBytes) +
    sumOf(entries, (entry) => fieldBytes(entry.length)) +
    textBytes(request.nonce) +
    (error ? fieldBytes(error.length) : 0);
  const writer = new ProtoWriter(Buffer.allocUnsafe(size));
  if (request.node) writer.field(1, request.node);
  writer.text(2, request.typeUrl);
  for (const name of request.subscribe) writer.field(3, Buffer.from(name));
  for (const name of request.unsubscribe) writer.field(4, Buffer.from(name));
  for (const entry of entries) writer.field(5, entry);
  writer.text(6, request.nonce);
  if (error) writer.field(7, error);
  return writer.bytes;
}

/** What a response carries besides its resources. */
export interface ResponseHead {
  readonly typeUrl: string;
  readonly nonce: string;
  /** The version of the whole, for people. */
  readonly version: string;
}

/** A delta response with its gRPC prefix. The resources' bytes are copied once; the result may go to any number of streams. */
export function frameDeltaResponse(head: ResponseHead, resources: readonly EncodedResource[], removed: readonly string[]): Buffer {
  const sizes = resources.map(deltaEntrySizes);
  const body =
    textBytes(head.version) +
    sumOf(sizes, (size) => fieldBytes(size.entry)) +
    textBytes(head.typeUrl) +
    textBytes(head.nonce) +
    sumOf(removed, nameBytes);
  const writer = frameWriter(body);
  writer.text(1, head.version);
  resources.forEach((resource, i) => {
    const size = sizes[i];
    if (!size) return;
    writer.head(2, size.entry);
    writer.text(1, resource.version);
    writer.head(2, size.any);
    writeAny(writer, resource);
    writer.text(3, resource.name);
  });
  writer.text(4, head.typeUrl);
  writer.text(5, head.nonce);
  for (const name of removed) writer.field(6, Buffer.from(name));
  return writer.bytes;
}

/** A state-of-the-world response with its gRPC prefix, to be shared like a delta one. */
export function frameStateResponse(head: ResponseHead, resources: readonly EncodedResource[]): Buffer {
  const body =
    textBytes(head.version) +
    sumOf(resources, (resource) => fieldBytes(anyBytes(resource))) +
    textBytes(head.typeUrl) +
    textBytes(head.nonce);
  const writer = frameWriter(body);
  writer.text(1, head.version);
  for (const resource of resources) {
    writer.head(2, anyBytes(resource));
    writeAny(writer, resource);
  }
  writer.text(4, head.typeUrl);
  writer.text(5, head.nonce);
  return writer.bytes;
}

function frameWriter(bodyBytes: number): ProtoWriter {
  // A buffer of its own: a slice of Node's pool would keep the whole pool alive for as long as the message is cached.
  const framed = Buffer.allocUnsafeSlow(prefixBytes + bodyBytes);
  writePrefix(framed, bodyBytes);
  return new ProtoWriter(framed, prefixBytes);
}

function anyBytes(resource: EncodedResource): number {
  return textBytes(resource.typeUrl) + (resource.bytes.length > 0 ? fieldBytes(resource.bytes.length) : 0);
}

function writeAny(writer: ProtoWriter, resource: EncodedResource): void {
  writer.text(1, resource.typeUrl);
  if (resource.bytes.length > 0) writer.field(2, resource.bytes);
}

function deltaEntrySizes(resource: EncodedResource): { any: number; entry: number } {
  const any = anyBytes(resource);
  return { any, entry: textBytes(resource.version) + fieldBytes(any) + textBytes(resource.name) };
}

function nameBytes(name: string): number {
  return fieldBytes(Buffer.byteLength(name));
}

function sumOf<T>(items: readonly T[], size: (item: T) => number): number {
  let sum = 0;
  for (const item of items) sum += size(item);
  return sum;
}

function readResource(reader: ProtoReader): ReceivedResource {
  let name = '';
  let version = '';
  let any: { typeUrl: string; bytes: Buffer } = { typeUrl: '', bytes: Buffer.alloc(0) };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) version = reader.string();
    else if (field === 2) any = readAny(reader.message());
    else if (field === 3) name = reader.string();
    else reader.skip();
  }
  return { name, version, ...any };
}

function readAny(reader: ProtoReader): { typeUrl: string; bytes: Buffer } {
  let typeUrl = '';
  let bytes: Buffer = Buffer.alloc(0);
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) typeUrl = reader.string();
    else if (field === 2) bytes = reader.bytes();
    else reader.skip();
  }
  return { typeUrl, bytes };
}

function readEntry(reader: ProtoReader, into: Map<string, string>): void {
  let key = '';
  let value = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else reader.skip();
  }
  into.set(key, value);
}

function readLocator(reader: ProtoReader): string {
  let name = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) name = reader.string();
    else reader.skip();
  }
  return name;
}

function readStatus(reader: ProtoReader): RejectDetail {
  let code = 0;
  let message = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) code = reader.number();
    else if (field === 2) message = reader.string();
    else reader.skip();
  }
  return { code, message };
}

function writeStatus(status: RejectDetail): Buffer {
  const code = status.code === 0 ? 0 : 1 + varintBytes(status.code);
  const writer = new ProtoWriter(Buffer.allocUnsafe(code + textBytes(status.message)));
  writer.number(1, status.code);
  writer.text(2, status.message);
  return writer.bytes;
}

function writeEntry(name: string, version: string): Buffer {
  const writer = new ProtoWriter(Buffer.allocUnsafe(textBytes(name) + textBytes(version)));
  writer.text(1, name);
  writer.text(2, version);
  return writer.bytes;
}
