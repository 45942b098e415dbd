import type { Issue } from '../issue.ts';
import type { KubernetesService } from './service.ts';

/** What a Service's schema cannot say. */
export function validateService(_spec: KubernetesService): Issue[] {
  return [];
}
