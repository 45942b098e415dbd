import type { Issue } from '../issue.ts';
import type { ServiceEntry } from './service-entry.ts';

/** What a ServiceEntry's schema cannot say. */
export function validateServiceEntry(_spec: ServiceEntry): Issue[] {
  return [];
}
