import type { Issue } from '../issue.ts';
import type { WorkloadEntry } from './workload-entry.ts';

/** What a WorkloadEntry's schema cannot say. */
export function validateWorkloadEntry(_spec: WorkloadEntry): Issue[] {
  return [];
}
