import type { Problem } from '#base/problem.ts';
import type { MeshSnapshot, SnapshotChange } from '#mesh/snapshot.ts';
import type { ExplainAnswer, ExplainQuestion, ProxyConfigSection, ProxyRow } from './api.ts';

/** One Kubernetes object as plain JSON, exactly as the API server holds it. Never mutated by the server. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly creationTimestamp?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly managedFields?: readonly { readonly manager?: string; readonly time?: string }[];
  };
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** A kind that can be listed; `apiVersion` is the version used for reading. */
export interface KindInfo {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
}

export interface ObjectKey {
  readonly kind: string;
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

/** Strict refuses unknown and duplicate fields, Warn keeps going and says so (Kubernetes: fieldValidation). */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface WriteOptions {
  /** Check and answer as if written, store nothing. */
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
  /** When given, the write is refused unless the stored object still has this version. */
  readonly resourceVersion?: string;
}

/** What a write came to. A refusal is the user's input being wrong or outdated, so it is a value. */
export type WriteOutcome =
  | { readonly ok: true; readonly object: KubeObject; readonly warnings: readonly string[] }
  | {
      readonly ok: false;
      readonly reason: 'invalid' | 'conflict' | 'not-found';
      readonly message: string;
      readonly problems: readonly Problem[];
    };

export interface ResourceChange {
  readonly type: 'added' | 'modified' | 'deleted';
  readonly object: KubeObject;
}

/** The objects of one environment: the embedded API server or a cluster's. Failures of the world come as Fault. */
export interface ResourceAccess {
  /** Kinds that the page may show. Secrets are never among them. */
  kinds(): readonly KindInfo[];
  /** One page of objects sorted by namespace and name. */
  list(
    kind: string,
    options: { readonly namespace?: string; readonly limit?: number; readonly continueToken?: string },
  ): Promise<{ readonly items: readonly KubeObject[]; readonly continueToken?: string }>;
  get(key: ObjectKey): Promise<KubeObject | undefined>;
  /** Creates the object, or replaces all of it but its status. */
  write(object: KubeObject, options: WriteOptions): Promise<WriteOutcome>;
  remove(key: ObjectKey, options: { readonly dryRun: boolean }): Promise<WriteOutcome>;
  /** Calls `listener` for every change from now on; the returned function ends it. */
  watch(listener: (change: ResourceChange) => void): () => void;
}

/** Problems of decoding, analysis and rejection, each with the object as its origin. */
export interface ProblemSource {
  list(): readonly Problem[];
  subscribe(listener: () => void): () => void;
}

/** The mesh as the control plane sees it (registry's mesh state has this shape). */
export interface MeshSource {
  current(): MeshSnapshot;
  subscribe(listener: (snapshot: MeshSnapshot, change: SnapshotChange) => void): () => void;
}

/** How many connected proxies run what an epoch asks of them. */
export interface Watermark {
  readonly live: number;
  readonly total: number;
  /** Ids of proxies that rejected it. */
  readonly rejected: readonly string[];
  /** Ids of proxies not there yet. */
  readonly waiting: readonly string[];
}

/** Connected proxies and what they run (pilot). */
export interface ProxySource {
  /** Sorted by id. */
  list(): readonly ProxyRow[];
  /** Called after any proxy connected, left, acknowledged or rejected. */
  subscribe(listener: () => void): () => void;
  /** undefined: no such proxy is connected. */
  config(id: string, section: string): Promise<ProxyConfigSection | undefined>;
  watermark(epoch: number): Watermark;
}

/** Where would this request go, and why (analyze). undefined: the `from` workload is not known. */
export type ExplainSource = (question: ExplainQuestion) => Promise<ExplainAnswer | undefined>;

/** How to speak to workloads' agents at the address of their `meshwright.io/agent` annotation. */
export interface AgentClient {
  /** The Prometheus text of `/stats/prometheus`. Rejects with a Fault when the agent is dead, slow or too long-winded. */
  stats(address: string, signal: AbortSignal): Promise<string>;
  /** NDJSON lines of the agent's tap stream until `signal` aborts. */
  tap(address: string, signal: AbortSignal): AsyncIterable<string>;
}

/** Facts about this installation that the page shows. */
export interface Installation {
  readonly version: string;
  /** Where a browser enters the demo; absent when it does not run. */
  readonly demoUrl?: string;
  /** As the user would type it after `--kubeconfig`. */
  readonly kubeconfig?: string;
}

/** Everything the server reads or writes. It owns none of it. */
export interface Sources {
  readonly installation: Installation;
  readonly resources: ResourceAccess;
  readonly problems: ProblemSource;
  readonly mesh: MeshSource;
  readonly proxies: ProxySource;
  readonly explain: ExplainSource;
  readonly agents: AgentClient;
}
