import { Fault } from '#base/fault.ts';
import { isJsonObject, type KubeObject } from '#kube/object.ts';
import { type MeshObjects, namespacePath, servicePath } from './mesh-objects.ts';
import type { KnownService } from './program-environment.ts';

/** A port of the program and the service port it serves, by name or number; else by target port, else the first one left. */
export interface ProgramPort {
  readonly name?: string;
  readonly servicePort?: number;
  readonly port: number;
}

/** A port of the joined Service with the program's port behind it. */
export interface ServedPort {
  /** Name of the service port; may be empty when the service has one port only. */
  readonly name: string;
  readonly servicePort: number;
  /** The number the service expects at an endpoint when its port has no name. */
  readonly endpointPort: number;
  readonly programPort: number;
}

export interface JoinedService {
  readonly created: boolean;
  /** Labels by which it selects workloads. */
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly ServedPort[];
}

export interface ServiceWish {
  readonly namespace: string;
  readonly service: string;
  readonly ports: readonly ProgramPort[];
  /** Name prefix of ports of a service that has to be made: `http`, `grpc`, `tcp`... */
  readonly protocol: string;
  /** Number of the port of a service that has to be made, for a program port that asks for none. */
  readonly servicePort: (programPort: number) => number;
}

/** Finds the Service, or makes it (and its namespace) with a port per program port and the selector `app: <name>`. */
export async function joinService(objects: MeshObjects, wish: ServiceWish): Promise<JoinedService> {
  let found = await objects.get(servicePath, wish.namespace, wish.service);
  let created = false;
  if (!found) {
    await ensureNamespace(objects, wish.namespace);
    const made = await objects.create(servicePath, newService(wish));
    created = made !== 'exists';
    found = made === 'exists' ? await objects.get(servicePath, wish.namespace, wish.service) : made;
  }
  const spec = isJsonObject(found?.spec) ? found.spec : {};
  const selector = isJsonObject(spec.selector) ? spec.selector : {};
  return {
    created,
    selector: Object.fromEntries(Object.entries(selector).map(([name, value]) => [name, String(value)])),
    ports: servedPorts(portsOf(spec), wish),
  };
}

/** All Services as the program is told of them, oldest first. */
export async function knownServices(objects: MeshObjects): Promise<KnownService[]> {
  const found = await objects.list(servicePath);
  return found.map((service) => {
    const spec = isJsonObject(service.spec) ? service.spec : {};
    return {
      name: service.metadata.name,
      namespace: service.metadata.namespace ?? '',
      clusterIp: typeof spec.clusterIP === 'string' ? spec.clusterIP : '',
      ports: portsOf(spec).map(({ name, number }) => ({ name, number })),
    };
  });
}

/** The number of a new service's port: 80 when this process may listen there, else the program's port with a 1 before it. */
export function newServicePort(programPort: number, firstUnprivileged: number): number {
  // Not the program's own number: a program that listens on all addresses would leave no room for the mesh's listeners.
  if (firstUnprivileged <= 80) return 80;
  return programPort + 10_000 <= 65_535 ? programPort + 10_000 : programPort - 10_000;
}

interface SpecPort {
  readonly name: string;
  readonly number: number;
  readonly targetPort: number;
}

function portsOf(spec: Readonly<Record<string, unknown>>): SpecPort[] {
  const ports = Array.isArray(spec.ports) ? spec.ports.filter(isJsonObject) : [];
  return ports.map((port) => ({
    name: typeof port.name === 'string' ? port.name : '',
    number: Number(port.port),
    targetPort: typeof port.targetPort === 'number' ? port.targetPort : Number(port.port),
  }));
}

function servedPorts(ports: readonly SpecPort[], wish: ServiceWish): ServedPort[] {
  const free = [...ports];
  return wish.ports.map((program) => {
    const index = free.findIndex((port) => serves(port, program));
    const asked = program.name !== undefined || program.servicePort !== undefined;
    const chosen = index >= 0 ? free.splice(index, 1)[0] : asked ? undefined : free.shift();
    if (!chosen) throw noPort(wish, program, ports);
    return { name: chosen.name, servicePort: chosen.number, endpointPort: chosen.targetPort, programPort: program.port };
  });
}

function serves(port: SpecPort, program: ProgramPort): boolean {
  if (program.name !== undefined) return port.name === program.name;
  return program.servicePort === undefined ? port.targetPort === program.port : port.number === program.servicePort;
}

function noPort(wish: ServiceWish, program: ProgramPort, ports: readonly SpecPort[]): Fault {
  const asked = program.name ?? program.servicePort ?? `left for the program's port ${program.port}`;
  const has = ports.map((port) => `${port.name || 'unnamed'} (${port.number})`).join(', ') || 'none';
  return new Fault('service-port', `Service ${wish.namespace}/${wish.service} has no port ${asked}; it has ${has}`, {
    fix: 'Add the port to the Service, or name one of its ports.',
  });
}

function newService(wish: ServiceWish): KubeObject {
  const several = wish.ports.length > 1;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: wish.service, namespace: wish.namespace, labels: { app: wish.service } },
    spec: {
      selector: { app: wish.service },
      ports: wish.ports.map((port, index) => ({
        name: port.name ?? (several ? `${wish.protocol}-${port.port}` : wish.protocol),
        port: port.servicePort ?? wish.servicePort(port.port) + index,
        targetPort: port.port,
      })),
    },
  };
}

async function ensureNamespace(objects: MeshObjects, name: string): Promise<void> {
  if (await objects.get(namespacePath, '', name)) return;
  await objects.create(namespacePath, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
}
