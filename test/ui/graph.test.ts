/** The graph of a mesh with many services, by keyboard and pointer. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { type Opened, type OpenOptions, openStage, type Stage } from './stage.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe('the graph of 304 services', () => {
  let stage: Stage | undefined;
  before(async (context) => {
    stage = await openStage(context as TestContext, { extraServices: 300 });
  });
  after(() => stage?.close());

  const on = (what: string, path: string, run: (opened: Opened) => Promise<void>, options: OpenOptions = {}) =>
    it(what, async (test) => {
      if (!stage) return test.skip('no browser');
      const opened = await stage.open(path, options);
      await opened.page.waitForSelector('canvas >> nth=0');
      await run(opened);
      assert.deepEqual(opened.complaints, []);
      await opened.done();
      return undefined;
    });
  const param = (page: Page, name: string) => new URL(page.url()).searchParams.get(name);

  for (const theme of ['light', 'dark'] as const) {
    on(
      `groups by namespace, opens a group by Enter, closes it, without axe violations, ${theme}`,
      '/graph',
      async ({ page, shoot }) => {
        await page.waitForSelector('.graph-groups:has-text("nodes, more than 150: grouped")');
        await shoot('graph-groups');
        await page.locator('.graph-canvas').focus();
        const said = page.locator('.graph-frame [role=status]');
        for (let press = 0; press < 40 && !(param(page, 'node') ?? '').startsWith('group/team-'); press++) {
          await page.keyboard.press(press ? 'ArrowDown' : 'ArrowRight');
        }
        const group = (param(page, 'node') ?? '').slice('group/'.length);
        assert.match(group, /^team-\d$/);
        assert.match((await said.textContent()) ?? '', new RegExp(`group of 30 nodes, Enter opens it ${group}`));
        await page.keyboard.press('Enter');
        await page.waitForSelector(`.graph-groups button:text-is("${group}")`);
        assert.equal(param(page, 'open'), group);
        assert.equal(param(page, 'node'), null);
        await shoot('graph-group-open');
        await page.evaluate(axe);
        const { violations } = await page.evaluate<{ violations: { id: string }[] }>("axe.run({ resultTypes: ['violations'] })");
        assert.deepEqual(violations, []);
        await page.locator(`.graph-groups button:text-is("${group}")`).press('Enter');
        assert.equal(param(page, 'open'), null);
        await page.locator('button:text-is("Open all")').press('Enter');
        await page.waitForSelector('.graph-groups:has-text("are shown")');
        assert.equal(param(page, 'open'), '*');
        await shoot('graph-all-open');
      },
      { theme, reducedMotion: true },
    );
  }

  on('lets dots run along the edges until they are switched off', '/graph?q=ns%3Ddefault', async ({ page, shoot }) => {
    await page.waitForFunction("Number(document.querySelector('.graph-particles')?.dataset.dots) > 3");
    await shoot('graph-particles');
    await page.locator('button:text-is("Particles")').press('Enter');
    await page.waitForSelector('.graph-particles:not([data-dots])', { state: 'attached' });
    assert.equal(param(page, 'particles'), 'off');
    await page.reload();
    await page.waitForSelector('button:text-is("Particles")[aria-pressed=false]');
  });

  on(
    'lets nothing run where less motion is asked for',
    '/graph?q=ns%3Ddefault',
    async ({ page }) => {
      assert.ok(await page.locator('button:text-is("Particles")').isDisabled());
      assert.equal(await page.locator('.graph-particles[data-dots]').count(), 0);
    },
    { reducedMotion: true },
  );

  on(
    'saves what it shows as SVG and as PNG',
    '/graph?q=ns%3Ddefault',
    async ({ page }) => {
      const saved = async (label: string) => {
        const [download] = await Promise.all([page.waitForEvent('download'), page.locator(`[aria-label="${label}"]`).press('Enter')]);
        return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
      };
      const svg = await saved('Save as SVG');
      assert.equal(svg.name, 'mesh.svg');
      assert.match(svg.content.toString(), /^<svg xmlns.*>productpage<.*>reviews-v2<.*<\/svg>\s*$/s);
      const png = await saved('Save as PNG');
      assert.equal(png.name, 'mesh.png');
      assert.equal(png.content.toString('latin1', 1, 4), 'PNG');
    },
    { reducedMotion: true },
  );
});
