/** What the first bytes of a connection say about it. */
export interface Sniffed {
  readonly transport: 'tls' | 'raw_buffer';
  readonly serverName: string;
  /** `http/1.0`, `http/1.1`, `h2c`, or what a TLS hello offers. */
  readonly protocols: readonly string[];
}

/** More bytes are needed to tell. */
export const undecided = Symbol('undecided');

export interface SniffOptions {
  readonly tls: boolean;
  readonly http: boolean;
}

const raw: Sniffed = { transport: 'raw_buffer', serverName: '', protocols: [] };
/** Enough to hold a request line or a TLS hello; whatever is longer counts as neither. */
export const maxSniffBytes = 16 * 1024 + 5;
const maxRequestLine = 8192;
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** Looks at the bytes so far. `final` forbids asking for more. */
export function sniff(bytes: Buffer, options: SniffOptions, final: boolean): Sniffed | typeof undecided {
  if (options.tls && bytes.length > 0 && bytes[0] === 22) {
    const hello = readHello(bytes);
    if (hello !== undecided) return hello ?? sniffHttp(bytes, options, final);
    return final || bytes.length >= maxSniffBytes ? raw : undecided;
  }
  if (bytes.length === 0) return final ? raw : undecided;
  return sniffHttp(bytes, options, final);
}

function sniffHttp(bytes: Buffer, options: SniffOptions, final: boolean): Sniffed | typeof undecided {
  if (!options.http) return raw;
  const text = bytes.latin1Slice(0, Math.min(bytes.length, maxRequestLine));
  if (preface.startsWith(text.slice(0, preface.length))) {
    if (text.length >= preface.length) return { ...raw, protocols: ['h2c'] };
    return final ? raw : undecided;
  }
  const end = text.indexOf('\n');
  if (end < 0) {
    if (!/^(?:\r\n)?[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}(?: [^\s]*(?: [HTP/1.0\r]{0,9})?)?$/.test(text) || text.length >= maxRequestLine)
      return raw;
    return final ? raw : undecided;
  }
  const line = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32} \S+ HTTP\/1\.([01])\r?\n/.exec(text);
  return line === null ? raw : { ...raw, protocols: [line[1] === '1' ? 'http/1.1' : 'http/1.0'] };
}

/** Server name and protocols of a TLS hello; undefined when it is not TLS after all. */
function readHello(bytes: Buffer): Sniffed | undefined | typeof undecided {
  if (bytes.length < 6) return undecided;
  if (bytes[1] !== 3 || bytes[5] !== 1) return undefined;
  const record = bytes.readUInt16BE(3);
  if (bytes.length < 5 + record) return undecided;
  const end = 5 + record;
  let serverName = '';
  const protocols: string[] = [];
  try {
    let at = 9 + 2 + 32;
    at += 1 + bytes.readUInt8(at);
    at += 2 + bytes.readUInt16BE(at);
    at += 1 + bytes.readUInt8(at);
    if (at + 2 > end) return { transport: 'tls', serverName, protocols };
    const stop = Math.min(end, at + 2 + bytes.readUInt16BE(at));
    at += 2;
    while (at + 4 <= stop) {
      const type = bytes.readUInt16BE(at);
      const length = bytes.readUInt16BE(at + 2);
      const value = bytes.subarray(at + 4, Math.min(stop, at + 4 + length));
      if (type === 0 && value.length > 5) serverName = value.latin1Slice(5, 5 + value.readUInt16BE(3)).toLowerCase();
      if (type === 16) {
        for (let i = 2; i < value.length; i += 1 + value.readUInt8(i)) protocols.push(value.latin1Slice(i + 1, i + 1 + value.readUInt8(i)));
      }
      at += 4 + length;
    }
  } catch {
    // Lengths that point outside the record: it is TLS, but nothing more is known of it.
  }
  return { transport: 'tls', serverName, protocols };
}
