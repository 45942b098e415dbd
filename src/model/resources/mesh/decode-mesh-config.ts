import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import { parseYaml } from '#yaml/document.ts';
import { walk } from '../decode-value.ts';
import { formatPath, type Issue } from '../issue.ts';
import { problemTable } from '../problems.ts';
import { type MeshConfig, meshConfigSchema } from './mesh-config.ts';
import { meshConfigIssues, unusedFields } from './mesh-config-rules.ts';

/** A mesh configuration that was read: there only when no problem is an error. */
export interface DecodedMeshConfig {
  readonly mesh?: MeshConfig;
  readonly problems: readonly Problem[];
}

/**
 * Checks a mesh configuration that is a plain value, and fills in what it leaves out. Paths of issues begin at its fields.
 * Unknown fields alone do not keep the rest from being read: whether they are errors is the caller's to say.
 */
export function readMeshConfig(value: unknown): { readonly mesh?: MeshConfig; readonly issues: readonly Issue[] } {
  const issues: Issue[] = [];
  const mesh = walk(meshConfigSchema, value ?? {}, [], issues);
  const isRefused = () => issues.some(({ code }) => code !== 'MW0110' && problemTable[code].severity === 'error');
  if (mesh === undefined || isRefused()) return { issues };
  issues.push(...meshConfigIssues(mesh));
  issues.push(...unusedFields(meshConfigSchema, value));
  return isRefused() ? { issues } : { mesh, issues };
}

/** What holds where nobody has said anything. */
export const defaultMeshConfig: MeshConfig = defaults();

function defaults(): MeshConfig {
  const { mesh } = readMeshConfig({});
  if (!mesh) throw new TypeError('the defaults of the mesh configuration are not valid');
  return mesh;
}

/**
 * Reads a mesh configuration from its YAML text, or from a value. Every problem at once; with a text they carry line and
 * column. An empty text is an empty configuration: all defaults. Never throws.
 */
export function decodeMeshConfig(source: string | object, origin: Origin): DecodedMeshConfig {
  const documents = typeof source === 'string' ? parseYaml(source, origin.file) : [];
  const [first, second] = documents;
  const broken = documents.flatMap((document) => document.problems);
  if (broken.length > 0) return { problems: broken.map((problem) => ({ ...problem, origin })) };
  if (second) {
    const message = 'the text holds several documents, a mesh configuration is one';
    return {
      problems: [toProblem({ code: 'MW0105', path: [], message, fix: 'Keep one document.' }, origin, { line: second.line, column: 1 })],
    };
  }
  const { mesh, issues } = readMeshConfig(typeof source === 'string' ? first?.value : source);
  const problems = issues.map((issue) => toProblem(issue, origin, first?.position(issue.path, isAboutName(issue) ? 'key' : 'value')));
  return mesh && problems.every(({ severity }) => severity !== 'error') ? { mesh, problems } : { problems };
}

function isAboutName({ code }: Issue): boolean {
  return code === 'MW0110' || code === 'MW0119';
}

function toProblem(issue: Issue, origin: Origin, at: { readonly line: number; readonly column: number } | undefined): Problem {
  const { severity, fix } = problemTable[issue.code];
  return { code: issue.code, severity, path: formatPath(issue.path), message: issue.message, fix: issue.fix ?? fix, origin, ...at };
}
