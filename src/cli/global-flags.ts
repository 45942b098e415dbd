import type { Flag } from './command.ts';

/** Flags that every command takes. */
export const globalFlags: readonly Flag[] = [
  {
    long: 'kubeconfig',
    value: 'FILE',
    description: 'kubeconfig of the API server; else that of the running mesh, else KUBECONFIG',
    complete: 'file',
  },
  { long: 'context', value: 'NAME', description: 'context of the kubeconfig', complete: 'none' },
  {
    long: 'state-dir',
    value: 'DIR',
    description: 'state folder of the mesh on this machine; else MESHWRIGHT_STATE_DIR, else .meshwright',
    complete: 'file',
  },
  { long: 'no-color', description: 'no colour (NO_COLOR does the same)' },
];
