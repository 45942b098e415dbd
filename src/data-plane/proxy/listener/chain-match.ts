import { BlockList, isIP } from 'node:net';
import type { AddressRange, ChainTable, ListenerTable } from '../table.ts';
import type { Sniffed } from './sniff.ts';

/** What chains are matched by. */
export interface ChainQuery {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly sniffed: Sniffed;
}

/**
 * The chain of a connection by Envoy's order: port, destination range, server name, transport, application protocol,
 * source range. At each step only the most specific chains stay, and there is no way back.
 */
export function matchChain(listener: ListenerTable, query: ChainQuery): ChainTable | undefined {
  let left = listener.chains;
  left = mostSpecific(left, (chain) => (chain.destinationPort === 0 ? 0 : chain.destinationPort === query.localPort ? 1 : -1));
  left = mostSpecific(left, (chain) => rangeScore(chain.prefixes, query.localAddress));
  left = mostSpecific(left, (chain) => nameScore(chain.serverNames, query.sniffed.serverName));
  left = mostSpecific(left, (chain) => (chain.transportProtocol === '' ? 0 : chain.transportProtocol === query.sniffed.transport ? 1 : -1));
  left = mostSpecific(left, (chain) => protocolScore(chain.applicationProtocols, query.sniffed.protocols));
  left = mostSpecific(left, (chain) => rangeScore(chain.sourcePrefixes, query.remoteAddress));
  return left[0] ?? listener.defaultChain;
}

/** Keeps the chains with the best score; a negative score is no match. */
function mostSpecific(chains: readonly ChainTable[], score: (chain: ChainTable) => number): readonly ChainTable[] {
  let best = -1;
  let kept: ChainTable[] = [];
  for (const chain of chains) {
    const value = score(chain);
    if (value < 0 || value < best) continue;
    if (value > best) kept = [];
    best = value;
    kept.push(chain);
  }
  return kept;
}

function protocolScore(wanted: readonly string[], offered: readonly string[]): number {
  if (wanted.length === 0) return 0;
  const at = offered.findIndex((protocol) => wanted.includes(protocol));
  return at < 0 ? -1 : 1000 - at;
}

function nameScore(names: readonly string[], serverName: string): number {
  if (names.length === 0) return 0;
  let best = -1;
  for (const name of names) {
    if (name === serverName) return 10_000;
    if (name === '*') best = Math.max(best, 1);
    else if (name.startsWith('*.') && serverName.endsWith(name.slice(1))) best = Math.max(best, name.length);
  }
  return best;
}

function rangeScore(ranges: readonly AddressRange[], address: string): number {
  if (ranges.length === 0) return 0;
  const plain = address.replace(/^::ffff:/, '');
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
  let best = -1;
  for (const range of ranges) {
    if ((isIP(range.address) === 6 ? 'ipv6' : 'ipv4') !== family) continue;
    const list = new BlockList();
    list.addSubnet(range.address, range.bits, family);
    if (list.check(plain, family)) best = Math.max(best, range.bits + 1);
  }
  return best;
}
