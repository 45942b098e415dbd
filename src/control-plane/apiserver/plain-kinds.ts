import { configMapKind } from '#resources/core/config-map.ts';
import { defineKind, type PrinterColumn } from '#resources/kind.ts';
import { anything, bytes, flag, integer, list, map, message, text, timestamp } from '#resources/schema.ts';
import type { ApiKind } from './kinds.ts';

const printerColumns: readonly PrinterColumn[] = [
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since creation', priority: 0 },
];

const common = {
  versions: ['v1'],
  shortNames: [],
  categories: [],
  namespaced: true,
  hasStatus: false,
  body: 'object',
  printerColumns,
} as const;

const objectReference = message('An object that is meant.', {
  apiVersion: text('Group and version of the object.'),
  kind: text('Kind of the object.'),
  namespace: text('Namespace of the object.'),
  name: text('Name of the object.'),
  uid: text('UID of the object.'),
  resourceVersion: text('Version of the object that was seen.'),
  fieldPath: text('Part of the object.'),
});

const named = message('A reference by name.', { name: text('Name in the same namespace.') });

/**
 * Kinds that clients of a cluster expect and the mesh only keeps. One that is also among the kinds handed to the server is
 * taken from there.
 */
export const plainKinds: readonly ApiKind[] = [
  configMapKind,
  defineKind({
    ...common,
    group: '',
    kind: 'Secret',
    plural: 'secrets',
    singular: 'secret',
    description: 'Named bytes that should not be shown.',
    schema: message('The secret content.', {
      data: map('Bytes by name, in base64.', bytes('Base64.')),
      stringData: map('Texts that are stored in data; never read back.', text('A text.')),
      type: text('What the content is for, such as Opaque or kubernetes.io/tls.'),
      immutable: flag('Whether the content stays as it is.'),
    }),
  }),
  defineKind({
    ...common,
    group: '',
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    singular: 'serviceaccount',
    shortNames: ['sa'],
    description: 'An identity for workloads.',
    schema: message('What the identity may use.', {
      secrets: list('Secrets of the identity.', objectReference),
      imagePullSecrets: list('Secrets for fetching images.', named),
      automountServiceAccountToken: flag('Whether its token is given to its pods.'),
    }),
  }),
  defineKind({
    ...common,
    group: '',
    kind: 'Event',
    plural: 'events',
    singular: 'event',
    shortNames: ['ev'],
    description: 'Something that happened to an object; removed after an hour.',
    schema: message('What happened.', {
      involvedObject: objectReference,
      related: objectReference,
      type: text('Normal or Warning.'),
      reason: text('One word for machines.'),
      message: text('A sentence for people.'),
      action: text('What was done.'),
      count: integer('How often it happened.'),
      firstTimestamp: timestamp('When it happened first.'),
      lastTimestamp: timestamp('When it happened last.'),
      eventTime: timestamp('When it was noticed.'),
      source: message('Who reports it.', { component: text('Name of the program.'), host: text('Name of its machine.') }),
      reportingComponent: text('Name of the controller.'),
      reportingInstance: text('Which instance of the controller.'),
      series: anything('How it goes on.'),
    }),
  }),
  defineKind({
    ...common,
    group: 'apps',
    kind: 'Deployment',
    plural: 'deployments',
    singular: 'deployment',
    shortNames: ['deploy'],
    categories: ['all'],
    hasStatus: true,
    body: 'spec',
    description: 'A number of equal pods.',
    schema: message(
      'How many pods, and which.',
      {
        replicas: integer('Number of pods.', { minimum: 0 }),
        selector: anything('Labels by which the pods are found.'),
        template: anything('What each pod is made from: metadata with labels, and a pod spec.'),
        strategy: anything('How old pods are replaced.'),
      },
      [],
      { open: true },
    ),
    statusSchema: message(
      'What has been observed.',
      { replicas: integer('Number of pods.'), readyReplicas: integer('Number of ready pods.') },
      [],
      { open: true },
    ),
  }),
];
