import { isIp } from '../address.ts';
import type { Issue } from '../issue.ts';
import type { KubernetesService } from './service.ts';

/** What a Service's schema cannot say, as an API server checks it. */
export function validateService(spec: KubernetesService): Issue[] {
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
