import { defineKind } from '../kind.ts';
import { flag, integer, list, message, text, timestamp, type Value } from '../schema.ts';

const container = message(
  'A container of the pod.',
  {
    name: text('Name.', { default: '' }),
    image: text('Image.'),
    ports: list(
      'Ports that the container announces.',
      message(
        'A port.',
        {
          name: text('Name by which services may refer to the port.'),
          containerPort: integer('Port number.', { minimum: 1, maximum: 65535 }),
          protocol: text('Transport protocol.', { default: 'TCP' }),
        },
        ['containerPort', 'protocol'],
        { open: true },
      ),
    ),
  },
  ['name'],
  { open: true },
);

const spec = message(
  'What runs in the pod.',
  {
    containers: list('Containers.', container, { default: [] }),
    initContainers: list('Containers that run before the others, or beside them when they restart always.', container),
    nodeName: text('Node on which the pod runs.'),
    serviceAccountName: text('Service account whose identity the pod has.'),
    hostNetwork: flag('Whether the pod shares the network of its node.'),
    hostname: text('Host name of the pod.'),
    subdomain: text('Subdomain of the host name.'),
  },
  ['containers'],
  { open: true },
);

/** Spec of a Pod: the fields that a mesh reads, others kept as written. */
export type Pod = Value<typeof spec>;

const status = message(
  'State of the pod.',
  {
    phase: text('`Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.'),
    podIP: text('Address of the pod.'),
    podIPs: list('Addresses of the pod by IP family.', message('An address.', { ip: text('IP address.', { default: '' }) }, ['ip'])),
    hostIP: text('Address of the node.'),
    startTime: timestamp('When the pod was started.'),
    conditions: list(
      'State of the pod by aspect.',
      message('One aspect.', { type: text('Which aspect.'), status: text('`True`, `False` or `Unknown`.') }, [], { open: true }),
    ),
  },
  [],
  { open: true },
);
export type PodStatus = Value<typeof status>;

export const podKind = defineKind({
  group: '',
  versions: ['v1'],
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  hasStatus: true,
  body: 'spec',
  description: 'Containers that run together on one node.',
  printerColumns: [
    { name: 'Status', type: 'string', jsonPath: '.status.phase', description: 'State of the pod', priority: 0 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the object was created', priority: 0 },
    { name: 'IP', type: 'string', jsonPath: '.status.podIP', description: 'Address of the pod', priority: 1 },
    { name: 'Node', type: 'string', jsonPath: '.spec.nodeName', description: 'Node on which the pod runs', priority: 1 },
  ],
  schema: spec,
  statusSchema: status,
});
