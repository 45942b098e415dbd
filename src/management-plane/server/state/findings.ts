import { formatOrigin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import type { Finding, Health, Numbers, ObjectRef, ProxyRow } from '../api.ts';
import type { AgentState } from '../traffic/collector.ts';
import type { MeshView } from './mesh-view.ts';
import { originObject } from './views.ts';

/** Shares of failed requests from which a service is called degraded or failing. */
export const errorShare = { warn: 0.01, bad: 0.05 } as const;
/** A proxy may lag this long behind before anyone is told. */
const staleAfterMs = 10_000;
const silentAfterMs = 5_000;

export interface Observed {
  readonly now: number;
  readonly problems: readonly Problem[];
  readonly proxies: readonly ProxyRow[];
  readonly agents: readonly AgentState[];
  readonly mesh: MeshView;
  readonly numbers: (id: string) => Numbers;
}

type Undated = Omit<Finding, 'since'>;

/** Everything that is wrong at one moment, worst first; `since` is kept by the caller between moments. */
export function findAll(observed: Observed): Undated[] {
  const found = [...problemFindings(observed), ...proxyFindings(observed), ...trafficFindings(observed), ...agentFindings(observed)];
  const rank = { bad: 0, warn: 1, info: 2 } as const;
  return found.sort((a, b) => rank[a.severity] - rank[b.severity] || (a.id < b.id ? -1 : 1));
}

/** Traffic alone decides; without any it is idle. */
export function healthOf(numbers: Numbers): Health {
  if (numbers.errors >= errorShare.bad) return 'bad';
  if (numbers.errors >= errorShare.warn) return 'warn';
  return numbers.rps > 0 || numbers.bps > 0 ? 'ok' : 'idle';
}

function* problemFindings({ problems }: Observed): Generator<Undated> {
  for (const problem of problems) {
    if (problem.severity === 'info') continue;
    const object = problem.origin && originObject(problem.origin);
    const place = problem.origin ? formatOrigin(problem.origin) : '';
    yield {
      id: `problem/${problem.code}/${place}/${problem.path}`,
      severity: problem.severity === 'error' ? 'bad' : 'warn',
      code: problem.code,
      title: object ? `${object.kind} ${object.name}: ${problem.message}` : problem.message,
      why: '',
      fix: problem.fix,
      ...(object ? { object } : {}),
      ...(place ? { origin: problem.path && !problem.origin?.path ? `${place} ${problem.path}` : place } : {}),
    };
  }
}

function* proxyFindings({ proxies, now }: Observed): Generator<Undated> {
  for (const proxy of proxies) {
    const rejected = proxy.types.find((type) => type.state === 'rejected');
    const stale = proxy.types.find((type) => type.state === 'stale' && now - (type.sentAt ?? now) > staleAfterMs);
    if (rejected) {
      yield {
        id: `proxy/${proxy.id}/rejected`,
        severity: 'bad',
        code: 'proxy_rejected',
        title: `${proxy.workload} rejected its ${rejected.name} configuration`,
        why: rejected.error ?? 'The proxy gave no reason',
        fix: 'It keeps running the last good configuration; mend the object that the message names.',
        proxy: proxy.id,
      };
    } else if (stale) {
      yield {
        id: `proxy/${proxy.id}/stale`,
        severity: 'warn',
        code: 'proxy_stale',
        title: `${proxy.workload} has not acknowledged ${stale.name}`,
        why: 'A push was sent and neither accepted nor rejected.',
        fix: 'Look whether its process is stopped or starved of CPU.',
        proxy: proxy.id,
      };
    }
  }
}

function* trafficFindings({ mesh, numbers }: Observed): Generator<Undated> {
  for (const { id, service, endpoints, healthy } of mesh.services.values()) {
    const object: ObjectRef = {
      kind: service.registry === 'kubernetes' ? 'Service' : 'ServiceEntry',
      namespace: service.namespace,
      name: service.name,
    };
    const traffic = numbers(id);
    if (traffic.errors >= errorShare.warn) {
      yield {
        id: `errors/${id}`,
        severity: traffic.errors >= errorShare.bad ? 'bad' : 'warn',
        code: 'errors',
        title: `${service.name} fails ${Math.round(traffic.errors * 100)} % of its requests`,
        why: `Of ${Math.round(traffic.rps)} requests a second over the last seconds.`,
        fix: 'Open its live requests: status, flags and the rule that routed each one.',
        object,
        node: id,
      };
    }
    if (endpoints > 0 && healthy === 0) {
      yield {
        id: `endpoints/${id}`,
        severity: 'bad',
        code: 'no_healthy_endpoint',
        title: `${service.name} has no healthy endpoint`,
        why: `${endpoints} known, none healthy.`,
        fix: 'Look at its workloads: are they running and do they pass their health check?',
        object,
        node: id,
      };
    }
  }
}

function* agentFindings({ agents, now }: Observed): Generator<Undated> {
  for (const agent of agents) {
    if (!agent.silentSince || now - agent.silentSince < silentAfterMs) continue;
    yield {
      id: `agent/${agent.workload}`,
      severity: 'warn',
      code: 'agent_silent',
      title: `No numbers from ${agent.workload.split('/').at(-1)}`,
      why: agent.error,
      fix: 'Its traffic still flows; look whether its agent process runs. Numbers come back by themselves.',
      node: agent.workload,
    };
  }
}
