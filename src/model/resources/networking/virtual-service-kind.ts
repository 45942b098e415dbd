import { defineKind } from '../kind.ts';
import { istioStatus } from './status.ts';
import { virtualServiceSchema } from './virtual-service.ts';
import { validateVirtualService } from './virtual-service-rules.ts';

export const virtualServiceKind = defineKind({
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  kind: 'VirtualService',
  plural: 'virtualservices',
  singular: 'virtualservice',
  shortNames: ['vs'],
  categories: ['istio-io', 'networking-istio-io'],
  namespaced: true,
  hasStatus: true,
  body: 'spec',
  description: 'Routing rules for one or more hosts: which requests go where, and what happens to them on the way.',
  printerColumns: [
    {
      name: 'Gateways',
      type: 'string',
      jsonPath: '.spec.gateways',
      description: 'Gateways and sidecars that apply the rules',
      priority: 0,
    },
    { name: 'Hosts', type: 'string', jsonPath: '.spec.hosts', description: 'Hosts to which the rules apply', priority: 0 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the object was created', priority: 0 },
  ],
  schema: virtualServiceSchema,
  statusSchema: istioStatus,
  validate: validateVirtualService,
});
