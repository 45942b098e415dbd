import type { Issue } from '../issue.ts';
import type { VirtualService } from './virtual-service.ts';

/** What a VirtualService's schema cannot say. */
export function validateVirtualService(_spec: VirtualService): Issue[] {
  return [];
}
