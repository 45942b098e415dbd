import { joinApiVersion } from '#kube/object.ts';
import type { ApiKind, KindTable } from '../kinds.ts';
import { pathNotFound } from '../status.ts';
import { type Exchange, header, sendJson } from './exchange.ts';
import { type Review, reviews } from './reviews.ts';

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const statusVerbs = ['get', 'patch', 'update'];

interface Group {
  readonly name: string;
  readonly versions: readonly string[];
}

/** Answers /api, /apis and the documents of one group or version, in the old form and aggregated (`apidiscovery.k8s.io`). */
export function serveDiscovery(exchange: Exchange, kinds: KindTable): void {
  const steps = exchange.path.split('/').filter((step) => step !== '');
  const reviewGroups = new Map(reviews.map((review) => [review.group, { name: review.group, versions: [review.version] }]));
  const groups = [...kinds.groups, ...reviewGroups.values()];
  const core = groups.filter((group) => group.name === '');
  const named = groups.filter((group) => group.name !== '').sort((a, b) => (a.name < b.name ? -1 : 1));
  const [root, first, second] = steps;
  if (steps.length === 1) {
    serveRoot(exchange, kinds, root === 'api' ? core : named, root === 'api');
    return;
  }
  const group = root === 'api' ? core[0] : named.find((one) => one.name === first);
  const version = root === 'api' ? first : second;
  if (!group) throw pathNotFound();
  if (version === undefined) {
    sendJson(exchange, 200, { kind: 'APIGroup', apiVersion: 'v1', ...groupDocument(group) });
    return;
  }
  if (!group.versions.includes(version)) throw pathNotFound();
  sendJson(exchange, 200, {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: joinApiVersion(group.name, version),
    resources: [...kinds.inVersion(group.name, version).flatMap(resourceDocuments), ...reviewsIn(group.name, version).map(reviewDocument)],
  });
}

function serveRoot(exchange: Exchange, kinds: KindTable, groups: readonly Group[], isCore: boolean): void {
  const form = aggregatedForm(header(exchange, 'accept'));
  if (form)
    sendJson(exchange, 200, aggregated(groups, kinds, form), `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`);
  else if (isCore)
    sendJson(exchange, 200, { kind: 'APIVersions', versions: groups.flatMap((group) => group.versions), serverAddressByClientCIDRs: [] });
  else sendJson(exchange, 200, { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupDocument) });
}

/** v2, or v2beta1 as older clients ask for it; undefined for clients that do not know the aggregated form. */
function aggregatedForm(accept: string): 'v2' | 'v2beta1' | undefined {
  for (const form of accept.split(',')) {
    if (!form.includes('g=apidiscovery.k8s.io')) continue;
    const version = /;\s*v=(v2beta1|v2)\b/.exec(form)?.[1];
    if (version === 'v2' || version === 'v2beta1') return version;
  }
  return undefined;
}

function groupDocument(group: Group) {
  const versions = group.versions.map((version) => ({ groupVersion: joinApiVersion(group.name, version), version }));
  return { name: group.name, versions, preferredVersion: versions[0] };
}

function resourceDocuments(kind: ApiKind) {
  const common = { singularName: kind.singular, namespaced: kind.namespaced, kind: kind.kind };
  const names = {
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
  };
  const status = kind.hasStatus ? [{ ...common, name: `${kind.plural}/status`, singularName: '', verbs: statusVerbs }] : [];
  return [{ ...common, name: kind.plural, verbs, ...names }, ...status];
}

function reviewDocument(review: Review) {
  return { name: review.plural, singularName: review.kind.toLowerCase(), namespaced: false, kind: review.kind, verbs: ['create'] };
}

function reviewsIn(group: string, version: string): readonly Review[] {
  return reviews.filter((review) => review.group === group && review.version === version);
}

function aggregated(groups: readonly Group[], kinds: KindTable, form: string) {
  const items = groups.map((group) => ({
    metadata: { ...(group.name === '' ? {} : { name: group.name }), creationTimestamp: null },
    versions: group.versions.map((version) => ({
      version,
      freshness: 'Current',
      resources: [
        ...kinds.inVersion(group.name, version).map((kind) => aggregatedResource(kind, version)),
        ...reviewsIn(group.name, version).map((review) => ({
          resource: review.plural,
          responseKind: { group: review.group, version, kind: review.kind },
          scope: 'Cluster',
          singularResource: review.kind.toLowerCase(),
          verbs: ['create'],
        })),
      ],
    })),
  }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${form}`, metadata: {}, items };
}

function aggregatedResource(kind: ApiKind, version: string) {
  const responseKind = { group: kind.group, version, kind: kind.kind };
  return {
    resource: kind.plural,
    responseKind,
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs,
    ...(kind.shortNames.length > 0 ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories.length > 0 ? { categories: kind.categories } : {}),
    ...(kind.hasStatus ? { subresources: [{ subresource: 'status', responseKind, verbs: statusVerbs }] } : {}),
  };
}
