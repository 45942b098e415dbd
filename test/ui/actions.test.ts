/** Each action of the page by keyboard, and what the page does when things change or break. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { type Opened, type OpenOptions, openStage, type Stage } from './stage.ts';

describe('the page', () => {
  let stage: Stage | undefined;
  before(async (context) => {
    stage = await openStage(context as TestContext);
  });
  after(() => stage?.close());

  /** A test with a page of its own that must not complain. */
  const on = (what: string, path: string, run: (opened: Opened & { stage: Stage }) => Promise<void>, options: OpenOptions = {}) =>
    it(what, async (test) => {
      if (!stage) return test.skip('no browser');
      const opened = await stage.open(path, { reducedMotion: true, ...options });
      await run({ ...opened, stage });
      // That a request is refused is part of some tests; the browser notes it.
      const uncalled = opened.complaints.filter((complaint) => !/status of 4\d\d/.test(complaint));
      assert.deepEqual(uncalled, []);
      await opened.done();
      return undefined;
    });
  const focused = (page: Page) =>
    page.evaluate<string>("document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? ''");
  const reviewsYaml = async (from: Stage) => (await fetch(`${from.server.url}/api/v1/resources/vs/default/reviews/yaml`)).text();

  on('goes to its sections by keys, palette and links', '/now', async ({ page }) => {
    await page.waitForSelector('text=Busiest services');
    for (const [key, title] of [
      ['g', 'Graph'],
      ['s', 'Services'],
      ['w', 'Workloads'],
      ['p', 'Proxies'],
      ['c', 'Config'],
      ['n', 'Now'],
    ] as const) {
      await page.keyboard.press('g');
      await page.keyboard.press(key);
      await page.waitForSelector(`h1:text-is("${title}")`);
    }
    await page.keyboard.press('Control+k');
    await page.keyboard.type('ratings v1 workload');
    await page.waitForSelector('[role=option][aria-selected=true]:has-text("ratings-v1")');
    await page.keyboard.press('Enter');
    await page.waitForSelector('h1:text-is("ratings-v1")');
    assert.match(page.url(), /\/workloads\/default\/ratings-v1$/);
    await page.goBack();
    await page.waitForSelector('h1:text-is("Now")');
    await page.keyboard.press('?');
    await page.waitForSelector('dialog:has-text("Keyboard shortcuts")');
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
    await page.reload();
    await page.waitForSelector('h1:text-is("Now")');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to content');
  });

  on(
    'splits traffic by keyboard: difference, apply, watermark, what is seen, undo',
    '/services/default/reviews',
    async ({ page, stage, shoot }) => {
      const before = await reviewsYaml(stage);
      const handle = page.locator('[role=slider]').first();
      await handle.focus();
      for (const key of ['PageDown', 'PageDown', 'PageDown', 'ArrowLeft', 'ArrowRight']) await page.keyboard.press(key);
      assert.equal(await handle.getAttribute('aria-valuenow'), '50');
      await page.waitForSelector('.diff .added:has-text("weight: 50")');
      assert.match((await page.locator('.effect').textContent()) ?? '', /v1 −30 % \(about [\d.]+ requests\/s\), v3 \+30 %/);
      await shoot('split-preview');
      assert.equal(await reviewsYaml(stage), before, 'nothing is written before it is applied');
      await page.locator('button:text-is("Apply")').press('Enter');
      await page.waitForSelector('.write-bar:has-text("live on 6/6 proxies")');
      assert.match(await reviewsYaml(stage), /v1\n\s+weight: 50/);
      await shoot('split-applied');
      await page.waitForSelector('label:has-text("v1"):has-text("seen 50 %")', { timeout: 15_000 });
      await page.locator('.write-bar button:text-is("Undo")').press('Enter');
      await page.waitForSelector('.write-bar:has-text("Taken back")');
      assert.equal(await reviewsYaml(stage), before);
    },
  );

  on('splits traffic by dragging, and sets a weight by typing', '/services/default/reviews', async ({ page }) => {
    const bar = await page.locator('.split-bar').boundingBox();
    const handle = await page.locator('[role=slider]').first().boundingBox();
    assert.ok(bar && handle);
    await page.mouse.move(handle.x + handle.width / 2, handle.y + handle.height / 2);
    await page.mouse.down();
    await page.mouse.move(bar.x + bar.width * 0.25, bar.y + 10, { steps: 5 });
    await page.mouse.up();
    const weights = () =>
      page.locator('.split-weights input').evaluateAll((inputs) => inputs.map((input) => (input as unknown as { value: string }).value));
    assert.deepEqual(await weights(), ['25', '75', '0']);
    await page.waitForSelector('.diff .added:has-text("weight: 75")');
    await page.fill('[aria-label="Weight of v2 in percent"]', '40');
    assert.deepEqual(await weights(), ['15', '45', '40']);
    await page.waitForSelector('.diff .added:has-text("subset: v2")');
    await page.click('text=Discard');
    assert.deepEqual(await weights(), ['80', '20', '0']);
  });

  on(
    'edits an object: marks, review, apply, conflict, delete, undo',
    '/config/VirtualService/default/ratings',
    async ({ page, stage, shoot }) => {
      await page.waitForSelector('.cm-lint-marker-error');
      await page.waitForSelector('.problems:has-text("Use subset v1")');
      const type = async (text: string) => {
        await page.locator('.cm-content').focus();
        await page.keyboard.press('Control+a');
        await page.keyboard.insertText(text);
      };
      const yaml = await (await fetch(`${stage.server.url}/api/v1/resources/vs/default/ratings/yaml`)).text();
      await type(yaml.replace('hosts:', 'hsots:'));
      await page.keyboard.press('Control+s');
      await page.waitForSelector('[role=alert]:has-text("hsots")');
      await page.waitForSelector('.cm-lint-marker-error');
      await shoot('editor-problem');
      await type(yaml.replace('subset: v2', 'subset: v1'));
      await page.keyboard.press('Control+s');
      await page.waitForSelector('dialog .diff .added:has-text("subset: v1")');
      await shoot('editor-review');
      await page.locator('dialog button:text-is("Apply")').press('Enter');
      await page.waitForSelector('.write-bar:has-text("live on 6/6 proxies")');
      await type(yaml.replace('subset: v2', 'subset: v3'));
      const mine = page.waitForSelector('text=changed by someone else while you were editing');
      await stage.mesh.sources.resources.remove({ kind: 'VirtualService', namespace: 'default', name: 'ratings' }, { dryRun: false });
      await stage.mesh.sources.resources.write(
        {
          apiVersion: 'networking.istio.io/v1',
          kind: 'VirtualService',
          metadata: { name: 'ratings', namespace: 'default' },
          spec: { hosts: ['ratings'], http: [{ route: [{ destination: { host: 'ratings' } }] }] },
        },
        { dryRun: false, fieldValidation: 'Strict' },
      );
      await mine;
      await page.click('text=Discard mine, show theirs');
      await page.waitForFunction("!document.querySelector('.cm-content').textContent.includes('subset')");
      await page.locator('button:text-is("Delete")').press('Enter');
      await page.locator('dialog button:text-is("Delete")').press('Enter');
      await page.waitForSelector('.write-bar:has-text("Deleted VirtualService ratings")');
      await page.waitForSelector('h1:text-is("Config")');
      await page.locator('.write-bar button:text-is("Undo")').press('Enter');
      await page.waitForSelector('td:has-text("ratings")');
    },
  );

  on('creates an object from a template', '/config/DestinationRule', async ({ page }) => {
    await page.click('text=New object');
    await page.waitForSelector('.cm-content:has-text("my-destinationrule")');
    await page.click('text=Review changes');
    await page.locator('dialog button:text-is("Apply")').press('Enter');
    await page.waitForSelector('h1:text-is("my-destinationrule")');
  });

  on('walks the graph by arrows, opens details, finds, and shows the same as a table', '/graph', async ({ page }) => {
    await page.waitForSelector('canvas >> nth=0');
    await page.locator('.graph-canvas').focus();
    const selected = () => new URL(page.url()).searchParams.get('node');
    await page.keyboard.press('ArrowRight');
    assert.ok(selected(), 'the first arrow chooses a node');
    await page.goto(`${new URL(page.url()).origin}/graph?node=service%2Fdefault%2Fproductpage`);
    await page.waitForSelector('.drawer h2:has-text("productpage")');
    await page.locator('.graph-canvas').focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(selected(), 'workload/default/productpage-v1');
    await page.keyboard.press('ArrowRight');
    assert.match(selected() ?? '', /^service\/default\/(reviews|details)$/);
    await page.waitForSelector('[role=status]:has-text("requests per second")', { state: 'attached' });
    await page.locator('.graph-canvas').focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('h1:text-matches("^(reviews|details)$")');
    await page.goBack();
    await page.waitForSelector('.drawer');
    await page.locator('.drawer').press('Escape');
    await page.waitForSelector('.drawer', { state: 'detached' });
    await page.click('label:has-text("Table")');
    await page.fill('[type=search]', 'kind=service errors>5');
    await page.waitForFunction("document.querySelectorAll('tbody tr').length === 2");
    assert.match(page.url(), /as=table&q=kind%3Dservice\+errors%3E5/);
  });

  on(
    'explains a request and keeps the question in the address',
    '/workloads/default/productpage-v1?tab=explain&to=reviews:9080',
    async ({ page, shoot }) => {
      await page.fill('label:has-text("Headers") input', 'end-user=jason');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.explain-answer:has-text("has prefix /")');
      await page.waitForSelector('.explain-answer td[title^="outbound|"]:has-text("subset v1, port 9080")');
      assert.match(page.url(), /headers=end-user%3Djason/);
      assert.match(
        (await page.locator('p.command-line code').textContent()) ?? '',
        /explain request --from productpage-v1 --to reviews:9080 --path \/ -H end-user=jason/,
      );
      await shoot('explained');
    },
  );

  on('taps, filters and pauses', '/services/default/reviews?tab=requests', async ({ page, shoot }) => {
    await page.waitForSelector('td:has-text("503")', { timeout: 15_000 });
    await page.click('text=Only failed');
    await page.waitForFunction("[...document.querySelectorAll('tbody tr')].every((row) => row.textContent.includes('503'))");
    await shoot('tap-failed');
    await page.click('text=Pause');
    await page.click('text=Only failed');
    const count = await page.locator('tbody tr').count();
    await page.waitForTimeout(600);
    assert.equal(await page.locator('tbody tr').count(), count);
  });

  on('shows and copies the command of a view', '/proxies', async ({ page }) => {
    await page.locator('text=Show command').press('Enter');
    await page.waitForSelector('.commands code:text-is("meshwright proxy status")');
    await page.locator('.commands [aria-label="Copy command"]').press('Enter');
    await page.waitForSelector('.commands [aria-label="Copied"]');
    assert.equal(await page.evaluate('navigator.clipboard.readText()'), 'meshwright proxy status');
  });

  on('sorts and filters tables into the address', '/services', async ({ page }) => {
    await page.waitForSelector('td >> text=ratings');
    await page.locator('th button:has-text("Req/s")').press('Enter');
    await page.waitForSelector('th[aria-sort=descending]');
    assert.match((await page.locator('tbody tr').last().textContent()) ?? '', /ratings/);
    await page.locator('th button:has-text("Req/s")').press('Enter');
    await page.waitForSelector('th[aria-sort=ascending]');
    assert.match((await page.locator('tbody tr').first().textContent()) ?? '', /ratings/);
    const copied = async (label: string) => {
      await page.locator(`[aria-label="${label}"]`).press('Enter');
      await page.waitForSelector('[aria-label="Copied"]');
      return page.evaluate<string>('navigator.clipboard.readText()');
    };
    assert.match(
      await copied('Copy as CSV'),
      /^health,name,namespace,ports,endpoints,rps,errors,p50,p99\r\nbad,ratings,default,9080\/http,1\/1,[\d.]+,0\.1\d*,/,
    );
    await page.waitForSelector('[aria-label="Copied"]', { state: 'detached' });
    const rows: unknown = JSON.parse(await copied('Copy as JSON'));
    assert.ok(Array.isArray(rows) && rows.length === 4 && typeof rows[0].rps === 'number' && rows[0].name === 'ratings');
    await page.fill('[aria-label="Filter services"]', 'rev');
    await page.waitForFunction("document.querySelectorAll('tbody tr').length === 1");
    assert.match(page.url(), /sort=rps%3Aup&q=rev/);
  });

  on('switches its theme and remembers it', '/now', async ({ page }) => {
    const background = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await background();
    await page.locator('[aria-label^="Theme"]').press('Enter');
    await page.locator('[aria-label^="Theme"]').press('Enter');
    const dark = await background();
    assert.notEqual(dark, light);
    await page.reload();
    assert.equal(await background(), dark);
  });

  on(
    'reads only without the token, and is unlocked by it',
    '/services/default/reviews',
    async ({ page }) => {
      await page.locator('[role=slider]').first().press('ArrowLeft');
      await page.waitForSelector('text=open for reading only');
      assert.ok(await page.locator('button:text-is("Apply")').isDisabled());
      await page.locator('button:has-text("Read only")').press('Enter');
      await page.fill('dialog input', 'token-of-the-page-tests');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.diff .added:has-text("weight: 79")');
      assert.ok(await page.locator('button:text-is("Apply")').isEnabled());
    },
    { readOnly: true },
  );

  it('is unlocked by its link, which leaves no trace in the address', async (test) => {
    if (!stage) return test.skip('no browser');
    const link = new URL(stage.server.openLink());
    const { page, complaints, done } = await stage.open(`/now${link.hash}`, { readOnly: true });
    await page.waitForSelector('text=Busiest services');
    await page.waitForFunction("location.hash === ''");
    assert.equal(await page.locator('button:has-text("Read only")').count(), 0);
    assert.deepEqual(complaints, []);
    await done();
    return undefined;
  });

  it('follows the mesh, and says so when it no longer can', async (test) => {
    const own = await openStage(test);
    if (!own) return;
    const { page, shoot, done } = await own.open('/now', { reducedMotion: true });
    await page.waitForSelector('.live.live');
    own.mesh.rejectPushes('details-v1', 'a regular expression that cannot be compiled');
    await page.waitForSelector('.finding:has-text("details-v1 rejected its RDS configuration")');
    own.mesh.rejectPushes('details-v1', undefined);
    await page.waitForSelector('.finding:has-text("details-v1 rejected")', { state: 'detached' });
    await own.server.close();
    await page.waitForSelector('[role=alert]:has-text("does not answer")');
    assert.ok(await page.locator('td >> text=productpage').count(), 'what was known stays');
    await shoot('stale');
    await done();
    await own.close();
  });
});
