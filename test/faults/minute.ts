/**
 * One minute offline in real time: `npm exec -- node test/faults/minute.ts`. Chromium's network emulation goes offline while
 * both sides write, edit and delete; afterwards all changes must be present once and in order. The last line printed is the
 * summary.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium, type Page } from 'playwright';
import { ensureChromium, launchOptions } from '../../scripts/chromium.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createCommServer } from '../../src/server/index.ts';
import { startFaultProxy } from '../../src/server/testing/fault-proxy.ts';
import { expect, Report } from '../calls/report.ts';
import { buildPage } from '../e2e/build-page.ts';
import { serveFiles } from '../e2e/serve-files.ts';

const AWAY_MS = 60_000;
/** Number of messages per side. */
const EVERY_MS = 1_000;

const report = new Report();
ensureChromium();
const directory = await buildPage();
// Vite sets it to production, in which a server accepts no user ids of a query.
delete process.env['NODE_ENV'];
const browser = await chromium.launch(launchOptions());
try {
  await using server = await createCommServer({
    port: 0,
    database: ':memory:',
    logger: silentLogger,
    fetch: serveFiles(directory),
  });
  await using line = await startFaultProxy({ target: server.url, seed: 1 });
  await report.check('after a minute without a network all is there, once and in order, on both sides', () =>
    away(server.url, line),
  );
} finally {
  await browser.close();
  await rm(directory, { recursive: true, force: true });
}
report.end();

interface Line {
  readonly url: string;
  cut(): void;
}

async function away(serverUrl: string, line: Line): Promise<void> {
  const [alice, bob] = await Promise.all([open(`${line.url}/?user=alice`), open(`${serverUrl}/?user=bob`)]);
  const id = await bob.evaluate(() => chat.create(['alice'], 'group'));
  for (const page of [alice, bob]) {
    await page.evaluate((each) => chat.open(each), id);
    await page.evaluate((each) => chat.view(each).ready, id);
  }
  const first = ['keeps', 'is edited', 'is deleted'];
  for (const [name, page] of [
    ['alice', alice],
    ['bob', bob],
  ] as const) {
    const contents = first.map((content) => `${name}: ${content}`);
    await page.evaluate(([each, texts]) => chat.send(each, texts), [id, contents] as const);
  }
  await Promise.all([holds(alice, id, 6), holds(bob, id, 6)]);

  const session = await alice.context().newCDPSession(alice);
  const emulate = (offline: boolean): Promise<unknown> =>
    session.send('Network.emulateNetworkConditions', {
      offline,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
  await session.send('Network.enable');
  await emulate(true);
  // The emulation doesn't close open connections.
  line.cut();
  await alice.waitForFunction(() => chat.client.status === 'reconnecting');
  const lostAt = performance.now();
  const changed = Promise.all([change(alice, id, 'alice'), change(bob, id, 'bob')]);
  let rounds = 0;
  while (performance.now() - lostAt < AWAY_MS) {
    rounds += 1;
    await write(alice, id, `alice ${rounds}`);
    await write(bob, id, `bob ${rounds}`);
    await pause(EVERY_MS);
  }
  const status = await alice.evaluate(() => chat.client.status);
  expect(status === 'reconnecting', `it was ${status} without a network`);
  await emulate(false);
  await alice.waitForFunction(() => chat.client.status === 'connected');
  await changed;

  const numbers = Array.from({ length: rounds }, (_, at) => at + 1);
  const kept = (name: string): string[] => [
    `${name}: keeps`,
    `${name}: was edited`,
    ...numbers.map((n) => `${name} ${n}`),
  ];
  const count = 2 * (rounds + 2);
  await Promise.all([holds(alice, id, count), holds(bob, id, count)]);
  const shown = await Promise.all([alice, bob].map((page) => contents(page, id)));
  expect(shown[0]?.join() === shown[1]?.join(), `they see different things: ${JSON.stringify(shown)}`);
  for (const name of ['alice', 'bob']) {
    const own = shown[0]?.filter((content) => content.startsWith(name)).join();
    expect(own === kept(name).join(), `of ${name} there is ${own}`);
  }
  for (const page of [alice, bob]) {
    const { arrived, errors } = await page.evaluate(() => ({ arrived: chat.arrived, errors: chat.errors }));
    const told = new Set(arrived);
    expect(told.size === arrived.length, `told twice: ${arrived.join()}`);
    expect(
      numbers.every((n) => told.has(`alice ${n}`) && told.has(`bob ${n}`)),
      `not told: ${arrived.join()}`,
    );
    expect(errors.length === 0, `errors: ${errors.join()}`);
  }
}

async function open(url: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  // A client waits up to 20 s before it connects again.
  page.setDefaultTimeout(120_000);
  await page.goto(url);
  await page.waitForFunction(() => globalThis.chat?.client.status === 'connected');
  return page;
}

async function write(page: Page, id: string, content: string): Promise<void> {
  await page.evaluate(([each, text]) => chat.send(each, [text]), [id, content] as const);
}

/** Edits and deletes earlier messages. Resolves when the server has acknowledged the changes. */
async function change(page: Page, id: string, name: string): Promise<void> {
  await page.evaluate(
    async ([conversationId, who]) => {
      const find = (content: string): string => {
        const message = chat.messages(conversationId).find((each) => each.content === content);
        if (message === undefined) throw new Error(`There is no ${content}`);
        return message.id;
      };
      const { messages } = chat.client;
      await Promise.all([
        messages.edit({ conversationId, messageId: find(`${who}: is edited`), content: `${who}: was edited` }),
        messages.delete({ conversationId, messageId: find(`${who}: is deleted`) }),
      ]);
    },
    [id, name] as const,
  );
}

/** The stored, undeleted messages in the order shown. */
async function contents(page: Page, id: string): Promise<string[]> {
  return page.evaluate(
    (each) =>
      chat
        .messages(each)
        .filter(({ status, deletedAt }) => status !== 'sending' && deletedAt === undefined)
        .map(({ content }) => content),
    id,
  );
}

async function holds(page: Page, id: string, count: number): Promise<void> {
  const enough = ([each, wanted]: readonly [string, number]): boolean =>
    chat.messages(each).filter(({ status, deletedAt }) => status !== 'sending' && deletedAt === undefined).length ===
    wanted;
  await page.waitForFunction(enough, [id, count] as const);
}
