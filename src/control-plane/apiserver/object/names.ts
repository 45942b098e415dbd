import type { StatusCause } from '#kube/status.ts';

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const rfc1035Label = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const qualifiedName = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const annotationsLimitBytes = 256 * 1024;

export type NameRule = 'label' | 'rfc1035' | 'subdomain';

/** Kubernetes' rules for object names (https://kubernetes.io/docs/concepts/overview/working-with-objects/names/); empty when kept. */
export function nameCause(name: string, rule: NameRule): StatusCause | undefined {
  const texts: Readonly<Record<NameRule, string>> = {
    label:
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', start and end with one, and have at most 63",
    rfc1035: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with a letter, and have at most 63",
    subdomain:
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', start and end with an alphanumeric one, and have at most 253",
  };
  const good =
    rule === 'label' ? label.test(name) : rule === 'rfc1035' ? rfc1035Label.test(name) : name.length <= 253 && subdomain.test(name);
  return good
    ? undefined
    : { reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(name)}: ${texts[rule]}`, field: 'metadata.name' };
}

/** Whether a key is `name` or `prefix/name` by Kubernetes' rules for labels and annotations. */
export function isQualifiedName(key: string): boolean {
  const parts = key.split('/');
  const name = parts.pop() ?? '';
  const [prefix] = parts;
  return parts.length <= 1 && qualifiedName.test(name) && (prefix === undefined || (prefix.length <= 253 && subdomain.test(prefix)));
}

export function isLabelValue(value: string): boolean {
  return labelValue.test(value);
}

/** What is wrong with labels and annotations. */
export function mapCauses(labels: Readonly<Record<string, string>>, annotations: Readonly<Record<string, string>>): StatusCause[] {
  const causes: StatusCause[] = [];
  const add = (field: string, value: string, what: string) =>
    causes.push({ reason: 'FieldValueInvalid', message: `Invalid value: ${JSON.stringify(value)}: ${what}`, field });
  for (const [key, value] of Object.entries(labels)) {
    if (!isQualifiedName(key))
      add(
        'metadata.labels',
        key,
        'name part must be 1 to 63 alphanumeric characters, "-", "_" or ".", after an optional DNS prefix and "/"',
      );
    if (!isLabelValue(value))
      add(
        'metadata.labels',
        value,
        'a valid label value is empty or at most 63 alphanumeric characters, "-", "_" or ".", and starts and ends with an alphanumeric one',
      );
  }
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) {
    size += key.length + value.length;
    if (!isQualifiedName(key.toLowerCase()))
      add(
        'metadata.annotations',
        key,
        'name part must be 1 to 63 alphanumeric characters, "-", "_" or ".", after an optional DNS prefix and "/"',
      );
  }
  if (size > annotationsLimitBytes) {
    causes.push({
      reason: 'FieldValueTooLong',
      message: `Too long: may not be more than ${annotationsLimitBytes} bytes`,
      field: 'metadata.annotations',
    });
  }
  return causes;
}
