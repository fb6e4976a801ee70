import { chromium, type Browser, type BrowserContext, type LaunchOptions, type Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';
import { launchOptions } from '../../scripts/chromium.ts';
import type { CommServerOptions } from '../../src/server/index.ts';
import { startFaultProxy, type FaultProxy } from '../../src/server/testing/fault-proxy.ts';
import { startServer, type TestServer } from '../helpers/server/comm-server.ts';
import { serveFiles } from './serve-files.ts';

/** For every wait for a page, in milliseconds. Only a test that fails waits that long, however slow the machine is. */
export const PATIENCE_MS = 90_000;

export interface Tab {
  /** `user` or `token`, `open` for each conversation that is shown. */
  address?: string;
  /** Runs in the page before anything else. */
  before?: () => void;
  /** Prepares the page before it is loaded. */
  prepare?: (page: Page) => Promise<unknown>;
}

/** A browser, a server, and a proxy between them that can interrupt the connection. */
export class TestBed {
  readonly #browser: Browser;
  readonly #contexts: BrowserContext[] = [];
  readonly server: TestServer;
  readonly proxy: FaultProxy;
  /** Console errors, uncaught errors and unhandled rejections of all pages. */
  readonly pageErrors: string[] = [];

  private constructor(browser: Browser, server: TestServer, proxy: FaultProxy) {
    this.#browser = browser;
    this.server = server;
    this.proxy = proxy;
  }

  static async start(browser: Browser, options: CommServerOptions): Promise<TestBed> {
    const server = await startServer({ ...options, fetch: serveFiles(inject('pageDirectory')) });
    return new TestBed(browser, server, await startFaultProxy({ target: server.url, seed: 1 }));
  }

  /** Opens a browser profile, which stands for a device. */
  async device(): Promise<BrowserContext> {
    const context = await this.#browser.newContext();
    context.setDefaultTimeout(PATIENCE_MS);
    this.#contexts.push(context);
    context.on('weberror', (error) => this.pageErrors.push(String(error.error())));
    context.on('console', (message) => {
      // The browser itself logs that the network is unreachable.
      const isNetwork = /net::ERR_|WebSocket connection to/.test(message.text());
      // The client finds out why it can't connect by requests that a server answers with 400 and 404.
      const isProbe = /sid=probe$|\/__nk_comm\/$/.test(message.location().url);
      if (message.type() === 'error' && !isNetwork && !isProbe) this.pageErrors.push(message.text());
    });
    return context;
  }

  async open(device: BrowserContext, { address = '', before, prepare }: Tab): Promise<Page> {
    const page = await device.newPage();
    if (before !== undefined) await page.addInitScript(before);
    await prepare?.(page);
    await page.goto(`${this.proxy.url}/?${address}`);
    return page;
  }

  /** Returns the contents of the stored messages of a conversation, oldest first. */
  async stored(conversationId: string, reader = 'alice'): Promise<string[]> {
    const answer = await this.server.rest(`/conversations/${conversationId}/messages?limit=200`, reader);
    return ((await answer.json()) as { content: string }[]).map(({ content }) => content).reverse();
  }

  /** Takes a device off the network: open connections end, new ones fail. */
  async unplug(device: BrowserContext): Promise<void> {
    await device.setOffline(true);
    this.proxy.cut();
  }

  async close(): Promise<void> {
    await Promise.all(this.#contexts.map((context) => context.close()));
    await this.proxy.close();
    await this.server[Symbol.asyncDispose]();
  }
}

/**
 * Registers hooks that start one browser per test file and close all test beds. Returns a function that starts a test bed.
 */
export function useTestBed(more: LaunchOptions = {}): (options?: CommServerOptions) => Promise<TestBed> {
  let browser: Browser;
  const testBeds: TestBed[] = [];
  beforeAll(async () => {
    browser = await chromium.launch({ ...launchOptions(), ...more });
  });
  afterEach(async () => {
    const pageErrors = testBeds.flatMap((testBed) => testBed.pageErrors);
    await Promise.all(testBeds.splice(0).map((testBed) => testBed.close()));
    expect(pageErrors).toEqual([]);
  });
  afterAll(() => browser.close());
  return async (options = {}) => {
    const testBed = await TestBed.start(browser, options);
    testBeds.push(testBed);
    return testBed;
  };
}

/** Crashes the renderer of a page, so that nothing in it is closed in an orderly way. */
export async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash');
  const session = await page.context().newCDPSession(page);
  // This command is never answered.
  session.send('Page.crash').catch(() => undefined);
  await crashed;
  // The crashed page stays open, and answers nothing.
  await page.close();
}

/** Waits until the client of a page is connected and synchronized. */
export async function connected(page: Page): Promise<void> {
  await page.waitForFunction(() => globalThis.chat?.client.status === 'connected');
}

/** Waits until the view of a conversation shows exactly these lines, such as `sending: hello`. */
export async function shows(page: Page, conversationId: string, lines: readonly string[]): Promise<void> {
  await expect.poll(() => page.evaluate((id) => chat.shown(id), conversationId)).toEqual(lines);
}

export async function offline(page: Page): Promise<void> {
  await page.waitForFunction(() => chat.client.status === 'reconnecting');
}

export async function send(page: Page, conversationId: string, contents: readonly string[]): Promise<void> {
  await page.evaluate(([id, texts]) => chat.send(id, texts), [conversationId, contents] as const);
}

/** Waits until this device stores that many unsent messages, of all tabs together. */
export async function waitForQueued(page: Page, count: number): Promise<void> {
  await expect.poll(() => page.evaluate(() => chat.queuedCount())).toBe(count);
}

export function numbered(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${word} ${index + 1}`);
}
