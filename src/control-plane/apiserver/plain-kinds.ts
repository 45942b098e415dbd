import type { PrinterColumn } from '#resources/kind.ts';
import type { ObjectMeta } from '#resources/object.ts';
import { anything } from '#resources/schema.ts';
import type { ApiKind } from './kinds.ts';

interface Plain {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly hasStatus?: boolean;
  readonly body: 'spec' | 'object';
  readonly description: string;
}

const age: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since creation',
  priority: 0,
};

/**
 * Kinds that clients of a cluster expect and the mesh only keeps: any content is accepted as it is. One that is also among
 * the kinds handed to the server is taken from there.
 */
export const plainKinds: readonly ApiKind[] = [
  plain({
    group: '',
    kind: 'ConfigMap',
    plural: 'configmaps',
    shortNames: ['cm'],
    body: 'object',
    description: 'Settings as named texts.',
  }),
  plain({ group: '', kind: 'Secret', plural: 'secrets', body: 'object', description: 'Named bytes that should not be shown.' }),
  plain({
    group: '',
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    shortNames: ['sa'],
    body: 'object',
    description: 'An identity for workloads.',
  }),
  plain({
    group: '',
    kind: 'Event',
    plural: 'events',
    shortNames: ['ev'],
    body: 'object',
    description: 'Something that happened to an object.',
  }),
  plain({
    group: 'apps',
    kind: 'Deployment',
    plural: 'deployments',
    shortNames: ['deploy'],
    categories: ['all'],
    hasStatus: true,
    body: 'spec',
    description: 'A number of equal pods.',
  }),
];

function plain(kind: Plain): ApiKind {
  return {
    shortNames: [],
    categories: [],
    hasStatus: false,
    ...kind,
    versions: ['v1'],
    singular: kind.kind.toLowerCase(),
    namespaced: true,
    printerColumns: [age],
    schema: anything(kind.description),
    decode: (_raw, origin) => ({ resource: { apiVersion: 'v1', kind: kind.kind, metadata: noMeta, spec: {}, origin }, problems: [] }),
  };
}

const noMeta: ObjectMeta = {
  name: '',
  namespace: '',
  labels: {},
  annotations: {},
  uid: '',
  resourceVersion: '',
  generation: 0,
  creationTimestamp: '',
};
