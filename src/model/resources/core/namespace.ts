import { defineKind } from '../kind.ts';
import { list, message, text, type Value } from '../schema.ts';

const spec = message('Settings of the namespace.', {
  finalizers: list('Parties that must agree before the namespace disappears.', text('Name.')),
});

/** Spec of a Namespace; a mesh reads only its labels. */
export type Namespace = Value<typeof spec>;

const status = message('State of the namespace.', { phase: text('`Active` or `Terminating`.') }, [], { open: true });

export const namespaceKind = defineKind({
  group: '',
  versions: ['v1'],
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  categories: [],
  namespaced: false,
  hasStatus: true,
  body: 'spec',
  description: 'A scope for names; its labels steer what applies to the objects inside.',
  printerColumns: [
    { name: 'Status', type: 'string', jsonPath: '.status.phase', description: 'State of the namespace', priority: 0 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the object was created', priority: 0 },
  ],
  schema: spec,
  statusSchema: status,
});
