import type { Origin } from '#base/origin.ts';
import type { Problem } from '#base/problem.ts';
import { type Position, parseYaml } from '#yaml/document.ts';
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

/** An issue with its place in the text. */
interface PlacedIssue extends Issue {
  readonly at?: Position;
}

/** Reads the YAML text of a mesh configuration, as `readMeshConfig` reads its value. An empty text means all defaults. */
export function readMeshText(text: string): { readonly mesh?: MeshConfig; readonly issues: readonly PlacedIssue[] } {
  const documents = parseYaml(text);
  const broken = documents.flatMap((document) => document.problems);
  if (broken.length > 0) return { issues: broken.map(fromYaml) };
  const [first, second] = documents;
  if (second) {
    const message = 'the text holds several documents, a mesh configuration is one';
    return { issues: [{ code: 'MW0105', path: [], message, fix: 'Keep one document.', at: { line: second.line, column: 1 } }] };
  }
  const { mesh, issues } = readMeshConfig(first?.value);
  const placed = issues.map((issue) => {
    const at = first?.position(issue.path, issue.code === 'MW0110' || issue.code === 'MW0119' ? 'key' : 'value');
    return at ? { ...issue, at } : issue;
  });
  return mesh ? { mesh, issues: placed } : { issues: placed };
}

function fromYaml({ code, message, fix, line = 1, column = 1 }: Problem): PlacedIssue {
  const known = (['MW0102', 'MW0103', 'MW0104'] as const).find((one) => one === code);
  return { code: known ?? 'MW0101', path: [], message, fix, at: { line, column } };
}

/** Reads a mesh configuration from its YAML text, or from a value. Every problem at once; those of a text have line and column. Never throws. */
export function decodeMeshConfig(source: string | object, origin: Origin): DecodedMeshConfig {
  const { mesh, issues } = typeof source === 'string' ? readMeshText(source) : readMeshConfig(source);
  const problems = issues.map((issue) => toProblem(issue, origin));
  return mesh && problems.every(({ severity }) => severity !== 'error') ? { mesh, problems } : { problems };
}

function toProblem({ code, path, message, fix, at }: PlacedIssue, origin: Origin): Problem {
  const entry = problemTable[code];
  return { code, severity: entry.severity, path: formatPath(path), message, fix: fix ?? entry.fix, origin, ...at };
}
