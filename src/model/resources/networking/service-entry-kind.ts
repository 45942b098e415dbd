import { defineKind } from '../kind.ts';
import { serviceEntrySchema, serviceEntryStatusSchema } from './service-entry.ts';
import { validateServiceEntry } from './service-entry-rules.ts';

export const serviceEntryKind = defineKind({
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  kind: 'ServiceEntry',
  plural: 'serviceentries',
  singular: 'serviceentry',
  shortNames: ['se'],
  categories: ['istio-io', 'networking-istio-io'],
  namespaced: true,
  hasStatus: true,
  body: 'spec',
  description: 'Adds a service to the registry of the mesh: an external one, or one made of workloads that are not pods.',
  printerColumns: [
    { name: 'Hosts', type: 'string', jsonPath: '.spec.hosts', description: 'Names by which the service is called', priority: 0 },
    { name: 'Location', type: 'string', jsonPath: '.spec.location', description: 'Whether the service belongs to the mesh', priority: 0 },
    { name: 'Resolution', type: 'string', jsonPath: '.spec.resolution', description: 'How endpoints are found', priority: 0 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the object was created', priority: 0 },
  ],
  schema: serviceEntrySchema,
  statusSchema: serviceEntryStatusSchema,
  validate: validateServiceEntry,
});
