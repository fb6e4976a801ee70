import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium, type Browser, type Page } from 'playwright';
import { build } from 'vite';
import { ensureChromium, launchOptions } from '../../scripts/chromium.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createCommServer, type CommServer } from '../../src/server/index.ts';
import { serveFiles } from '../e2e/serve-files.ts';

/** A server with the page that calls, and a Chromium to open it in. */
export class Lab implements AsyncDisposable {
  readonly server: CommServer;
  readonly #browser: Browser;
  readonly #directory: string;
  /** What pages are told when they ask for ICE servers. */
  ice: () => unknown = () => ({ iceServers: [] });

  private constructor(browser: Browser, server: CommServer, directory: string) {
    this.#browser = browser;
    this.server = server;
    this.#directory = directory;
  }

  /** @param bend - the flags that Chromium is started with, in place of those of all tests */
  static async open(bend: (flags: string[]) => string[] = (flags) => flags): Promise<Lab> {
    ensureChromium();
    const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-calls-'));
    await build({
      root: path.join(import.meta.dirname, 'page'),
      configFile: false,
      logLevel: 'warn',
      build: { outDir: directory, emptyOutDir: true, target: 'es2022', modulePreload: false },
    });
    const files = serveFiles(directory);
    // The server has to stand before the lab does.
    const answers: { ice: () => unknown } = { ice: () => ({}) };
    const server = await createCommServer({
      port: 0,
      database: ':memory:',
      logger: silentLogger,
      // Building the page has made this a production environment.
      trustUserIdHeader: true,
      fetch: async (request) =>
        new URL(request.url).pathname === '/ice.json' ? Response.json(answers.ice()) : files(request),
    });
    const options = launchOptions();
    const browser = await chromium.launch({ ...options, args: bend(options.args) });
    const lab = new Lab(browser, server, directory);
    answers.ice = () => lab.ice();
    return lab;
  }

  /** A page of somebody, connected. Each is a device of its own. */
  async person(userId: string, { answers = false } = {}): Promise<Person> {
    const context = await this.#browser.newContext();
    const page = await context.newPage();
    await page.goto(this.address(userId, answers));
    await page.waitForFunction(() => globalThis.caller?.client.status === 'connected');
    return new Person(userId, page);
  }

  /** A page that nobody has touched, and that captures nothing: what Playwright evaluates counts as a click. */
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

  /** Alice calls, bob answers; afterwards both are gone, whatever happened. */
  async pair(run: (alice: Person, bob: Person) => Promise<void>): Promise<void> {
    const people = [await this.person('alice'), await this.person('bob', { answers: true })] as const;
    try {
      await people[0].start('bob');
      await run(...people);
    } finally {
      await Promise.all(people.map((person) => person.close()));
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

export class Person {
  readonly userId: string;
  readonly page: Page;

  constructor(userId: string, page: Page) {
    this.userId = userId;
    this.page = page;
  }

  start(calleeId: string): Promise<void> {
    return this.page.evaluate((id) => caller.start(id), calleeId);
  }

  /** Resolves when the call is in that state. */
  async is(state: string, timeout = 30_000): Promise<void> {
    await this.page.waitForFunction((wanted) => caller.state === wanted, state, { timeout });
  }

  log(): Promise<string[]> {
    return this.page.evaluate(() => caller.log);
  }

  /** Resolves when so many more frames of somebody have been decoded. */
  async sees(userId: string, more = 5, timeout = 20_000): Promise<void> {
    const before = await this.page.evaluate((id) => caller.frames(id), userId);
    const enough = ([id, count]: readonly [string, number]): boolean => caller.frames(id) >= count;
    await this.page.waitForFunction(enough, [userId, before + more] as const, { timeout });
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

  /** Everything that calls hold open is closed. */
  async holdsNothing(): Promise<void> {
    await this.page.waitForFunction(() => Object.values(caller.held()).every((count) => count === 0));
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}
