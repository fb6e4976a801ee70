import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Page } from 'playwright';
import { CommClient } from '../../src/index.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { type CommServer, createCommServer } from '../../src/server/index.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { clientPackage, pack, type Packed, root, serverPackage } from '../packaging/packed.ts';
import { type App, createApp, type Running, warningsOf, withTarballs } from './app.ts';
import { openWindows } from './browser.ts';

const folder = path.join(root, 'examples');
const examples = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [entry.name] : [],
);

/** The examples in the order of their tests. */
const ORDER = ['react', 'vue', 'svelte', 'next', 'lumenjs', 'bot', 'socket-io', 'hono'];

let tarballs: Awaited<ReturnType<typeof temporaryDirectory>>;
let packed: Packed;
let server: CommServer;

beforeEach(async () => {
  server = await createCommServer({ port: 0, database: ':memory:', logger: silentLogger });
});
afterEach(() => server.close());

/** The next example, whose packages are downloaded while the one before is built and used. */
const installed = new Map<string, Promise<App>>();

beforeAll(async () => {
  tarballs = await temporaryDirectory();
  packed = await pack([clientPackage, serverPackage], tarballs.path);
});
afterAll(async () => {
  for (const app of await Promise.allSettled(installed.values()))
    if (app.status === 'fulfilled') await app.value[Symbol.asyncDispose]();
  await tarballs?.[Symbol.asyncDispose]();
});

/** Installs an example from npm, with our packages from their tarballs. */
async function install(name: string): Promise<App> {
  await using started = new AsyncDisposableStack();
  const app = started.use(await createApp(path.join(folder, name)));
  const { dependencies } = JSON.parse(await readFile(path.join(app.folder, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const ours = Object.keys(dependencies).filter((each) => each.startsWith('lumen-comm'));
  const output = await app.run(withTarballs(`npm install --no-audit --no-fund ${ours.join(' ')}`, packed));
  expect(warningsOf(output)).toEqual([]);
  // Of an example that can't be installed, nothing stays behind.
  started.move();
  return app;
}

/** Type-checks and builds an installed example. */
async function build(name: string): Promise<App> {
  await using started = new AsyncDisposableStack();
  const app = started.use(await (installed.get(name) ?? install(name)));
  installed.delete(name);
  const next = ORDER[ORDER.indexOf(name) + 1];
  if (next !== undefined) {
    const installing = install(next);
    // Reported by its own test.
    installing.catch(() => undefined);
    installed.set(next, installing);
  }
  await app.run('npm run build', { VITE_CHAT_URL: server.url });
  started.move();
  return app;
}

test('every example has at most 100 lines of code, a README and exact versions of what it installs', () => {
  expect(examples).toEqual(ORDER.toSorted());
  for (const name of examples) {
    const files = readdirSync(path.join(folder, name), { recursive: true, encoding: 'utf8' });
    const code = files.filter((file) => /\.(?:tsx?|vue|svelte)$/.test(file) && !file.startsWith('node_modules'));
    const lines = code.flatMap((file) => readFileSync(path.join(folder, name, file), 'utf8').split('\n'));
    expect(files).toContain('README.md');
    expect(lines.filter((line) => line.trim() !== '').length, name).toBeLessThanOrEqual(100);
    const manifest = readFileSync(path.join(folder, name, 'package.json'), 'utf8');
    expect(manifest.replaceAll(/"lumen-comm(?:-server)?": "\^0\.1\.0"/g, ''), name).not.toMatch(/": "[\^~]/);
  }
});

async function say(page: Page, text: string): Promise<void> {
  await page.getByLabel('Message').fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** Alice and Bob, in the pages that show their conversation, write to each other. */
async function exchange(alice: Page, bob: Page): Promise<void> {
  await say(alice, 'Hello Bob');
  await bob.getByText('alice: Hello Bob').waitFor();
  await say(bob, 'Hello Alice');
  await alice.getByText('bob: Hello Alice').waitFor();
}

describe.each(['react', 'vue', 'svelte'])('the example %s', (name) => {
  test('is built, and two users who log in exchange messages, with an empty console', async () => {
    await using app = await build(name);
    await using preview = app.start('npm run preview');
    const url = await preview.prints(/Local:\s+(http:\S+)/);
    await using windows = await openWindows();
    const logIn = async (user: string): Promise<Page> => {
      const page = await windows.open(url);
      await page.getByLabel('Your name').fill(user);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('status').filter({ hasText: 'connected' }).waitFor();
      return page;
    };
    const [alice, bob] = await Promise.all([logIn('alice'), logIn('bob')]);
    await alice.getByLabel('Chat with').fill('bob');
    await alice.getByRole('button', { name: 'Open' }).click();
    await bob.getByRole('button', { name: 'alice, bob' }).click();
    await exchange(alice, bob);
    expect(windows.complaints).toEqual([]);
  });
});

test('the example next is built, rendered on its server, hydrated, and two users exchange messages, with an empty console', async () => {
  await using app = await build('next');
  await using next = app.start('npm run start -- --port 0', { CHAT_URL: server.url });
  const url = await next.prints(/Local:\s+(http:\S+)/);
  const html = await (await fetch(`${url}/?user=alice&with=bob`)).text();
  expect(html).toMatch(/<h1>alice(?:<!-- -->)? and (?:<!-- -->)?bob<\/h1>/);
  await using windows = await openWindows();
  const alice = await windows.open(`${url}/?user=alice&with=bob`);
  const bob = await windows.open(`${url}/?user=bob&with=alice`);
  await exchange(alice, bob);
  expect(windows.complaints).toEqual([]);
});

test('the page of the example lumenjs is bundled without the server', async () => {
  await using app = await build('lumenjs');
  const dist = path.join(app.folder, 'dist');
  const files = readdirSync(dist);
  const code = (await Promise.all(files.map((file) => readFile(path.join(dist, file), 'utf8')))).join('\n');
  expect(code).toContain('Message');
  expect(code).not.toContain('comm_migrations');
});

test('the example bot answers, also what was written while it was off', async () => {
  await using app = await build('bot');
  await using alice = new CommClient({ url: server.url, userId: 'bot-user' });
  await alice.connect();
  const { id } = await alice.conversations.create({ type: 'direct', participantIds: ['bot'] });
  const answers: string[] = [];
  alice.on('message:new', ({ senderId, content }) => senderId === 'bot' && answers.push(content));
  const start = async (): Promise<Running> => {
    const bot = app.start('npm start', { CHAT_URL: server.url });
    await bot.prints(/Connected to/);
    return bot;
  };
  {
    await using bot = await start();
    await alice.messages.send({ conversationId: id, content: 'echo Hello' });
    await expect.poll(() => answers).toEqual(['Hello']);
    await bot.interrupt();
  }
  await alice.messages.send({ conversationId: id, content: 'echo Good night' });
  await using _bot = await start();
  await expect.poll(() => answers).toEqual(['Hello', 'Good night']);
});

describe.each(['socket-io', 'hono'])('the example %s', (name) => {
  test('serves the app and the chat on one port', async () => {
    await using app = await build(name);
    await using running = app.start('npm start', { PORT: '0' });
    const url = await running.prints(/Listening on (http:\S+)/);
    expect(await (await fetch(url)).text()).toBe('The app');
    await using alice = new CommClient({ url, userId: 'alice' });
    await using bob = new CommClient({ url, userId: 'bob' });
    await Promise.all([alice.connect(), bob.connect()]);
    const received = new Promise<string>((resolve) => {
      bob.on('message:new', ({ content }) => resolve(content));
    });
    const { id } = await alice.conversations.create({ type: 'direct', participantIds: ['bob'] });
    await alice.messages.send({ conversationId: id, content: 'Hello' });
    expect(await received).toBe('Hello');
    // Over REST.
    expect((await bob.messages.list({ conversationId: id })).messages.map(({ content }) => content)).toEqual(['Hello']);
  });
});
