import { compileRegex } from '#regex/regex.ts';
import { isCidr, isIp } from '../address.ts';
import { parseDuration } from '../duration.ts';
import type { Issue, Path } from '../issue.ts';
import type { ProblemCode } from '../problems.ts';

/** Collects the issues of one object. */
export type Report = (code: ProblemCode, path: Path, message: string, fix?: string) => void;

export function collector(): { readonly issues: Issue[]; readonly report: Report } {
  const issues: Issue[] = [];
  return { issues, report: (code, path, message, fix) => void issues.push(fix ? { code, path, message, fix } : { code, path, message }) };
}

const hostLabel = /^[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?$/;
const wildcardLabel = /^(\*|(\*-?)?[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?)$/;

/** A lower-case name of at most 63 letters, digits and dashes (RFC 1123). */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
}

/** A host name of valid labels, at most 255 characters, whose last label is not a number. A dot may end it. */
export function isFqdn(text: string): boolean {
  return isDomain(text, hostLabel);
}

/** As `isFqdn`; the first label may be `*`, or begin with `*` or `*-`. */
export function isWildcardDomain(text: string): boolean {
  return isDomain(text, wildcardLabel);
}

function isDomain(text: string, first: RegExp): boolean {
  if (text === '' || text.length > 255) return false;
  const labels = text.split('.');
  if (labels.length > 1 && labels.at(-1) === '') labels.pop();
  const isEachValid = labels.every((label, i) => label.length <= 63 && (i === 0 ? first : hostLabel).test(label));
  return isEachValid && !/^\d+$/.test(labels.at(-1) ?? '');
}

export function checkPort(port: number | undefined, path: Path, report: Report): void {
  if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65535) {
    report('MW0202', path, `expected a port from 1 to 65535, found ${port ?? 'none'}`);
  }
}

export function checkRegex(source: string, path: Path, report: Report): void {
  if (source.length > 1024) report('MW0203', path, `the expression has ${source.length} characters, the limit is 1024`);
  const { error } = compileRegex(source);
  if (error !== undefined) report('MW0203', path, `\`${source.slice(0, 60)}\` is not valid RE2: ${error}`);
}

/** At least `leastMs`, in whole milliseconds. Decoding has checked that the text is a duration. */
export function checkDuration(text: string | undefined, path: Path, report: Report, leastMs = 1): void {
  if (text === undefined) return;
  const ms = parseDuration(text);
  if (ms === undefined) return;
  if (ms < leastMs) report('MW0208', path, `expected at least ${leastMs}ms, found \`${text}\``);
  else if (!Number.isInteger(ms)) report('MW0208', path, `expected whole milliseconds, found \`${text}\``);
}

export function checkPercent(value: number | undefined, path: Path, report: Report): void {
  if (value !== undefined && (value < 0 || value > 100)) report('MW0214', path, `expected a percentage from 0 to 100, found ${value}`);
}

/** Percentages that become millionths: nothing between 0 and 0.0001 can be expressed. */
export function checkFinePercent(percent: { readonly value?: number } | undefined, path: Path, report: Report): void {
  const value = percent?.value;
  if (value === undefined) return;
  if (value < 0 || value > 100) report('MW0214', path, `expected a percentage from 0 to 100, found ${value}`);
  else if (value > 0 && value < 0.0001) report('MW0214', path, `expected 0 or at least 0.0001, found ${value}`);
}

export function checkSubnet(text: string, path: Path, report: Report): void {
  if (!isIp(text) && !isCidr(text)) report('MW0211', path, `\`${text}\` is neither an IP address nor a CIDR such as 10.0.0.0/8`);
}

const labelName = /^([a-zA-Z0-9]([-a-zA-Z0-9_.]*[a-zA-Z0-9])?)$/;

/** Kubernetes' rules for label names (with optional DNS prefix) and values. */
export function checkLabels(labels: Readonly<Record<string, string>> | undefined, path: Path, report: Report): void {
  for (const [name, value] of Object.entries(labels ?? {})) {
    const [prefix, rest, ...more] = name.includes('/') ? name.split('/') : [undefined, name];
    const isNameValid =
      more.length === 0 && rest !== undefined && rest.length <= 63 && labelName.test(rest) && (prefix === undefined || isFqdn(prefix));
    if (!isNameValid) report('MW0212', [...path, name], `\`${name}\` is not a valid label name`);
    if (value !== '' && (value.length > 63 || !labelName.test(value)))
      report('MW0212', [...path, name], `\`${value}\` is not a valid label value`);
  }
}

/** Rules of a selector: no empty names, no wildcards; one without labels selects everything, which is seldom meant. */
export function checkSelector(labels: Readonly<Record<string, string>> | undefined, path: Path, report: Report): void {
  if (Object.keys(labels ?? {}).length === 0) {
    report(
      'IST0133',
      path,
      'the selector has no labels, so it selects every workload of the namespace',
      'Name labels, or leave the selector out.',
    );
  }
  for (const [name, value] of Object.entries(labels ?? {})) {
    if (name === '') report('MW0212', path, 'the name of a label is empty');
    if (name.includes('*') || value.includes('*')) report('MW0212', [...path, name], 'wildcards are not supported in selectors');
  }
}

export interface ExportContext {
  readonly namespace: string;
  /** ServiceEntries may be exported to nobody (`~`). */
  readonly allowsNone?: boolean;
  /** A DestinationRule with workloadSelector concerns its own namespace only. */
  readonly isOwnOnly?: boolean;
}

export function checkExportTo(exportTo: readonly string[] | undefined, context: ExportContext, report: Report): void {
  if (!exportTo || exportTo.length === 0) return;
  const path = ['spec', 'exportTo'];
  const seen = new Set<string>();
  for (const [i, to] of exportTo.entries()) {
    if (seen.has(to)) report('MW0209', [...path, i], `\`${to}\` stands twice`);
    seen.add(to);
    if (to === '~' && !context.allowsNone) report('MW0209', [...path, i], '`~` (nobody) is possible for a ServiceEntry only');
    else if (to !== '*' && to !== '.' && to !== '~' && !isDnsLabel(to)) {
      report('MW0209', [...path, i], `\`${to}\` is neither a namespace nor \`.\` or \`*\``);
    }
  }
  if (seen.has('*') && seen.size > 1) report('MW0209', path, '`*` (all) stands beside others');
  if (seen.has('~') && seen.size > 1) report('MW0209', path, '`~` (nobody) stands beside others');
  if (seen.has('.') && seen.has(context.namespace)) report('MW0209', path, `\`.\` and \`${context.namespace}\` are the same namespace`);
  if (context.isOwnOnly && (exportTo.length > 1 || exportTo.some((to) => to !== '.' && to !== context.namespace))) {
    report('MW0209', path, 'an object with workloadSelector can be exported to its own namespace only');
  }
}
