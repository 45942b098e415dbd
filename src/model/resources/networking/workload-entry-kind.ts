import { defineKind } from '../kind.ts';
import { istioStatus } from './status.ts';
import { workloadEntrySchema } from './workload-entry.ts';
import { validateWorkloadEntry } from './workload-entry-rules.ts';

export const workloadEntryKind = defineKind({
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  kind: 'WorkloadEntry',
  plural: 'workloadentries',
  singular: 'workloadentry',
  shortNames: ['we'],
  categories: ['istio-io', 'networking-istio-io'],
  namespaced: true,
  hasStatus: true,
  body: 'spec',
  description: 'One workload that is no pod: a process, a virtual machine or a server, with the address at which it serves.',
  printerColumns: [
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the object was created', priority: 0 },
    { name: 'Address', type: 'string', jsonPath: '.spec.address', description: 'Address at which the workload serves', priority: 0 },
  ],
  schema: workloadEntrySchema,
  statusSchema: istioStatus,
  validate: validateWorkloadEntry,
});
