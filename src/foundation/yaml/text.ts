import { stringify } from 'yaml';

/** A value as block-style YAML, keys in their own order, long texts unfolded. Shared parts are written out, never as aliases. */
export function formatYaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 });
}
