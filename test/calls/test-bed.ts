import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright';
import { build } from 'vite';
import { ensureChromium, launchOptions } from '../../scripts/chromium.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createCommServer, type CommServer, type ServerLimits } from '../../src/server/index.ts';
import { serveFiles } from '../e2e/serve-files.ts';

/** How long a condition may take on a slow machine. */
const PATIENCE_MS = 120_000;

/** A server that serves a calling page, and a Chromium to open it in. */
export class TestBed implements AsyncDisposable {
  readonly server: CommServer;
  readonly #browser: Browser;
  readonly #directory: string;
  /** Returns the response of `/ice.json`, from which pages read their ICE servers. */
  ice: () => unknown = () => ({ iceServers: [] });

  private constructor(browser: Browser, server: CommServer, directory: string) {
    this.#browser = browser;
    this.server = server;
    this.#directory = directory;
  }

  /**
   * @param changeFlags - changes the command line flags of Chromium
   * @param limits - limits of the server; absent: the defaults
   */
  static async open(
    changeFlags: (flags: string[]) => string[] = (flags) => flags,
    limits?: Partial<ServerLimits>,
  ): Promise<TestBed> {
    ensureChromium();
    const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-calls-'));
    await build({
      root: path.join(import.meta.dirname, 'page'),
      configFile: false,
      logLevel: 'warn',
      build: { outDir: directory, emptyOutDir: true, target: 'es2022', modulePreload: false },
    });
    // Vite sets it to production, in which a server accepts no user ids of a query.
    delete process.env['NODE_ENV'];
    const files = serveFiles(directory);
    // The server starts before the test bed is constructed.
    const answers: { ice: () => unknown } = { ice: () => ({}) };
    const server = await createCommServer({
      port: 0,
      database: ':memory:',
      logger: silentLogger,
      limits,
      // A slow machine reconnects late.
      config: { callReconnectMs: PATIENCE_MS },
      fetch: async (request) =>
        new URL(request.url).pathname === '/ice.json' ? Response.json(answers.ice()) : files(request),
    });
    const options = launchOptions();
    const browser = await chromium.launch({ ...options, args: changeFlags(options.args) });
    const testBed = new TestBed(browser, server, directory);
    answers.ice = () => testBed.ice();
    return testBed;
  }

  /** Opens a connected page of a user, as a separate device. @param options.prepare - runs in the page before its scripts */
  async user(userId: string, options: { answers?: boolean; prepare?: () => void } = {}): Promise<TestUser> {
    const { answers = false, prepare } = options;
    const context = await this.#browser.newContext();
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    if (prepare !== undefined) await page.addInitScript(prepare);
    await page.goto(this.address(userId, answers));
    await page.waitForFunction(() => globalThis.caller?.client.status === 'connected');
    return new TestUser(userId, page);
  }

  /** Opens a page without user activation that captures no media. Playwright's own `evaluate()` counts as a user gesture. */
  async untouched(userId: string): Promise<{ page: Page; evaluate: (expression: string) => Promise<unknown> }> {
    const page = await (await this.#browser.newContext()).newPage();
    const session = await page.context().newCDPSession(page);
    await page.goto(`${this.address(userId, true)}=silently`);
    return {
      page,
      async evaluate(expression) {
        const { result } = await session.send('Runtime.evaluate', {
          expression,
          userGesture: false,
          returnByValue: true,
        });
        return result.value as unknown;
      },
    };
  }

  /** Starts a call from alice to bob, and closes both pages afterwards. */
  async pair(run: (alice: TestUser, bob: TestUser) => Promise<void>): Promise<void> {
    const users = [await this.user('alice'), await this.user('bob', { answers: true })] as const;
    try {
      await users[0].start('bob');
      await run(...users);
    } finally {
      await Promise.all(users.map((user) => user.close()));
    }
  }

  address(userId: string, answers: boolean): string {
    return `${this.server.url}/?user=${userId}${answers ? '&answers' : ''}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    await this.server.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A user with an open page. */
export class TestUser {
  readonly userId: string;
  readonly page: Page;

  constructor(userId: string, page: Page) {
    this.userId = userId;
    this.page = page;
  }

  start(calleeId: string): Promise<void> {
    return this.page.evaluate((id) => caller.start(id), calleeId);
  }

  /** Resolves when the call has the state. */
  async is(state: string): Promise<void> {
    await this.page.waitForFunction((wanted) => caller.state === wanted, state);
  }

  log(): Promise<string[]> {
    return this.page.evaluate(() => caller.log);
  }

  errors(): Promise<string[]> {
    return this.page.evaluate(() => caller.errors);
  }

  /** Resolves when `more` frames of a user have been decoded. */
  async sees(userId: string, more = 5): Promise<void> {
    const before = await this.page.evaluate((id) => caller.frames(id), userId);
    const enough = ([id, count]: readonly [string, number]): boolean => caller.frames(id) >= count;
    await this.page.waitForFunction(enough, [userId, before + more] as const);
  }

  async reconnects(): Promise<void> {
    await this.page.waitForFunction(() => caller.client.status === 'reconnecting');
  }

  async isOnline(): Promise<void> {
    await this.page.waitForFunction(() => caller.client.status === 'connected');
  }

  hangup(): Promise<void> {
    return this.page.evaluate(() => caller.call?.hangup());
  }

  /** Resolves when calls hold no resources. */
  async releasesResources(): Promise<void> {
    await this.page.waitForFunction(() => Object.values(caller.resourceCounters()).every((count) => count === 0));
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}
