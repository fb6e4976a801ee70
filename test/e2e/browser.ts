import { chromium, type Browser, type BrowserContext, type LaunchOptions, type Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest';
import { launchOptions } from '../../scripts/chromium.ts';
import type { CommServerOptions } from '../../src/server/index.ts';
import { startFaultProxy, type FaultProxy } from '../../src/testing/fault-proxy.ts';
import { startServer, type TestServer } from '../helpers/server/comm-server.ts';
import { serveFiles } from './serve-files.ts';

export interface Tab {
  /** `user` or `token`, `open` for each conversation that is shown. */
  address?: string;
  /** Runs in the page before anything else. */
  before?: () => void;
  /** Done with the page before anything runs in it. */
  prepare?: (page: Page) => Promise<unknown>;
}

/** One machine with a browser, a server, and a cable between them. */
export class Stage {
  readonly #browser: Browser;
  readonly #contexts: BrowserContext[] = [];
  readonly server: TestServer;
  readonly line: FaultProxy;
  /** What a page should never have shown: console errors, uncaught errors, unhandled rejections. */
  readonly complaints: string[] = [];

  private constructor(browser: Browser, server: TestServer, line: FaultProxy) {
    this.#browser = browser;
    this.server = server;
    this.line = line;
  }

  static async set(browser: Browser, options: CommServerOptions): Promise<Stage> {
    const server = await startServer({ ...options, fetch: serveFiles(inject('pageDirectory')) });
    return new Stage(browser, server, await startFaultProxy({ target: server.url, seed: 1 }));
  }

  /** A browser profile of its own: another device. */
  async device(): Promise<BrowserContext> {
    const context = await this.#browser.newContext();
    this.#contexts.push(context);
    context.on('weberror', (error) => this.complaints.push(String(error.error())));
    context.on('console', (message) => {
      // That the network is away is what the browser itself writes there.
      const isNetwork = /net::ERR_|WebSocket connection to/.test(message.text());
      if (message.type() === 'error' && !isNetwork) this.complaints.push(message.text());
    });
    return context;
  }

  async open(device: BrowserContext, { address = '', before, prepare }: Tab): Promise<Page> {
    const page = await device.newPage();
    if (before !== undefined) await page.addInitScript(before);
    await prepare?.(page);
    await page.goto(`${this.line.url}/?${address}`);
    return page;
  }

  /** What the server has of a conversation, oldest first. */
  async stored(conversationId: string, reader = 'alice'): Promise<string[]> {
    const answer = await this.server.rest(`/conversations/${conversationId}/messages?limit=200`, reader);
    return ((await answer.json()) as { content: string }[]).map(({ content }) => content).reverse();
  }

  /** Pulls the plug of a device: open connections end, new ones fail. */
  async unplug(device: BrowserContext): Promise<void> {
    await device.setOffline(true);
    this.line.cut();
  }

  async close(): Promise<void> {
    await Promise.all(this.#contexts.map((context) => context.close()));
    await this.line.close();
    await this.server[Symbol.asyncDispose]();
  }
}

/** Starts a browser for the file that calls it, and returns how to set a stage; all of it ends by itself. */
export function useStage(more: LaunchOptions = {}): (options?: CommServerOptions) => Promise<Stage> {
  let browser: Browser;
  const stages: Stage[] = [];
  beforeAll(async () => {
    browser = await chromium.launch({ ...launchOptions(), ...more });
  });
  afterEach(async () => {
    const complaints = stages.flatMap((stage) => stage.complaints);
    await Promise.all(stages.splice(0).map((stage) => stage.close()));
    expect(complaints).toEqual([]);
  });
  afterAll(() => browser.close());
  return async (options = {}) => {
    const stage = await Stage.set(browser, options);
    stages.push(stage);
    return stage;
  };
}

/** What happens without anybody closing anything: the renderer is gone from one moment to the next. */
export async function crash(page: Page): Promise<void> {
  const crashed = page.waitForEvent('crash');
  const session = await page.context().newCDPSession(page);
  // It never answers.
  session.send('Page.crash').catch(() => undefined);
  await crashed;
  // What is left of it is a page that answers nothing.
  await page.close();
}

/** Waits until the client of a page is connected and in step. */
export async function connected(page: Page): Promise<void> {
  await page.waitForFunction(() => globalThis.chat?.client.status === 'connected');
}

/** Waits until a reader of the page sees exactly this, such as `sending: hello`. */
export async function shows(page: Page, conversationId: string, lines: readonly string[]): Promise<void> {
  await expect.poll(() => page.evaluate((id) => chat.shown(id), conversationId)).toEqual(lines);
}

export async function offline(page: Page): Promise<void> {
  await page.waitForFunction(() => chat.client.status === 'reconnecting');
}

export async function send(page: Page, conversationId: string, contents: readonly string[]): Promise<void> {
  await page.evaluate(([id, texts]) => chat.send(id, texts), [conversationId, contents] as const);
}

/** Waits until this machine holds so many unsent messages, whichever tab's they are. */
export async function holds(page: Page, count: number): Promise<void> {
  await expect.poll(() => page.evaluate(() => chat.atRest())).toBe(count);
}

export function numbered(word: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${word} ${index + 1}`);
}
