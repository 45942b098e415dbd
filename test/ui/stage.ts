/** A browser and a server over simulated Bookinfo, for tests of the page. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { systemClock } from '#process/clock.ts';
import { logger } from '#process/log.ts';
import { createServer, type Server } from '#server/server.ts';
import { createFakeMesh, type FakeMesh } from '../support/fake-mesh.ts';
import { needPeer } from '../support/peers.ts';

const token = 'token-of-the-page-tests';
const webRoot = fileURLToPath(new URL('../../web/dist', import.meta.url));
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface Stage {
  readonly server: Server;
  readonly mesh: FakeMesh;
  readonly browser: Browser;
  /** A fresh page at a path, which may write unless `readOnly`. Errors of the page fail the test at `done`. */
  open(path: string, options?: OpenOptions): Promise<Opened>;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly theme?: 'light' | 'dark';
  readonly readOnly?: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly reducedMotion?: boolean;
}

export interface Opened {
  readonly page: Page;
  /** What the page complained about: uncaught errors and console errors. */
  readonly complaints: string[];
  /** Saves a picture when MESHWRIGHT_SHOTS names a folder. */
  shoot(name: string): Promise<void>;
  done(): Promise<void>;
}

/** undefined: there is no browser here, and the test is marked as skipped. */
export async function openStage(
  test: Pick<TestContext, 'skip'>,
  options: { readonly extraServices?: number } = {},
): Promise<Stage | undefined> {
  const executablePath = needPeer(test, 'chromium');
  if (!executablePath) return undefined;
  if (!existsSync(join(webRoot, 'index.html'))) throw new Error('web/dist is not built: run "npm run build -w web" first');
  const mesh = createFakeMesh({ clock: systemClock, ...options });
  const server = createServer({ sources: mesh.sources, token, port: 0, webRoot, clock: systemClock, log: logger('test') });
  await server.listen();
  const browser = await chromium.launch({ executablePath, headless: true, args: flags });
  return {
    server,
    mesh,
    browser,
    open: (path, openOptions = {}) => openPage(browser, server.url, path, openOptions),
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

async function openPage(browser: Browser, url: string, path: string, options: OpenOptions): Promise<Opened> {
  const { theme = 'light', width = 1440, height = 900 } = options;
  const context: BrowserContext = await browser.newContext({
    colorScheme: theme,
    viewport: { width, height },
    reducedMotion: options.reducedMotion ? 'reduce' : 'no-preference',
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  if (!options.readOnly) {
    const answer = await context.request.post(`${url}/api/v1/session`, { data: { token } });
    if (!answer.ok()) throw new Error(`no session: ${answer.status()} ${await answer.text()}`);
  }
  const page = await context.newPage();
  page.setDefaultTimeout(8_000);
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(url + path);
  return {
    page,
    complaints,
    async shoot(name) {
      const folder = process.env.MESHWRIGHT_SHOTS;
      if (!folder) return;
      mkdirSync(folder, { recursive: true });
      await page.screenshot({ path: join(folder, `${name}-${theme}-${width}.png`) });
    },
    done: () => context.close(),
  };
}
