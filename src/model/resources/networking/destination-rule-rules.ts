import type { Issue } from '../issue.ts';
import type { DestinationRule } from './destination-rule.ts';

/** What a DestinationRule's schema cannot say. */
export function validateDestinationRule(_spec: DestinationRule): Issue[] {
  return [];
}
