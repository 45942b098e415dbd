import { messageOf } from '#base/fault.ts';
import type { Proxy as MeshProxy } from '#mesh/proxy.ts';
import type { MeshSnapshot } from '#mesh/snapshot.ts';
import { typeUrls } from '#proto/type-url.ts';
import type { ResourcePlan } from '#translate/plan.ts';
import type { EncodedResource } from '#xds/resource.ts';
import { ResourceSet } from '#xds/resource-set.ts';
import type { Selection } from '#xds/selection.ts';
import type { ResourceSource } from '#xds/stream.ts';
import type { BuildCache, BuildProblem } from './build-cache.ts';
import type { Translator } from './translator.ts';

/** What a group works with. */
export interface ScopeGroupParts<Scope> {
  readonly translator: Translator<Scope>;
  readonly cache: BuildCache;
  readonly onProblem: (problem: BuildProblem) => void;
}

/**
 * Proxies with equal scope, and the resources that all of them share. Types are made when first asked for; endpoints and
 * routes only under the names that some proxy wants.
 */
export class ScopeGroup<Scope> implements ResourceSource {
  readonly key: string;
  readonly #proxy: MeshProxy;
  readonly #translator: Translator<Scope>;
  readonly #cache: BuildCache;
  readonly #onProblem: (problem: BuildProblem) => void;
  readonly #sets = new Map<string, ResourceSet>();
  #snapshot: MeshSnapshot;
  #scope: Scope;
  /** Selections that the sets hold everything for. */
  #covered = new Map<string, Set<Selection>>();

  constructor(key: string, proxy: MeshProxy, snapshot: MeshSnapshot, parts: ScopeGroupParts<Scope>) {
    this.key = key;
    this.#proxy = proxy;
    this.#translator = parts.translator;
    this.#cache = parts.cache;
    this.#onProblem = parts.onProblem;
    this.#snapshot = snapshot;
    this.#scope = parts.translator.scopeFor(snapshot, proxy);
  }

  /** Names and resources of a type as far as they were asked for. */
  set(typeUrl: string): ResourceSet | undefined {
    return this.#sets.get(typeUrl);
  }

  current(typeUrl: string, selection: Selection): ResourceSet | undefined {
    const known = this.#sets.get(typeUrl);
    if (typeUrl === typeUrls.cluster || typeUrl === typeUrls.listener) return known ?? this.#make(typeUrl, undefined);
    if (typeUrl !== typeUrls.endpoint && typeUrl !== typeUrls.route) return undefined;
    let covered = this.#covered.get(typeUrl);
    if (known && covered?.has(selection)) return known;
    if (!covered) {
      covered = new Set();
      this.#covered.set(typeUrl, covered);
    }
    covered.add(selection);
    const missing = this.#namesOf(typeUrl, selection).filter((name) => !known?.resources.has(name));
    return missing.length === 0 && known ? known : this.#make(typeUrl, missing);
  }

  /**
   * Makes what a snapshot's changes can reach anew (`types`; undefined = everything). True when something really changed.
   * `selections` are those still in use.
   */
  refresh(snapshot: MeshSnapshot, selections: ReadonlyMap<string, ReadonlySet<Selection>>, types?: readonly string[]): boolean {
    this.#enter(snapshot);
    let changed = false;
    // Clusters first: what becomes of endpoints depends on them.
    for (const [typeUrl, set] of [...this.#sets].sort(([a], [b]) => Number(b === typeUrls.cluster) - Number(a === typeUrls.cluster))) {
      if (types && !types.includes(typeUrl)) continue;
      const wanted = selections.get(typeUrl) ?? new Set<Selection>();
      const named = typeUrl === typeUrls.endpoint || typeUrl === typeUrls.route;
      if (named) this.#covered.set(typeUrl, new Set(wanted));
      const names = named ? new Set([...wanted].flatMap((selection) => this.#namesOf(typeUrl, selection))) : undefined;
      const kept = this.#kept(typeUrl, names, set);
      const resources = [...this.#resources(typeUrl, names && [...names], set), ...kept];
      changed = this.#store(typeUrl, set, set.replace(snapshot.epoch, resources)) || changed;
    }
    return changed;
  }

  /**
   * Endpoints of clusters that are gone: they stay as they were for as long as a proxy asks for them, since it may still
   * be routing there. Takes their names out of `names`.
   */
  #kept(typeUrl: string, names: Set<string> | undefined, before: ResourceSet): EncodedResource[] {
    const clusters = this.#sets.get(typeUrls.cluster);
    if (typeUrl !== typeUrls.endpoint || !names || !clusters) return [];
    const kept: EncodedResource[] = [];
    for (const name of names) {
      const resource = clusters.resources.has(name) ? undefined : before.resources.get(name);
      if (!resource) continue;
      kept.push(resource);
      names.delete(name);
    }
    return kept;
  }

  /** Only the endpoints of these hosts have changed. True when that changes anything here. */
  refreshEndpoints(snapshot: MeshSnapshot, hostnames: ReadonlySet<string>): boolean {
    this.#enter(snapshot);
    const set = this.#sets.get(typeUrls.endpoint);
    if (!set) return false;
    const names = [...set.resources.keys()].filter((name) => hostnames.has(name.slice(name.lastIndexOf('|') + 1)));
    if (names.length === 0) return false;
    const updates = new Map(this.#resources(typeUrls.endpoint, names, set).map((resource) => [resource.name, resource]));
    return this.#store(typeUrls.endpoint, set, set.with(snapshot.epoch, updates));
  }

  #enter(snapshot: MeshSnapshot): void {
    this.#snapshot = snapshot;
    this.#scope = this.#translator.scopeFor(snapshot, this.#proxy);
  }

  #store(typeUrl: string, before: ResourceSet, after: ResourceSet): boolean {
    this.#sets.set(typeUrl, after);
    return before !== after;
  }

  /** A type asked for the first time, or under further names. */
  #make(typeUrl: string, names: readonly string[] | undefined): ResourceSet {
    const known = this.#sets.get(typeUrl);
    const resources = this.#resources(typeUrl, names, known);
    const set = known
      ? known.with(this.#snapshot.epoch, new Map(resources.map((resource) => [resource.name, resource])))
      : ResourceSet.of(this.#snapshot.epoch, resources);
    this.#sets.set(typeUrl, set);
    return set;
  }

  /** Resources of the plans; one that cannot be made stays what it was. */
  #resources(typeUrl: string, names: readonly string[] | undefined, before: ResourceSet | undefined): EncodedResource[] {
    const plans = this.#plans(typeUrl, names);
    if (!plans) return before ? [...before.resources.values()] : [];
    const found: EncodedResource[] = [];
    for (const plan of plans) {
      const resource = this.#cache.encoded(plan) ?? before?.resources.get(plan.name);
      if (resource) found.push(resource);
    }
    return found;
  }

  /** Undefined when the planner itself fails. */
  #plans(typeUrl: string, names: readonly string[] | undefined): readonly ResourcePlan[] | undefined {
    const { planClusters, planListeners, planRoutes, planEndpoints } = this.#translator;
    try {
      if (typeUrl === typeUrls.cluster) return planClusters(this.#scope);
      if (typeUrl === typeUrls.listener) return planListeners(this.#scope);
      if (typeUrl === typeUrls.route) return planRoutes(this.#scope, names ?? []);
      return planEndpoints(this.#scope, names ?? []);
    } catch (error) {
      const stack = error instanceof Error ? error.stack : undefined;
      this.#onProblem({ typeUrl, name: '*', message: messageOf(error), stack });
      return undefined;
    }
  }

  #namesOf(typeUrl: string, selection: Selection): string[] {
    if (!selection.wildcard) return [...selection.names];
    if (typeUrl === typeUrls.route) return [...selection.names, ...this.#translator.planRoutes(this.#scope).map((plan) => plan.name)];
    const clusters = this.current(typeUrls.cluster, selection)?.resources.keys() ?? [];
    return [...selection.names, ...[...clusters].filter((name) => name.startsWith('outbound|'))];
  }
}
