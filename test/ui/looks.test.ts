/** Every view in both themes: drawn without errors, without axe violations, without sideways scrolling. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { openStage, type Stage } from './stage.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const proxy = encodeURIComponent('sidecar~127.64.16.1~productpage-v1.default~default.svc.cluster.local');

/** A view and what must be on the screen before it is judged. */
const views = [
  ['now', '/now', 'text=ratings fails 12 % of its requests'],
  ['graph', '/graph', 'canvas >> nth=0'],
  ['graph-details', '/graph?node=service%2Fdefault%2Freviews', '[role=slider] >> nth=0'],
  ['graph-table', '/graph?as=table', 'table >> text=productpage-v1 >> nth=0'],
  ['services', '/services', 'td >> text=productpage'],
  ['service', '/services/default/reviews', '[role=slider] >> nth=0'],
  ['service-traffic', '/services/default/reviews?tab=traffic', '[role=tabpanel]'],
  ['service-requests', '/services/default/reviews?tab=requests', 'td >> text="/reviews/1" >> nth=0'],
  ['workloads', '/workloads', 'td >> text=reviews-v3'],
  ['workload', '/workloads/default/reviews-v2', 'text=answers'],
  ['workload-explain', '/workloads/default/productpage-v1?tab=explain', 'button:has-text("Explain") >> nth=-1'],
  ['proxies', '/proxies', 'td >> text=ratings-v1'],
  ['proxy', `/proxies/${proxy}`, 'td >> text=RDS'],
  ['proxy-routes', `/proxies/${proxy}?tab=routes&item=9080+reviews`, 'section.code-block'],
  ['config', '/config', 'td >> text=1 error'],
  ['object', '/config/VirtualService/default/ratings', '.cm-lint-marker'],
  ['new-object', '/config/VirtualService?new=1', '.cm-content'],
] as const;

describe('every view', () => {
  let stage: Stage | undefined;
  before(async (context) => {
    stage = await openStage(context as TestContext);
  });
  after(() => stage?.close());

  for (const theme of ['light', 'dark'] as const) {
    it(`has no axe violation, ${theme}`, async (test) => {
      if (!stage) return test.skip('no browser');
      const { page, complaints, shoot, done } = await stage.open('/now', { theme, reducedMotion: true });
      await page.evaluate(axe);
      const found: string[] = [];
      for (const [name, path, ready] of views) {
        await show(page, path);
        await page.waitForSelector(ready);
        await shoot(name);
        for (const violation of await violations(page)) found.push(`${name}: ${violation}`);
      }
      assert.deepEqual(found, []);
      await page.evaluate("document.querySelector('main').append(document.createElement('button'))");
      assert.match((await violations(page)).join(), /button-name/, 'a planted violation is seen');
      assert.deepEqual(complaints, []);
      await done();
    });
  }

  for (const [what, width, height] of [
    ['1024 px', 1024, 768],
    ['200 % zoom of 1440 px', 720, 450],
  ] as const) {
    it(`does not scroll sideways at ${what}`, async (test) => {
      if (!stage) return test.skip('no browser');
      const { page, shoot, done } = await stage.open('/now', { width, height, reducedMotion: true });
      const wide: string[] = [];
      for (const [name, path, ready] of views) {
        await show(page, path);
        await page.waitForSelector(ready);
        await shoot(name);
        const overflow = await page.evaluate<number>(`(() => {
          const main = document.querySelector('main');
          return main.scrollWidth - main.clientWidth;
        })()`);
        if (overflow !== 0) wide.push(`${name}: ${overflow} px too wide`);
      }
      assert.deepEqual(wide, []);
      await done();
    });
  }

  it('loads with at most 350 KB', async (test) => {
    if (!stage) return test.skip('no browser');
    const { page, done } = await stage.open('/now');
    await page.waitForSelector('text=things are wrong');
    const bytes = await page.evaluate<number>(
      "performance.getEntriesByType('resource').reduce((sum, entry) => sum + (entry.encodedBodySize ?? 0), 0)",
    );
    assert.ok(bytes > 50_000 && bytes <= 350_000, `${bytes} bytes`);
    await done();
  });
});

/** Goes to a view as the page itself does, so that axe need not be put in again. */
async function show(page: Page, path: string): Promise<void> {
  await page.evaluate(`history.pushState(null, '', ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent('popstate'));`);
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

async function violations(page: Page): Promise<string[]> {
  const found = await page.evaluate<{ violations: Violation[] }>("axe.run({ resultTypes: ['violations'], iframes: false })");
  return found.violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join(' | ')}`,
  );
}
