import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import type { Runtime } from '../runtime.ts';
import type { ClusterTable, HostTable } from '../table.ts';

/** Keeps a DNS cluster's addresses fresh. A name that stops resolving keeps its last addresses. */
export class Resolver {
  private readonly runtime: Runtime;
  private readonly publish: (hosts: readonly HostTable[]) => void;
  private generation = 0;
  private cancel: (() => void) | undefined = undefined;
  private readonly last = new Map<string, readonly string[]>();

  private readonly lookUp: typeof resolveName;

  constructor(runtime: Runtime, publish: (hosts: readonly HostTable[]) => void, lookUp = resolveName) {
    this.runtime = runtime;
    this.lookUp = lookUp;
    this.publish = publish;
  }

  watch(table: ClusterTable): void {
    const generation = ++this.generation;
    this.resolve(table, generation);
  }

  stop(): void {
    this.generation++;
    this.cancel?.();
    this.cancel = undefined;
  }

  private resolve(table: ClusterTable, generation: number): void {
    let waiting = table.hosts.length;
    const done = () => {
      if (--waiting > 0 || generation !== this.generation) return;
      this.publish(this.expand(table));
      this.cancel = this.runtime.clock.after(table.dnsRefreshMs, () => this.resolve(table, generation));
    };
    if (waiting === 0) {
      this.publish([]);
      return;
    }
    for (const host of table.hosts) {
      if (isIP(host.address) !== 0 || host.port === 0) {
        this.last.set(host.address, [host.address]);
        done();
        continue;
      }
      this.lookUp(host.address, table.dnsFamily, (addresses) => {
        if (addresses.length > 0) this.last.set(host.address, addresses);
        else this.runtime.report('warn', 'a name does not resolve', { cluster: table.name, name: host.address });
        done();
      });
    }
  }

  private expand(table: ClusterTable): HostTable[] {
    const hosts: HostTable[] = [];
    for (const host of table.hosts) {
      const addresses = this.last.get(host.address) ?? [];
      const used = table.type === 'logical-dns' ? addresses.slice(0, 1) : addresses;
      for (const address of used) hosts.push({ ...host, address, hostname: host.hostname || host.address });
    }
    return hosts;
  }
}

/** All addresses of a name, or none. `family` 0 takes both. */
export function resolveName(name: string, family: 0 | 4 | 6, done: (addresses: readonly string[]) => void): void {
  lookup(name, { all: true, family }, (error, addresses) => done(error ? [] : addresses.map((entry) => entry.address)));
}
