import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { launchOptions } from '../../../scripts/chromium.ts';
import { CommClient, memoryStorage } from '../../../src/index.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const SERVE = path.resolve(import.meta.dirname, '../../../playground/serve.ts');
/** What the browser itself writes when the network is away. */
const NETWORK = /net::ERR_|WebSocket connection to/;

export interface Served {
  readonly url: string;
  /** Everything it printed. */
  readonly printed: readonly string[];
  end(signal?: NodeJS.Signals): Promise<number | null>;
}

/**
 * `npm start` without the building: a process of its own, in a shell if it has a `command` for one. Rejects with what it
 * printed when it doesn't start.
 */
export async function servePlayground(
  environment: Readonly<Record<string, string>>,
  command?: string,
): Promise<Served> {
  const script = [process.execPath, '--disable-warning=ExperimentalWarning', SERVE] as const;
  const [file, ...args] = command === undefined ? script : ['sh', '-c', command, ...script];
  const child = spawn(file, args, {
    env: { ...process.env, PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const printed: string[] = [];
  // With its output: whoever else writes to that has ended too.
  const exited = once(child, 'close');
  const url = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        printed.push(line);
        const address = /^lumen-comm listening on (\S+)$/.exec(line)?.[1];
        if (address !== undefined) resolve(address);
      });
    }
    child.on('close', () => reject(new Error(printed.join('\n'))));
  });
  const end = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    child.kill(signal);
    await exited;
    return child.exitCode;
  };
  return { url, printed, end };
}

/** A playground with a database of its own, and the windows that look at it. */
export class Playground {
  readonly #browser: Browser;
  readonly #endings: (() => Promise<unknown>)[] = [];
  readonly database: string;
  /** What a page should never have shown: errors in its console, uncaught errors, unhandled rejections. */
  readonly complaints: string[] = [];
  server: Served;

  private constructor(browser: Browser, server: Served, database: string) {
    this.#browser = browser;
    this.server = server;
    this.database = database;
  }

  static async start(browser: Browser): Promise<Playground> {
    const directory = await temporaryDirectory();
    const database = path.join(directory.path, 'playground.sqlite');
    const playground = new Playground(browser, await servePlayground({ DATABASE: database }), database);
    playground.#endings.push(async () => await directory[Symbol.asyncDispose]());
    playground.#endings.push(() => playground.server.end());
    return playground;
  }

  /** A window of somebody's own browser; signed in unless `user` is empty. */
  async window(user: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({
      viewport: { width: 1100, height: 760 },
      locale: 'en-GB',
      ...options,
    });
    this.#endings.push(() => context.close());
    context.on('weberror', (error) => this.complaints.push(`${user}: ${String(error.error())}`));
    context.on('console', (message) => {
      if (message.type() === 'error' && !NETWORK.test(message.text()))
        this.complaints.push(`${user}: ${message.text()}`);
    });
    const page = await context.newPage();
    await page.goto(`${this.server.url}/${user === '' ? '' : `?user=${user}`}`);
    if (user !== '')
      await page
        .getByRole('button', { name: /^You are/ })
        .getByText('Online')
        .waitFor();
    return page;
  }

  /** Somebody without a window, to fill conversations with. */
  async client(userId: string): Promise<CommClient> {
    const client = new CommClient({ url: this.server.url, userId, storage: memoryStorage() });
    this.#endings.push(() => client[Symbol.asyncDispose]());
    await client.connect();
    return client;
  }

  /** Waits until the server has keys of all of them: being online comes before that. */
  async published(...users: readonly string[]): Promise<void> {
    using database = new DatabaseSync(this.database, { readOnly: true });
    const statement = database.prepare('SELECT DISTINCT user_id AS user FROM encryption_prekeys');
    const published = () => statement.all().map(({ user }) => user);
    await expect.poll(published).toEqual(expect.arrayContaining([...users]));
  }

  /** Ends the server and starts it anew, on the same port and database. Returns its exit code. */
  async restart(meanwhile: () => Promise<void>): Promise<number | null> {
    const { port } = new URL(this.server.url);
    const code = await this.server.end();
    await meanwhile();
    this.server = await servePlayground({ DATABASE: this.database, PORT: port });
    return code;
  }

  async close(): Promise<void> {
    for (const end of this.#endings.toReversed()) await end();
  }
}

/** Starts a browser for the file that calls it, and returns how to start a playground; all of it ends by itself. */
export function usePlayground(): () => Promise<Playground> {
  let browser: Browser;
  const started: Playground[] = [];
  beforeAll(async () => {
    browser = await chromium.launch(launchOptions());
  });
  afterEach(async () => {
    const complaints = started.flatMap((each) => each.complaints);
    await Promise.all(started.splice(0).map((each) => each.close()));
    expect(complaints).toEqual([]);
  });
  afterAll(() => browser.close());
  return async () => {
    const playground = await Playground.start(browser);
    started.push(playground);
    return playground;
  };
}

export async function openChat(page: Page, name: string): Promise<void> {
  await page.getByRole('list', { name: 'Chats' }).getByRole('button', { name }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
}

export function composer(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Message', exact: true });
}

export async function say(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await page.keyboard.press('Enter');
}

/** The message with this text. */
export function message(page: Page, text: string): Locator {
  // Not its quote, which has the words of another one.
  const content = page.locator('.message-content').filter({ hasText: text });
  return page.getByRole('list', { name: 'Messages', exact: true }).getByRole('listitem').filter({ has: content });
}

/** Waits until a message of one's own has come as far as `status`. */
export async function reaches(page: Page, text: string, status: string): Promise<void> {
  await message(page, text).getByRole('img', { name: status, exact: true }).waitFor();
}

/** What stands in the open conversation, without times and headings. */
export async function texts(page: Page): Promise<string[]> {
  return await page.locator('.message-content').allTextContents();
}

/**
 * Looks out for what is said only for a moment, from before it can be said: looks now and then could all miss it. Resolves
 * with how to wait for it.
 */
export async function lookOut(where: Locator, text: string): Promise<() => Promise<void>> {
  const found = await where.evaluateHandle((element, wanted) => {
    const seen = { seen: false };
    const observer = new MutationObserver(look);
    function look(): void {
      if (!element.textContent.includes(wanted)) return;
      seen.seen = true;
      observer.disconnect();
    }
    observer.observe(element, { subtree: true, childList: true, characterData: true });
    look();
    return seen;
  }, text);
  return async () => {
    await where.page().waitForFunction(({ seen }) => seen, found);
  };
}

export async function shows(page: Page, expected: readonly string[]): Promise<void> {
  await expect.poll(() => texts(page)).toEqual(expected);
}

/** Opens the menu of a message and chooses in it. */
export async function choose(page: Page, text: string, action: string): Promise<void> {
  await message(page, text).locator('.bubble').hover();
  await message(page, text).getByRole('button', { name: 'More', exact: true }).click();
  await page.getByRole('menuitem', { name: action }).click();
}
