/** `npm run acceptance [-- set ...]`: runs the sets (all by default) and prints `set passed/failed/skipped`. */
import { acceptanceDir, acceptanceSets, tally } from './sets.ts';

const dir = acceptanceDir();
if (!dir) {
  console.error(`acceptance: ${process.env.ACCEPTANCE_DIR ?? '../shared/acceptance'} is not there; name the folder with ACCEPTANCE_DIR`);
  process.exit(69);
}
const sets = await acceptanceSets();
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !sets.some((set) => set.name === name));
if (unknown.length > 0) {
  console.error(`acceptance: unknown set ${unknown.join(', ')}; there are ${sets.map(({ name }) => name).join(', ')}`);
  process.exit(64);
}

let failures = 0;
for (const set of sets.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  const results = await set.run(dir);
  const { passed, failed, skipped } = tally(results);
  failures += failed;
  console.log(`${set.name} ${passed}/${failed}/${skipped}`);
  for (const { case: name, outcome, reason } of results)
    if (outcome === 'failed') console.log(`  failed: ${name}${reason ? `: ${reason}` : ''}`);
  const reasons = Map.groupBy(
    results.filter(({ outcome }) => outcome === 'skipped'),
    ({ reason }) => reason ?? 'no reason given',
  );
  for (const [reason, cases] of reasons) console.log(`  skipped: ${cases.length} x ${reason}`);
}
process.exit(failures > 0 ? 1 : 0);
