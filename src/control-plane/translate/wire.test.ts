import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { VirtualHostSchema } from '#proto/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '#proto/gen/envoy/config/route/v3/route_pb.js';
import { WireWriter } from './wire.ts';

describe('WireWriter', () => {
  it('writes what protobuf-es reads, at every length of nested content', () => {
    for (const length of [0, 1, 126, 127, 128, 129, 16_381, 16_384, 20_000, 2_100_000]) {
      const name = 'n'.repeat(length);
      const bytes = new WireWriter()
        .string(1, 'r')
        .message(2, (host) => host.string(1, name).string(2, 'd'))
        .finish();
      const read = fromBinary(RouteConfigurationSchema, bytes);
      assert.deepEqual([read.name, read.virtualHosts[0]?.name, read.virtualHosts[0]?.domains], ['r', name, ['d']]);
    }
  });
  it('agrees with protobuf-es on any text', () => {
    const writer = new WireWriter();
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.array(fc.string({ unit: 'grapheme', minLength: 1 })),
        (name, domains) => {
          writer.string(1, name);
          for (const domain of domains) writer.string(2, domain);
          assert.deepEqual(writer.finish(), toBinary(VirtualHostSchema, create(VirtualHostSchema, { name, domains })));
        },
      ),
    );
  });
  it('writes whole unsigned numbers', () => {
    for (const value of [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 - 1]) {
      const bytes = new WireWriter().message(9, (wrapper) => wrapper.number(1, value)).finish();
      const { maxDirectResponseBodySizeBytes } = fromBinary(RouteConfigurationSchema, Uint8Array.from([...header(11), ...bytes.slice(1)]));
      assert.equal(maxDirectResponseBodySizeBytes, value);
    }
  });
});

/** Tag of a length-delimited field. */
function header(field: number): number[] {
  return [(field << 3) | 2];
}
