import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import { closest } from './closest.ts';
import { decodeMeta } from './decode-meta.ts';
import { isObject, walk } from './decode-value.ts';
import { formatPath, type Issue, type Path } from './issue.ts';
import type { Decoded, ObjectMeta } from './object.ts';
import { problemTable } from './problems.ts';
import type { Schema } from './schema.ts';

/** 1-based place of a value in its text. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface DecodeOptions {
  /** Where the value (or, with `key`, the name) at a path stands; `position` of a YAML document fits. */
  readonly position?: (path: Path, part: 'key' | 'value') => Position | undefined;
  /** Severity of unknown fields; `error` unless the object comes from an API server that may be newer than this program. */
  readonly unknownFields?: 'error' | 'warning';
  /** Namespace of namespaced objects that name none; `default` when unset. */
  readonly defaultNamespace?: string;
}

/** What decoding must know of a kind. */
export interface DecodeTable<Spec> {
  /** Empty for the core group. */
  readonly group: string;
  /** Every served version; the first is the newest and the one stored. */
  readonly versions: readonly string[];
  readonly kind: string;
  readonly namespaced: boolean;
  /** Whether the `status` subresource exists: only writes to it change `status`, and only writes beside it raise the generation. */
  readonly hasStatus: boolean;
  /** Where the described content stands: in `spec`, or in the object itself beside `metadata` (ConfigMap, EndpointSlice). */
  readonly body: 'spec' | 'object';
  /** Schema of `spec`, or of the object's own fields when `body` is `object`. */
  readonly schema: Schema<Spec>;
  /** Rules that a schema cannot say; called only when the schema found no error. */
  readonly validate?: (spec: Spec, meta: ObjectMeta) => readonly Issue[];
}

/** Decodes one object by its kind's table: every problem at once, the resource when none is an error. */
export function decodeObject<Spec>(table: DecodeTable<Spec>, raw: unknown, origin: Origin, options: DecodeOptions): Decoded<Spec> {
  const issues: Issue[] = [];
  if (!isObject(raw)) {
    issues.push({ code: 'MW0105', path: [], message: 'the document is not an object with apiVersion, kind and metadata' });
    return { problems: toProblems(issues, origin, options) };
  }
  const apiVersion = checkVersion(table, raw, issues);
  const metadata = decodeMeta(
    raw.metadata,
    { isNamespaced: table.namespaced, defaultNamespace: options.defaultNamespace ?? 'default' },
    issues,
  );
  if (table.group.endsWith('istio.io')) issues.push(...annotationIssues(metadata.annotations));
  const spec = decodeBody(table, raw, issues);
  if (spec !== undefined && issues.every((issue) => severityOf(issue, options) !== 'error')) {
    issues.push(...(table.validate?.(spec, metadata) ?? []));
  }
  const place: Origin = { ...origin, kind: `${apiVersion}/${table.kind}`, name: metadata.name };
  const where = {
    ...place,
    ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
    ...(metadata.generation ? { generation: metadata.generation } : {}),
  };
  const problems = toProblems(issues, where, options);
  if (spec === undefined || problems.some((problem) => problem.severity === 'error')) return { problems };
  const status = table.hasStatus && isObject(raw.status) ? { status: raw.status } : {};
  return { resource: { apiVersion, kind: table.kind, metadata, spec, ...status, origin: where }, problems };
}

/** Annotations that only other kinds, or nobody, may carry. Istio 1.30: pkg/config/validation. */
function annotationIssues(annotations: Readonly<Record<string, string>>): Issue[] {
  const path = (name: string) => ['metadata', 'annotations', name];
  return [
    ...('internal.istio.io/webhook-always-reject' in annotations
      ? [
          {
            code: 'MW0109' as const,
            path: path('internal.istio.io/webhook-always-reject'),
            message: 'the annotation asks for the object to be refused',
          },
        ]
      : []),
    ...('istio.io/dry-run' in annotations
      ? [{ code: 'MW0109' as const, path: path('istio.io/dry-run'), message: 'only an AuthorizationPolicy can be tried without effect' }]
      : []),
  ];
}

function checkVersion(
  table: Pick<DecodeTable<unknown>, 'group' | 'versions' | 'kind'>,
  raw: Readonly<Record<string, unknown>>,
  issues: Issue[],
): string {
  const versions = table.versions.map((version) => (table.group === '' ? version : `${table.group}/${version}`));
  const apiVersion = typeof raw.apiVersion === 'string' ? raw.apiVersion : '';
  if (!versions.includes(apiVersion) || raw.kind !== table.kind) {
    const message = `expected kind ${table.kind} with apiVersion ${versions.join(' or ')}, found ${String(raw.kind)} with ${apiVersion || 'none'}`;
    issues.push({ code: 'MW0107', path: ['apiVersion'], message });
  }
  return apiVersion;
}

function decodeBody<Spec>(table: DecodeTable<Spec>, raw: Readonly<Record<string, unknown>>, issues: Issue[]): Spec | undefined {
  const own = new Set(['apiVersion', 'kind', 'metadata', ...(table.hasStatus ? ['status'] : [])]);
  if (table.body === 'object') {
    const body = Object.fromEntries(Object.entries(raw).filter(([name]) => !own.has(name)));
    return walk<Spec>(table.schema, body, [], issues);
  }
  own.add('spec');
  for (const name of Object.keys(raw)) {
    if (own.has(name)) continue;
    const near = closest(name, [...own]);
    issues.push({ code: 'MW0110', path: [name], message: `unknown field \`${name}\`${near ? `, did you mean \`${near}\`?` : ''}` });
  }
  return walk<Spec>(table.schema, raw.spec ?? {}, ['spec'], issues);
}

function severityOf(issue: Issue, options: DecodeOptions): Problem['severity'] {
  if (issue.code === 'MW0110' && options.unknownFields) return options.unknownFields;
  return problemTable[issue.code].severity;
}

function toProblems(issues: readonly Issue[], origin: Origin, options: DecodeOptions): Problem[] {
  return issues.map((issue) => ({
    code: issue.code,
    severity: severityOf(issue, options),
    path: formatPath(issue.path),
    message: issue.message,
    fix: issue.fix ?? problemTable[issue.code].fix,
    origin,
    ...options.position?.(issue.path, issue.code === 'MW0110' ? 'key' : 'value'),
  }));
}
