import { defineKind } from '../kind.ts';
import { map, message, text, unsigned, type Value } from '../schema.ts';
import { istioStatus } from './status.ts';
import { validateWorkloadEntry } from './workload-entry-rules.ts';

/** Spec of a WorkloadEntry, and an endpoint that stands inside a ServiceEntry. */
export const workload = message('Where a workload that is no pod is reached.', {
  address: text('IP address, host name, or `unix:///path` of a socket.'),
  ports: map('Port of the workload by name of the service port; unset: the target port of the service.', unsigned('Port number.')),
  labels: map('Labels by which services and subsets select the workload.', text('Label value.')),
  network: text('Network in which the address is reachable.'),
  locality: text('`region/zone/subzone` of the workload.'),
  weight: unsigned('Share of the traffic relative to the other endpoints; 1 when unset.'),
  serviceAccount: text('Service account whose identity the workload presents.'),
});
/** Spec of a WorkloadEntry; also one endpoint of a ServiceEntry. */
export type WorkloadEntry = Value<typeof workload>;

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
  schema: workload,
  statusSchema: istioStatus,
  validate: validateWorkloadEntry,
});
