import { hash } from 'node:crypto';

/** One resource as it goes over the wire, encoded once and shared by every client that sees it. Immutable. */
export interface EncodedResource {
  readonly name: string;
  readonly typeUrl: string;
  /**
   * Made from the bytes: equal bytes have equal versions, in every process. Hence a client that reconnects to a
   * restarted server gets only what really differs.
   */
  readonly version: string;
  readonly bytes: Uint8Array;
}

/** Characters of a version: 72 bits, so that two contents of one name do not meet. */
const versionLength = 12;

export function encodedResource(name: string, typeUrl: string, bytes: Uint8Array): EncodedResource {
  return { name, typeUrl, version: hash('sha1', bytes, 'base64url').slice(0, versionLength), bytes };
}
