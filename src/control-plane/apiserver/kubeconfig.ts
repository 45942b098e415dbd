import type { SecretBytes } from '#pki/secret.ts';
import { formatYaml } from '#yaml/text.ts';

const name = 'meshwright';

/** A kubeconfig of one context. Contains the token. */
export function formatKubeconfig(url: string, authorityPem: string, token: SecretBytes): string {
  return formatYaml({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url, 'certificate-authority-data': Buffer.from(authorityPem).toString('base64') } }],
    users: [{ name, user: { token: token.reveal().toString('utf8') } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
    'current-context': name,
  });
}
