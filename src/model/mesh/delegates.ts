import type { Origin } from '#base/origin.ts';
import type { HttpMatchRequest, HttpRoute, StringMatch, VirtualService } from '#resources/networking/virtual-service.ts';
import type { Resource } from '#resources/object.ts';

type VirtualServiceResource = Resource<VirtualService>;

/** Where each merged route was written: the delegate's object and path. */
const origins = new WeakMap<HttpRoute, Origin>();

/** For a route that came from a delegate, where it was written; undefined for the root's own routes. */
export function delegateOrigin(route: HttpRoute): Origin | undefined {
  return origins.get(route);
}

/** `namespace/name` of every VirtualService that a root names as delegate. */
export function delegatesOf(root: VirtualServiceResource): string[] {
  return (root.spec.http ?? []).flatMap((route) => (route.delegate ? [delegateKey(root, route.delegate)] : []));
}

function delegateKey(root: VirtualServiceResource, delegate: NonNullable<HttpRoute['delegate']>): string {
  return `${delegate.namespace || root.metadata.namespace}/${delegate.name ?? ''}`;
}

/**
 * A root with the routes of its delegates in place of the rules that name them; the same value when it names none. A
 * delegate that is missing, not exported to the root's namespace, or itself a root gives no route. Istio 1.30: one level only.
 */
export function mergeDelegates(
  root: VirtualServiceResource,
  find: (key: string) => VirtualServiceResource | undefined,
  defaultExportTo: readonly string[],
): VirtualServiceResource {
  if (!root.spec.http?.some((route) => route.delegate)) return root;
  const http = root.spec.http.flatMap((route) => {
    if (!route.delegate) return [route];
    const found = find(delegateKey(root, route.delegate));
    const isUsable = found && found.spec.hosts.length === 0 && isExported(found, root.metadata.namespace, defaultExportTo);
    return isUsable ? mergeRoutes(route, found) : [];
  });
  return { ...root, spec: { ...root.spec, http } };
}

function isExported(delegate: VirtualServiceResource, namespace: string, defaultExportTo: readonly string[]): boolean {
  const exportTo = delegate.spec.exportTo?.length ? delegate.spec.exportTo : defaultExportTo;
  const isOwn = delegate.metadata.namespace === namespace;
  return exportTo.some((to) => to === '*' || to === namespace || (to === '.' && isOwn));
}

function mergeRoutes(root: HttpRoute, delegate: VirtualServiceResource): HttpRoute[] {
  return (delegate.spec.http ?? []).flatMap((own, i) => {
    const match = mergeMatches(root.match ?? [], own.match ?? []);
    if (!match) return [];
    const { delegate: _, route: __, redirect: ___, ...inherited } = root;
    const merged: HttpRoute = { ...inherited, ...own, match, name: joinNames(root.name, own.name) };
    origins.set(merged, { ...delegate.origin, path: `spec.http[${i}]` });
    return [merged];
  });
}

function joinNames(root: string | undefined, own: string | undefined): string {
  return [root, own].filter(Boolean).join('-');
}

/** Conditions under which both hold; undefined when none can. */
function mergeMatches(root: readonly HttpMatchRequest[], own: readonly HttpMatchRequest[]): readonly HttpMatchRequest[] | undefined {
  if (root.length === 0) return own;
  if (own.length === 0) return root;
  const both = root.flatMap((outer) => own.flatMap((inner) => (excludes(outer, inner) ? [] : [mergeMatch(outer, inner)])));
  return both.length > 0 ? both : undefined;
}

function mergeMatch(root: HttpMatchRequest, own: HttpMatchRequest): HttpMatchRequest {
  const gateways = own.gateways?.length ? own.gateways : root.gateways;
  const maps = {
    headers: { ...root.headers, ...own.headers },
    withoutHeaders: { ...root.withoutHeaders, ...own.withoutHeaders },
    queryParams: { ...root.queryParams, ...own.queryParams },
    sourceLabels: { ...root.sourceLabels, ...own.sourceLabels },
  };
  const used = Object.fromEntries(Object.entries(maps).filter(([, map]) => Object.keys(map).length > 0));
  const name = joinNames(root.name, own.name);
  return { ...root, ...own, ...used, ...(gateways ? { gateways } : {}), ...(name ? { name } : {}) };
}

/** Whether no request can meet both conditions, as far as Istio decides it. */
function excludes(root: HttpMatchRequest, own: HttpMatchRequest): boolean {
  if ((root.ignoreUriCase ?? false) !== (own.ignoreUriCase ?? false)) return true;
  if (
    differ(root.uri, own.uri) ||
    differ(root.scheme, own.scheme) ||
    differ(root.method, own.method) ||
    differ(root.authority, own.authority)
  )
    return true;
  if (
    anyDiffers(root.headers, own.headers) ||
    anyDiffers(root.withoutHeaders, own.withoutHeaders) ||
    anyDiffers(root.queryParams, own.queryParams)
  ) {
    return true;
  }
  if (root.port && own.port && root.port !== own.port) return true;
  if (root.sourceNamespace && own.sourceNamespace && root.sourceNamespace !== own.sourceNamespace) return true;
  if (root.gateways?.length && own.gateways?.some((gateway) => !root.gateways?.includes(gateway))) return true;
  return Object.entries(root.sourceLabels ?? {}).some(([name, value]) => (own.sourceLabels?.[name] ?? value) !== value);
}

function anyDiffers(root: HttpMatchRequest['headers'], own: HttpMatchRequest['headers']): boolean {
  return Object.entries(root ?? {}).some(([name, match]) => differ(match, own?.[name]));
}

/** A regular expression beside any other condition counts as exclusive: nobody can tell whether both may hold. */
function differ(root: StringMatch | undefined, own: StringMatch | undefined): boolean {
  if (!root || !own) return false;
  if (root.regex !== undefined || own.regex !== undefined) return true;
  if (root.exact !== undefined) return own.exact !== root.exact;
  if (root.prefix !== undefined) return !(own.exact ?? own.prefix ?? '').startsWith(root.prefix);
  return false;
}
