import { defineKind } from '../kind.ts';
import { anything, choice, flag, integer, list, map, message, text, type Value } from '../schema.ts';

const endpoint = message(
  'One workload behind the service.',
  {
    addresses: list('Addresses of the workload; only the first is used.', text('IP address or host name.'), { default: [] }),
    conditions: message('State of the workload.', {
      ready: flag('Whether it accepts traffic; unset means yes.'),
      serving: flag('Whether it answers, even while it is stopping; unset: as `ready`.'),
      terminating: flag('Whether it is stopping.'),
    }),
    hostname: text('Host name of the workload.'),
    targetRef: message(
      'Object that stands for the workload, usually a Pod.',
      { kind: text('Kind.'), namespace: text('Namespace.'), name: text('Name.'), uid: text('Unique id.') },
      [],
      { open: true },
    ),
    nodeName: text('Node on which the workload runs.'),
    zone: text('Zone in which the workload runs.'),
    hints: anything('Hints on who should use the endpoint.'),
    deprecatedTopology: map('Topology labels of older versions.', text('Label value.')),
  },
  ['addresses'],
);
export type SliceEndpoint = Value<typeof endpoint>;

const slice = message(
  'A part of the endpoints of a service.',
  {
    addressType: choice('Form of the addresses.', ['IPv4', 'IPv6', 'FQDN']),
    endpoints: list('The endpoints.', endpoint, { default: [] }),
    ports: list(
      'Ports that every endpoint of the slice has.',
      message(
        'A port.',
        {
          name: text('Name of the service port.', { default: '' }),
          port: integer('Port number; unset means all ports.', { minimum: 0, maximum: 65535 }),
          protocol: choice('Transport protocol.', ['TCP', 'UDP', 'SCTP'], { default: 'TCP' }),
          appProtocol: text('Application protocol.'),
        },
        ['name', 'protocol'],
      ),
      { default: [] },
    ),
  },
  ['addressType', 'endpoints', 'ports'],
);

/** Content of an EndpointSlice (discovery.k8s.io/v1). */
export type EndpointSlice = Value<typeof slice>;

/** Label by which a slice names its service. */
export const serviceNameLabel = 'kubernetes.io/service-name';

export const endpointSliceKind = defineKind({
  group: 'discovery.k8s.io',
  versions: ['v1'],
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  shortNames: [],
  categories: [],
  namespaced: true,
  hasStatus: false,
  body: 'object',
  description: 'A part of the endpoints of a service, named by the label kubernetes.io/service-name.',
  printerColumns: [
    { name: 'AddressType', type: 'string', jsonPath: '.addressType', description: 'Form of the addresses', priority: 0 },
    { name: 'Ports', type: 'string', jsonPath: '.ports[*].port', description: 'Ports of the endpoints', priority: 0 },
    { name: 'Endpoints', type: 'string', jsonPath: '.endpoints[*].addresses[*]', description: 'Addresses of the endpoints', priority: 0 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the object was created', priority: 0 },
  ],
  schema: slice,
});
