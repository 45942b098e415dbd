import { isJsonObject } from '#kube/object.ts';
import { methodNotAllowed } from '../status.ts';
import { parseOptions } from './body.ts';
import { type Exchange, sendJson } from './exchange.ts';

/** A question that a client posts and nobody stores. */
export interface Review {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly status: object;
}

/** The one user of the server, who may do everything. */
const userInfo = { username: 'meshwright:admin', groups: ['system:masters', 'system:authenticated'] };

export const reviews: readonly Review[] = [
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    plural: 'selfsubjectaccessreviews',
    kind: 'SelfSubjectAccessReview',
    status: { allowed: true, reason: 'the bearer of the token may do everything' },
  },
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    plural: 'selfsubjectrulesreviews',
    kind: 'SelfSubjectRulesReview',
    status: {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false,
    },
  },
  { group: 'authentication.k8s.io', version: 'v1', plural: 'selfsubjectreviews', kind: 'SelfSubjectReview', status: { userInfo } },
];

/** The review that a path names. */
export function reviewAt(path: string): Review | undefined {
  return reviews.find((review) => path === `/apis/${review.group}/${review.version}/${review.plural}`);
}

/** `kubectl auth can-i` and `kubectl auth whoami`. */
export async function serveReview(exchange: Exchange, review: Review): Promise<void> {
  if (exchange.method !== 'POST') throw methodNotAllowed();
  const body = await parseOptions(exchange);
  const spec = isJsonObject(body.spec) ? body.spec : {};
  sendJson(exchange, 201, {
    apiVersion: `${review.group}/${review.version}`,
    kind: review.kind,
    metadata: { creationTimestamp: null },
    spec,
    status: review.status,
  });
}
