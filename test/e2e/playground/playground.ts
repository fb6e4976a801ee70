import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { launchOptions } from '../../../scripts/chromium.ts';
import { CommClient, memoryStorage } from '../../../src/index.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { PATIENCE_MS } from '../browser.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const SERVE = path.join(ROOT, 'playground/serve.ts');
/** Several processes on a Postgres and a Redis, which it starts. */
export const CLUSTER = path.join(ROOT, 'scripts/cluster.ts');
/** Messages that the browser itself logs while it is offline, or when a connection ends while the page sends. */
const NETWORK = /net::ERR_|WebSocket connection to|WebSocket is already in CLOSING or CLOSED state/;

export interface Served {
  readonly url: string;
  /** The lines of stdout and stderr. */
  readonly printed: readonly string[];
  end(signal?: NodeJS.Signals): Promise<number | null>;
  /** Ends it as Ctrl+C in a terminal does, which signals the processes that it has started too. Only with `ownGroup`. */
  interrupt(): Promise<number | null>;
}

/** Options of {@link servePlayground}. */
export interface ServeOptions {
  /** Script to run. @defaultValue {@link SERVE} */
  readonly script?: string;
  /** Command of a shell that runs the script. @defaultValue none */
  readonly command?: string;
  /** Whether it leads a process group. @defaultValue false */
  readonly ownGroup?: boolean;
}

/**
 * Starts the playground as a child process, with a shell in between if `command` is given. Rejects with the output if it
 * fails to start.
 */
export async function servePlayground(
  environment: Readonly<Record<string, string>>,
  { script = SERVE, command, ownGroup = false }: ServeOptions = {},
): Promise<Served> {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', script] as const;
  const [file, ...args] = command === undefined ? node : ['sh', '-c', command, ...node];
  const child = spawn(file, args, {
    // Tests do slow things while a call rings.
    env: { ...process.env, PORT: '0', RING_TIMEOUT_MS: '600000', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: ownGroup,
  });
  const printed: string[] = [];
  // `close` instead of `exit`: grandchildren that share the output have exited too.
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
  const interrupt = async (): Promise<number | null> => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
    await exited;
    return child.exitCode;
  };
  return { url, printed, end, interrupt };
}

/** A playground server with its own database, and the browser windows that use it. */
export class Playground {
  readonly #browser: Browser;
  readonly #endings: (() => Promise<unknown>)[] = [];
  readonly database: string;
  /** Console errors, uncaught errors and unhandled rejections of all pages. */
  readonly pageErrors: string[] = [];
  server: Served;

  private constructor(browser: Browser, server: Served, database: string) {
    this.#browser = browser;
    this.server = server;
    this.database = database;
  }

  /** @param environment - of the server */
  static async start(
    browser: Browser,
    environment: Readonly<Record<string, string>> = {},
    options: ServeOptions = {},
  ): Promise<Playground> {
    const directory = await temporaryDirectory();
    const database = path.join(directory.path, 'playground.sqlite');
    const served = await servePlayground({ DATABASE: database, ...environment }, options);
    const playground = new Playground(browser, served, database);
    playground.#endings.push(async () => await directory[Symbol.asyncDispose]());
    playground.#endings.push(() => playground.server.end());
    return playground;
  }

  /** Opens a window in its own browser context, signed in unless `user` is empty. */
  async window(user: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({
      viewport: { width: 1100, height: 760 },
      locale: 'en-GB',
      ...options,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    this.#endings.push(() => context.close());
    context.on('weberror', (error) => this.pageErrors.push(`${user}: ${String(error.error())}`));
    context.on('console', (message) => {
      // The client finds out why it can't connect by requests that a server answers with 400 and 404.
      const isProbe = /sid=probe$|\/__nk_comm\/$/.test(message.location().url);
      if (message.type() === 'error' && !isProbe && !NETWORK.test(message.text()))
        this.pageErrors.push(`${user}: ${message.text()}`);
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

  /** Opens a window for each user, side by side. */
  async windows<const Users extends readonly string[]>(
    users: Users,
    options: BrowserContextOptions = {},
  ): Promise<{ -readonly [K in keyof Users]: Page }> {
    return (await Promise.all(users.map((user) => this.window(user, options)))) as {
      -readonly [K in keyof Users]: Page;
    };
  }

  /** Connects a client without a window. */
  async client(userId: string): Promise<CommClient> {
    const clock = patientClock({ helloMs: PATIENCE_MS });
    const client = new CommClient({ url: this.server.url, userId, storage: memoryStorage(), clock });
    this.#endings.push(() => client[Symbol.asyncDispose]());
    await client.connect();
    return client;
  }

  /** Waits until the server has the keys of all these users, which are uploaded after connecting. */
  async published(...users: readonly string[]): Promise<void> {
    using database = new DatabaseSync(this.database, { readOnly: true, timeout: PATIENCE_MS });
    const statement = database.prepare('SELECT DISTINCT user_id AS user FROM encryption_prekeys');
    const published = () => statement.all().map(({ user }) => user);
    await expect.poll(published).toEqual(expect.arrayContaining([...users]));
  }

  /** Restarts the server on the same port and database. Returns its exit code. */
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

/**
 * Registers hooks that start one browser per test file and close all playgrounds. Returns a function that returns a started
 * one. The playground of the next test starts while a test runs.
 *
 * @param more - flags of the browser
 */
export function usePlayground(more: readonly string[] = []): () => Promise<Playground> {
  let browser: Browser;
  let next: Promise<Playground>;
  const used: Playground[] = [];
  beforeAll(async () => {
    const { args, ...options } = launchOptions();
    browser = await chromium.launch({ ...options, args: [...args, ...more] });
    next = Playground.start(browser);
    await next;
  });
  afterEach(async () => {
    const pageErrors = used.flatMap((each) => each.pageErrors);
    await Promise.all(used.splice(0).map((each) => each.close()));
    expect(pageErrors).toEqual([]);
  });
  afterAll(async () => {
    await (await next).close();
    await browser.close();
  });
  return async () => {
    const playground = await next;
    used.push(playground);
    next = Playground.start(browser);
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
  await composer(page).press('Enter');
}

/** The message with this text. */
export function message(page: Page, text: string): Locator {
  // Excludes quotes, which contain the text of another message.
  const content = page.locator('.message-content').filter({ hasText: text });
  return page.getByRole('list', { name: 'Messages', exact: true }).getByRole('listitem').filter({ has: content });
}

const STORED = ['Sent', 'Delivered', 'Read'] as const;

/** Waits until an own message has reached the status. It may have a later one already. */
export async function reaches(page: Page, text: string, status: (typeof STORED)[number]): Promise<void> {
  const name = new RegExp(`^(?:${STORED.slice(STORED.indexOf(status)).join('|')})$`);
  await message(page, text).getByRole('img', { name }).waitFor();
}

/** Waits until an own message shows exactly this status. Only for a status that stays until the test goes on. */
export async function showsStatus(
  page: Page,
  text: string,
  status: 'Sending' | (typeof STORED)[number],
): Promise<void> {
  await message(page, text).getByRole('img', { name: status, exact: true }).waitFor();
}

/** The texts of the messages in the open conversation. */
export async function texts(page: Page): Promise<string[]> {
  return await page.locator('.message-content').allTextContents();
}

/**
 * Watches for a text that appears only briefly, which polling could miss. Resolves once it watches, with a function that
 * waits for the text.
 */
export async function watchForText(where: Locator, text: string): Promise<() => Promise<void>> {
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

/**
 * Clicks a button of the toolbar of a message until it has opened `popup`. The toolbar is shown at the message below the
 * mouse, which is another one after a row was inserted: then the mouse has to be moved again, as users do.
 */
export async function openAt(page: Page, text: string, button: 'More' | 'React', popup: Locator): Promise<void> {
  await expect
    .poll(
      async () => {
        if (await popup.isVisible()) return true;
        // A popup that opened after the last look covers the message: look again instead of waiting for the mouse.
        await message(page, text)
          .locator('.bubble')
          .hover({ timeout: 5_000 })
          .catch(() => undefined);
        if (await popup.isVisible()) return true;
        const isThere = message(page, text).getByRole('button', { name: button, exact: true });
        await isThere.click({ timeout: 5_000 }).catch(() => undefined);
        return await popup.isVisible();
      },
      { timeout: PATIENCE_MS },
    )
    .toBe(true);
}

/** Opens the menu of a message and selects an item. */
export async function choose(page: Page, text: string, action: string): Promise<void> {
  await openAt(page, text, 'More', page.getByRole('menu', { name: 'This message' }));
  await page.getByRole('menuitem', { name: action, exact: true }).click();
}

/** Opens a menu of the open chat and selects an item. */
export async function chooseInChat(page: Page, item: string): Promise<void> {
  await page.getByRole('button', { name: 'More about this chat' }).click();
  await page.getByRole('menuitem', { name: item, exact: true }).click();
}

/** Opens the menu about keys. It has a button or, on phones, an item in the menu of the chat. */
export async function openEncryptionMenu(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'More about this chat' }).waitFor();
  const lock = page.getByRole('button', { name: /: change$/ });
  if (await lock.isVisible()) await lock.click();
  else await chooseInChat(page, 'Encryption');
  await page.getByRole('menu', { name: 'Encryption' }).waitFor();
}

/** A file as Playwright's `setInputFiles()` takes it. */
export interface PickedFile {
  name: string;
  mimeType: string;
  buffer: Buffer;
}

/** Picks files for the next message. */
export async function pick(page: Page, files: readonly PickedFile[]): Promise<void> {
  await page.getByLabel('Choose files').setInputFiles([...files]);
}

/** Sends files with a caption. */
export async function sendFiles(page: Page, files: readonly PickedFile[], caption: string): Promise<void> {
  await pick(page, files);
  await say(page, caption);
}

/** Waits until a picture has loaded. */
export async function isLoaded(picture: Locator): Promise<void> {
  await expect.poll(() => picture.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(0);
}
