import { map, message, text, unsigned, type Value } from '../schema.ts';

/** Spec of a WorkloadEntry, and an endpoint that stands inside a ServiceEntry. */
export const workloadEntrySchema = message('Where a workload that is no pod is reached.', {
  address: text('IP address, host name, or `unix:///path` of a socket.'),
  ports: map('Port of the workload by name of the service port; unset: the target port of the service.', unsigned('Port number.')),
  labels: map('Labels by which services and subsets select the workload.', text('Label value.')),
  network: text('Network in which the address is reachable.'),
  locality: text('`region/zone/subzone` of the workload.'),
  weight: unsigned('Share of the traffic relative to the other endpoints; 1 when unset.'),
  serviceAccount: text('Service account whose identity the workload presents.'),
});
/** Spec of a WorkloadEntry; also one endpoint of a ServiceEntry. */
export type WorkloadEntry = Value<typeof workloadEntrySchema>;
