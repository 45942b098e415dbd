import { anything, choice, list, long, map, message, text, unsigned, type Value } from '../schema.ts';
import { workloadEntrySchema } from './workload-entry.ts';

const servicePort = message(
  'A port of the service.',
  {
    number: unsigned('Port number.'),
    protocol: text('HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TLS or TCP; unset: by the port name, else detected.'),
    name: text('Name of the port, unique in the entry.'),
    targetPort: unsigned('Port of the endpoints; unset: the port number.'),
  },
  ['number', 'name'],
);
export type ServiceEntryPort = Value<typeof servicePort>;

export const serviceEntrySchema = message(
  'A service that is not a Kubernetes service: outside the mesh, or made of workloads without pods.',
  {
    hosts: list('Names by which the service is called; `*.` may stand at the start where the resolution allows it.', text('Host.'), {
      default: [],
    }),
    addresses: list('Virtual addresses of the service, IP or CIDR.', text('IP or CIDR.')),
    ports: list('Ports of the service.', servicePort),
    location: choice('Whether the service belongs to the mesh.', ['MESH_EXTERNAL', 'MESH_INTERNAL'], { default: 'MESH_EXTERNAL' }),
    resolution: choice('How endpoints are found.', ['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'], { default: 'NONE' }),
    endpoints: list('Endpoints of the service. Not together with `workloadSelector`.', workloadEntrySchema),
    workloadSelector: message('WorkloadEntries and pods of the own namespace that are endpoints of the service.', {
      labels: map('Labels that the workload carries.', text('Label value.')),
    }),
    exportTo: list(
      'Namespaces that see this object: `.` own, `*` all, `~` none. Unset: the default of the mesh.',
      text('Namespace, `.`, `*` or `~`.'),
    ),
    subjectAltNames: list('Names of which a server of this service must present one.', text('Name.')),
  },
  ['hosts', 'location', 'resolution'],
);

/** Spec of a ServiceEntry. */
export type ServiceEntry = Value<typeof serviceEntrySchema>;

export const serviceEntryStatusSchema = message('What the control plane has observed.', {
  conditions: list('State of the object by aspect.', anything('A condition.')),
  validationMessages: list('Problems found in the object.', anything('A problem.')),
  observedGeneration: long('Generation of the object that was looked at last.'),
  addresses: list(
    'Addresses that were allocated because the entry names none.',
    message('One allocated address.', { value: text('IP address.'), host: text('Host of the entry that has it.') }),
  ),
});
export type ServiceEntryStatus = Value<typeof serviceEntryStatusSchema>;
