import type { BrowserContext, Page, Request, Route } from 'playwright';
import { expect } from 'vitest';
import { PATIENCE_MS } from './browser.ts';

/** Parts of uploads that a test holds. */
export interface HeldUploads {
  /** Resolves when a part waits that was sent since the last call. */
  readonly waits: () => Promise<void>;
  /** Lets through the parts that wait, and all further ones. */
  readonly release: () => Promise<void>;
}

/** Lets the first part of an upload through, and holds all further ones. */
export async function holdUploads(pages: Page | BrowserContext): Promise<HeldUploads> {
  const held: Route[] = [];
  let first: Request | undefined;
  let seen = 0;
  let isReleased = false;
  await pages.route(/\/uploads\//, async (route) => {
    const request = route.request();
    if (request.method() === 'PATCH' && !isReleased) {
      if (first !== undefined) return void held.push(route);
      first = request;
    }
    await route.continue();
  });
  return {
    async waits() {
      await expect.poll(() => held.length, { timeout: PATIENCE_MS }).toBeGreaterThan(seen);
      seen = held.length;
    },
    async release() {
      isReleased = true;
      // Fails if the page has given up the request, or was reloaded.
      for (const route of held) await route.continue().catch(() => undefined);
    },
  };
}
