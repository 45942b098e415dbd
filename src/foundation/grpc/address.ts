import type { AddressInfo } from 'node:net';
import { Fault } from '#base/fault.ts';

/** Where to listen or connect: TCP or a Unix socket. */
export type GrpcAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** Reads `host:port`, `[::1]:port`, `unix:/path`, `unix:///path`. Throws Fault GRPC_ADDRESS with what was expected. */
export function parseGrpcAddress(text: string): GrpcAddress {
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '') };
  const match = /^(?:dns:(?:\/\/\/)?)?(?:\[([0-9a-fA-F:.%]+)\]|([^:/[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (!host || port > 65535) {
    throw new Fault('GRPC_ADDRESS', `"${text}" is not an address; expected host:port, [ipv6]:port or unix:/path`);
  }
  return { host, port };
}

export function formatGrpcAddress(address: GrpcAddress): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** The address a server really has, after port 0 was given. */
export function boundAddress(bound: AddressInfo | string | null): GrpcAddress {
  if (bound === null || typeof bound === 'string') return { path: bound ?? '' };
  return { host: bound.address, port: bound.port };
}
