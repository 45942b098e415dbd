import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { endianness } from 'node:os';
import { codeOf, Fault } from '#base/fault.ts';
import { blockSize, numberToIpv4, workloadAddress } from '#base/loopback.ts';

/** The part of 127.0.0.0/8 that blocks are taken from: 127.64.0.0/10, away from what people use by hand. */
const firstBlock = 127 * 2 ** 24 + 64 * 2 ** 16;
const blockCount = 2 ** 22 / blockSize;

/** Port on a workload's own address that stands for owning the block; Istio's agent serves health and metrics there. */
export const statusPort = 15020;

/** Where only 127.0.0.1 exists: first port of the outbound ports of one workload, and how many each has. */
const firstPortBase = 20_000;
const portsPerWorkload = 2_000;
const portBases = 20;

/** The addresses of one workload on one machine. Owned as long as `lock` listens: the kernel frees it with our process. */
export interface LoopbackBlock {
  /** The workload's own address. */
  readonly address: string;
  /** For node metadata MESHWRIGHT_OUTBOUND. */
  readonly outbound: { readonly block: string } | { readonly bind: string; readonly portBase: number };
  /** A listening server at the status port, to be given a handler. */
  readonly lock: Server;
}

/**
 * Claims a block nobody on this machine has. The search starts at a place that depends on `name`, so a workload tends to
 * get its addresses again. `oneAddress`: the system has 127.0.0.1 only (macOS).
 */
export async function claimBlock(name: string, oneAddress: boolean): Promise<LoopbackBlock> {
  const count = oneAddress ? portBases : blockCount;
  const start = createHash('sha256').update(name).digest().readUInt32BE(0) % count;
  for (let n = 0; n < count; n++) {
    const index = (start + n) % count;
    const claimed = await (oneAddress ? claimPorts(index) : claimAddresses(index));
    if (claimed) return claimed;
  }
  throw new Fault('no-loopback-block', `all ${count} loopback blocks of this machine are taken`, {
    fix: 'Stop workloads that are no longer needed.',
  });
}

async function claimAddresses(index: number): Promise<LoopbackBlock | undefined> {
  const first = firstBlock + index * blockSize;
  const block = `${numberToIpv4(first)}/20`;
  const address = workloadAddress(block);
  const lock = await tryListen(address, statusPort);
  if (!lock) return undefined;
  // An Envoy that outlived its agent shares its ports with whoever binds them next (SO_REUSEPORT): half of our requests
  // would be its.
  if (listenersIn(first) > 1) {
    lock.close();
    return undefined;
  }
  return { address, outbound: { block }, lock };
}

/** TCP state of a listening socket in /proc/net/tcp. */
const listening = '0A';

/** Sockets that listen on addresses of the block that begins at this number, our lock included. */
function listenersIn(first: number): number {
  const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  return lines.filter((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    if (state !== listening) return false;
    // The address is in the byte order of the machine.
    const raw = Number.parseInt(local.slice(0, 8), 16);
    const address = endianness() === 'LE' ? swapBytes(raw) : raw;
    return address >= first && address < first + blockSize;
  }).length;
}

function swapBytes(value: number): number {
  return (value & 0xff) * 2 ** 24 + ((value >>> 8) & 0xff) * 2 ** 16 + ((value >>> 16) & 0xff) * 2 ** 8 + (value >>> 24);
}

async function claimPorts(index: number): Promise<LoopbackBlock | undefined> {
  const address = '127.0.0.1';
  const portBase = firstPortBase + index * portsPerWorkload;
  const lock = await tryListen(address, portBase);
  return lock && { address, outbound: { bind: address, portBase }, lock };
}

/** A free port on `address`: `preferred` when nothing holds it (also not on all addresses), else any. */
export async function freePort(address: string, preferred = 0): Promise<number> {
  const server = (await tryListen(address, preferred)) ?? (await tryListen(address, 0));
  if (!server) throw new Fault('no-port', `no port can be had on ${address}`);
  const bound = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

/** Whether something listens at this address and port (or there on all addresses). */
export async function portIsTaken(address: string, port: number): Promise<boolean> {
  const server = await tryListen(address, port);
  if (!server) return true;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return false;
}

function tryListen(address: string, port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (codeOf(error) === 'EADDRINUSE') return resolve(undefined);
      reject(
        new Fault('listen', `cannot listen on ${address}:${port}: ${codeOf(error) || error.message}`, {
          cause: error,
          fix: codeOf(error) === 'EADDRNOTAVAIL' ? 'This system does not answer on all of 127.0.0.0/8.' : '',
        }),
      );
    });
    server.listen(port, address, () => resolve(server));
  });
}
