import { type Browser, chromium, type Page } from 'playwright';
import { ensureChromium, launchOptions } from '../../scripts/chromium.ts';

/** How long a condition may take on a slow machine. */
const PATIENCE_MS = 120_000;

/** A Chromium whose windows report everything that an author would see in the console. */
export interface Windows extends AsyncDisposable {
  /** Warnings and errors of the console, uncaught errors and failed requests of all windows so far. */
  readonly complaints: readonly string[];
  /** Opens a page in a profile of its own. */
  open(url: string): Promise<Page>;
}

export async function openWindows(): Promise<Windows> {
  ensureChromium();
  const browser: Browser = await chromium.launch(launchOptions());
  const complaints: string[] = [];
  return {
    complaints,
    async open(url) {
      const context = await browser.newContext();
      context.setDefaultTimeout(PATIENCE_MS);
      const page = await context.newPage();
      page.on('console', (message) => {
        const type = message.type();
        if (type === 'error' || type === 'warning') complaints.push(`${type}: ${message.text()}`);
      });
      page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
      page.on('response', (response) => {
        if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
      });
      await page.goto(url);
      return page;
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
