import { type CompiledCors, compileCors } from '../filter/cors.ts';
import { type CompiledFault, compileFault } from '../filter/fault.ts';
import type {
  CorsTable,
  DirectTable,
  FaultTable,
  ForwardTable,
  MirrorTable,
  PathRule,
  RedirectTable,
  RouteConfigTable,
  RouteTable,
  VirtualHostTable,
} from '../table.ts';
import { type LinkedOperations, linkOperations } from './header-edits.ts';
import type { RequestView } from './request-view.ts';
import { linkRetry, type RetryPolicy } from './retry.ts';
import { RouteIndex } from './route-index.ts';
import { type RequestTest, regexOf, requestTests, textTest } from './rules.ts';

/** One destination of a route with everything that depends on the choice. */
export interface Target {
  readonly cluster: string;
  readonly weight: number;
  readonly hostRewrite: Buffer | undefined;
  readonly requestOperations: readonly LinkedOperations[];
  readonly responseOperations: readonly LinkedOperations[];
  readonly fault: CompiledFault | undefined;
  readonly cors: CompiledCors | undefined;
}

export interface Forward {
  readonly kind: 'forward';
  readonly table: ForwardTable;
  readonly targets: readonly Target[];
  readonly retry: RetryPolicy | undefined;
  readonly mirrors: readonly MirrorTable[];
  readonly rewrite: ((path: string) => string) | undefined;
}

/** A route ready to run. `target` stands for actions that choose no cluster. */
export interface Route {
  readonly table: RouteTable;
  readonly virtualHost: VirtualHost;
  readonly matchesPath: (path: string, queryAt: number) => boolean;
  readonly connect: boolean;
  readonly test: RequestTest | undefined;
  readonly fraction: number;
  readonly action: Forward | (RedirectTable & { readonly rewrite: ((path: string) => string) | undefined }) | DirectTable;
  readonly target: Target;
}

export interface VirtualHost {
  readonly table: VirtualHostTable;
  readonly config: RouteConfigTable;
  readonly routes: Route[];
  readonly index: RouteIndex;
}

/** One route configuration: finds the virtual host of an authority and the route of a request. */
export class RouteConfig {
  readonly table: RouteConfigTable;
  private readonly exact = new Map<string, VirtualHost>();
  private readonly suffixes: { readonly text: string; readonly host: VirtualHost }[] = [];
  private readonly prefixes: { readonly text: string; readonly host: VirtualHost }[] = [];
  private any: VirtualHost | undefined = undefined;

  constructor(table: RouteConfigTable) {
    this.table = table;
    for (const hostTable of table.virtualHosts) {
      const host = linkVirtualHost(hostTable, table);
      for (const domain of hostTable.domains) this.register(domain, host);
    }
    this.suffixes.sort((a, b) => b.text.length - a.text.length);
    this.prefixes.sort((a, b) => b.text.length - a.text.length);
  }

  private register(domain: string, host: VirtualHost): void {
    if (domain === '*') this.any ??= host;
    else if (domain.startsWith('*')) this.suffixes.push({ text: domain.slice(1), host });
    else if (domain.endsWith('*')) this.prefixes.push({ text: domain.slice(0, -1), host });
    else if (!this.exact.has(domain)) this.exact.set(domain, host);
  }

  /** `authority` is lower case. Exact names first, then the longest suffix, the longest prefix, and `*`. */
  virtualHost(authority: string): VirtualHost | undefined {
    const name = this.table.ignorePort ? withoutPort(authority) : authority;
    const exact = this.exact.get(name);
    if (exact !== undefined) return exact;
    for (const { text, host } of this.suffixes) if (name.length > text.length && name.endsWith(text)) return host;
    for (const { text, host } of this.prefixes) if (name.length > text.length && name.startsWith(text)) return host;
    return this.any;
  }
}

/** The first route of a virtual host that takes the request. */
export function findRoute(host: VirtualHost, view: RequestView, isConnect: boolean, random: () => number): Route | undefined {
  const candidates = host.index.candidates(view.path, view.queryAt);
  for (let i = 0; i < candidates.length; i++) {
    const route = host.routes[candidates[i] ?? 0];
    if (route === undefined || route.connect !== isConnect) continue;
    if (!route.connect && !route.matchesPath(view.path, view.queryAt)) continue;
    if (route.test !== undefined && !route.test(view)) continue;
    if (route.fraction < 1000000 && random() * 1000000 >= route.fraction) continue;
    return route;
  }
  return undefined;
}

export function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':');
  if (colon < 0) return authority;
  // A bracketed address has colons of its own.
  return authority.indexOf(']', colon) >= 0 ? authority : authority.slice(0, colon);
}

function linkVirtualHost(table: VirtualHostTable, config: RouteConfigTable): VirtualHost {
  const routes: Route[] = [];
  const host: VirtualHost = { table, config, routes, index: new RouteIndex(table.routes.map((route) => route.match.path)) };
  for (const route of table.routes) routes.push(linkRoute(route, host));
  return host;
}

function linkRoute(table: RouteTable, host: VirtualHost): Route {
  const action = table.action;
  const common = {
    table,
    virtualHost: host,
    matchesPath: pathTest(table.match.path),
    connect: table.match.path.kind === 'connect',
    test: requestTests(table.match.headers, table.match.query),
    fraction: table.match.fraction,
    target: linkTarget(undefined, table, host),
  };
  if (action.kind === 'direct') return { ...common, action };
  const rewrite = pathRewrite(table.match.path, action);
  if (action.kind === 'redirect') return { ...common, action: { ...action, rewrite } };
  const targets = action.targets.map((target) => linkTarget(target, table, host));
  return {
    ...common,
    target: targets[0] ?? common.target,
    action: { kind: 'forward', table: action, targets, retry: linkRetry(action.retry), mirrors: action.mirrors, rewrite },
  };
}

function linkTarget(target: ForwardTable['targets'][number] | undefined, route: RouteTable, host: VirtualHost): Target {
  const levels = [target, route, host.table, host.config].filter((level) => level !== undefined);
  const ordered = host.config.mostSpecificWins ? [...levels].reverse() : levels;
  const fault: FaultTable | undefined = levels.map((level) => level.filters.fault).find((value) => value !== undefined);
  const cors: CorsTable | undefined = levels.map((level) => level.filters.cors).find((value) => value !== undefined);
  return {
    cluster: target?.cluster ?? '',
    weight: target?.weight ?? 0,
    hostRewrite: target?.hostRewrite ? Buffer.from(target.hostRewrite, 'latin1') : undefined,
    requestOperations: ordered.map((level) => linkOperations(level.requestHeaders)).filter((linked) => linked !== undefined),
    responseOperations: ordered.map((level) => linkOperations(level.responseHeaders)).filter((linked) => linked !== undefined),
    fault: fault === undefined ? undefined : compileFault(fault),
    cors: cors === undefined ? undefined : compileCors(cors),
  };
}

function pathTest(rule: PathRule): Route['matchesPath'] {
  switch (rule.kind) {
    case 'connect':
      return () => false;
    case 'regex': {
      const regex = regexOf(rule.value);
      return (path, queryAt) => regex.matches(path.slice(0, queryAt));
    }
    case 'prefix':
      if (rule.value === '/') return () => true;
      if (rule.ignoreCase) {
        const test = textTest({ kind: 'prefix', value: rule.value, ignoreCase: true });
        return (path) => test(path);
      }
      return (path) => path.startsWith(rule.value);
    case 'path': {
      const length = rule.value.length;
      const value = rule.ignoreCase ? rule.value.toLowerCase() : rule.value;
      return (path, queryAt) => queryAt === length && (rule.ignoreCase ? path.toLowerCase() : path).startsWith(value);
    }
    case 'separated-prefix': {
      const length = rule.value.length;
      const value = rule.ignoreCase ? rule.value.toLowerCase() : rule.value;
      return (path, queryAt) =>
        (rule.ignoreCase ? path.toLowerCase() : path).startsWith(value) &&
        queryAt >= length &&
        (queryAt === length || path.charCodeAt(length) === 47);
    }
  }
}

/** What the path becomes; the query stays. A prefix rewrite replaces what the match named: the prefix, or the whole path. */
function pathRewrite(match: PathRule, action: ForwardTable | RedirectTable): ((path: string) => string) | undefined {
  if (action.regexRewrite !== undefined) {
    const regex = regexOf(action.regexRewrite.pattern);
    const substitution = action.regexRewrite.substitution;
    return (path) => {
      const query = path.indexOf('?');
      return query < 0 ? regex.replace(path, substitution) : regex.replace(path.slice(0, query), substitution) + path.slice(query);
    };
  }
  const replacement = action.prefixRewrite;
  if (replacement === '') return undefined;
  return (path) => {
    const query = path.indexOf('?');
    const stop = query < 0 ? path.length : query;
    const length = match.kind === 'prefix' || match.kind === 'separated-prefix' ? match.value.length : stop;
    return replacement + path.slice(Math.min(length, stop));
  };
}
