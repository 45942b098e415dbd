/** Refreshes `want` of every scenario (or of those named): review the difference before committing it. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadScenario, scenarioNames, scenariosFolder, wantedFiles } from '../test/sim/scenario.ts';

const wanted = process.argv.slice(2);
for (const name of scenarioNames().filter((name) => wanted.length === 0 || wanted.includes(name))) {
  const files = wantedFiles(loadScenario(name));
  const folder = join(scenariosFolder, name, 'want');
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  console.log(`${name}: ${files.size} files`);
}
