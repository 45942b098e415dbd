/** Links between the Markdown pages: files and headings must exist. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** One line per broken link. */
export function checkLinks(root) {
  return pagesOf(root).flatMap((page) => {
    const text = withoutCode(readFileSync(join(root, page), 'utf8'));
    return [...text.matchAll(/\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)].flatMap(([, target]) => {
      const problem = problemOf(root, page, target);
      return problem ? [`${page}: ${target} ${problem}`] : [];
    });
  });
}

function problemOf(root, page, target) {
  if (/^(https?:|mailto:)/.test(target)) return undefined;
  const [path, anchor] = target.split('#');
  const file = path ? resolve(root, dirname(page), decodeURIComponent(path)) : join(root, page);
  if (!existsSync(file)) return 'does not exist';
  if (relative(root, file).startsWith('..')) return 'is outside of the repository';
  if (anchor === undefined || !statSync(file).isFile() || !file.endsWith('.md')) return undefined;
  return anchorsOf(readFileSync(file, 'utf8')).has(anchor.toLowerCase()) ? undefined : 'names a heading that does not exist';
}

/** Headings' anchors as GitHub makes them, and explicit ones. */
function anchorsOf(text) {
  const anchors = new Set([...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id]) => id.toLowerCase()));
  const seen = new Map();
  for (const [, heading] of withoutCode(text, false).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

function withoutCode(text, inline = true) {
  const fenced = text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '');
  return inline ? fenced.replace(/`[^`\n]*`/g, '') : fenced;
}

function pagesOf(root) {
  const top = readdirSync(root).filter((name) => name.endsWith('.md'));
  const below = ['docs', 'src', 'demo', 'test', 'fixtures', 'bench', 'deploy', 'web'].flatMap((folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
          .filter((entry) => entry.isFile() && entry.name.endsWith('.md') && !entry.parentPath.includes('node_modules'))
          .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      : [],
  );
  return [...top, ...below];
}
