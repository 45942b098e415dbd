import { isIp } from '../address.ts';
import type { Issue } from '../issue.ts';
import { defineKind } from '../kind.ts';
import { anything, choice, flag, integer, integerOrText, list, map, message, text, type Value } from '../schema.ts';

const servicePort = message(
  'A port of the service.',
  {
    name: text('Name of the port, unique in the service; required when there are several. A protocol may stand before the first dash.', {
      default: '',
    }),
    protocol: choice('Transport protocol.', ['TCP', 'UDP', 'SCTP'], { default: 'TCP' }),
    appProtocol: text('Application protocol; goes before what the port name says.'),
    port: integer('Port number of the service.', { minimum: 1, maximum: 65535 }),
    targetPort: integerOrText('Port of the workloads, by number or by the name of a container port; unset: the port number.'),
    nodePort: integer('Port on every node (NodePort and LoadBalancer).', { minimum: 0, maximum: 65535 }),
  },
  ['name', 'protocol', 'port'],
);
export type KubernetesServicePort = Value<typeof servicePort>;

const spec = message(
  'How the service is reached and which workloads stand behind it.',
  {
    type: choice('How the service is published.', ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'], { default: 'ClusterIP' }),
    clusterIP: text('Virtual address, `None` for a headless service. Unset: one is allocated.'),
    clusterIPs: list('Virtual addresses by IP family; the first equals `clusterIP`.', text('IP address or `None`.')),
    selector: map('Labels of the workloads behind the service.', text('Label value.')),
    ports: list('Ports of the service.', servicePort, { default: [] }),
    externalName: text('Host for which the service is an alias (type ExternalName).'),
    externalIPs: list('Further addresses at which nodes accept traffic for the service.', text('IP address.')),
    publishNotReadyAddresses: flag('Count workloads that are not ready as endpoints.'),
    internalTrafficPolicy: choice('Whether traffic from inside the cluster stays on the node.', ['Cluster', 'Local']),
    externalTrafficPolicy: choice('Whether traffic from outside stays on the node.', ['Cluster', 'Local', '']),
    trafficDistribution: text('Preference for endpoints near the caller: PreferClose, PreferSameZone or PreferSameNode.'),
    sessionAffinity: choice('Whether connections of one caller stay on one endpoint.', ['None', 'ClientIP']),
    sessionAffinityConfig: anything('Settings of the session affinity.'),
    ipFamilies: list('IP families of the service.', choice('IP family.', ['IPv4', 'IPv6'])),
    ipFamilyPolicy: choice('Which IP families are asked for.', ['SingleStack', 'PreferDualStack', 'RequireDualStack']),
    loadBalancerIP: text('Address asked of the load balancer.'),
    loadBalancerClass: text('Which load balancer carries the service.'),
    loadBalancerSourceRanges: list('Addresses that may use the load balancer.', text('CIDR.')),
    allocateLoadBalancerNodePorts: flag('Whether node ports are allocated for a load balancer.'),
    healthCheckNodePort: integer('Port of the health check for traffic policy Local.'),
  },
  ['type', 'ports'],
);

/** Spec of a Kubernetes Service (core/v1). */
export type KubernetesService = Value<typeof spec>;

const status = message(
  'What has been observed of the service.',
  {
    loadBalancer: message(
      'State of the load balancer.',
      {
        ingress: list(
          'Addresses of the load balancer.',
          message('An address.', { ip: text('IP address.'), hostname: text('Host name.') }, [], { open: true }),
        ),
      },
      [],
      { open: true },
    ),
    conditions: list('State of the service by aspect.', anything('A condition.')),
  },
  [],
  { open: true },
);
export type KubernetesServiceStatus = Value<typeof status>;

export const serviceKind = defineKind({
  group: '',
  versions: ['v1'],
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  hasStatus: true,
  body: 'spec',
  description: 'A name and an address for a set of workloads.',
  printerColumns: [
    { name: 'Type', type: 'string', jsonPath: '.spec.type', description: 'How the service is published', priority: 0 },
    { name: 'Cluster-IP', type: 'string', jsonPath: '.spec.clusterIP', description: 'Virtual address of the service', priority: 0 },
    { name: 'External-IP', type: 'string', jsonPath: '.spec.externalName', description: 'Address outside the cluster', priority: 0 },
    { name: 'Port(s)', type: 'string', jsonPath: '.spec.ports', description: 'Ports of the service', priority: 0 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Time since the object was created', priority: 0 },
    {
      name: 'Selector',
      type: 'string',
      jsonPath: '.spec.selector',
      description: 'Labels of the workloads behind the service',
      priority: 1,
    },
  ],
  schema: spec,
  statusSchema: status,
  validate: validateService,
});

/** What a Service's schema cannot say, as an API server checks it. */
function validateService(spec: KubernetesService): Issue[] {
  const issues: Issue[] = [];
  if (spec.type === 'ExternalName') {
    if (!spec.externalName)
      issues.push({ code: 'MW0112', path: ['spec', 'externalName'], message: 'a service of type ExternalName needs externalName' });
    return issues;
  }
  if (spec.ports.length === 0 && spec.clusterIP !== 'None') {
    issues.push({ code: 'MW0112', path: ['spec', 'ports'], message: 'expected at least one port' });
  }
  if (spec.clusterIP && spec.clusterIP !== 'None' && !isIp(spec.clusterIP)) {
    issues.push({ code: 'MW0211', path: ['spec', 'clusterIP'], message: `\`${spec.clusterIP}\` is neither an IP address nor \`None\`` });
  }
  return [...issues, ...portIssues(spec)];
}

function portIssues(spec: KubernetesService): Issue[] {
  const issues: Issue[] = [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [i, port] of spec.ports.entries()) {
    const path = ['spec', 'ports', i];
    if (port.name === '' && spec.ports.length > 1) {
      issues.push({ code: 'MW0112', path: [...path, 'name'], message: 'every port of a service with several needs a name' });
    }
    if (port.name !== '' && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(port.name)) {
      issues.push({ code: 'MW0202', path: [...path, 'name'], message: `\`${port.name}\` is not a valid port name` });
    }
    if (port.name !== '' && names.has(port.name)) {
      issues.push({ code: 'MW0210', path: [...path, 'name'], message: `two ports are named \`${port.name}\`` });
    }
    const number = `${port.protocol}/${port.port}`;
    if (numbers.has(number)) issues.push({ code: 'MW0210', path: [...path, 'port'], message: `the port ${number} stands twice` });
    names.add(port.name);
    numbers.add(number);
  }
  return issues;
}
