import type { BrowserContext, Page } from 'playwright';
import { expect, test } from 'vitest';
import { connected, holds, send, shows, useStage, type Stage } from './browser.ts';

const setStage = useStage({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });

declare global {
  /** Every line that this page has opened. */
  var lines: WebSocket[];
}

/** Remembers the lines of a page. Runs in the page. */
function rememberLines(): void {
  globalThis.lines = [];
  globalThis.WebSocket = class extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      lines.push(this);
    }
  };
}

async function group(stage: Stage): Promise<string> {
  const alice = await stage.server.connect('alice');
  return (await alice.ask('conversation:create', { type: 'group', name: 'group', participantIds: ['bob'] })).id;
}

function open(stage: Stage, device: BrowserContext, address: string): Promise<Page> {
  return stage.open(device, { address, before: rememberLines });
}

async function expectLinesAndLocks(page: Page, count: number): Promise<void> {
  const openLines = () => page.evaluate(() => lines.filter(({ readyState }) => readyState === WebSocket.OPEN).length);
  await expect.poll(openLines).toBe(count);
  await expect.poll(() => page.evaluate(() => chat.locks())).toHaveLength(count);
}

test('a client that is closed while it connects leaves no line, no lock and no error to the one after it', async () => {
  const stage = await setStage();
  const page = await open(stage, await stage.device(), 'idle');
  const outcome = await page.evaluate(async () => {
    const first = new Chat({ userId: 'alice' });
    const connecting = first.client.connect().then(String, (error: unknown) => (error as { code: string }).code);
    const closing = first.client[Symbol.asyncDispose]();
    globalThis.chat = new Chat({ userId: 'alice' });
    chat.connect();
    await closing;
    return [await connecting, first.client.status];
  });
  expect(outcome).toEqual(['DISCONNECTED', 'disconnected']);
  await connected(page);
  await expectLinesAndLocks(page, 1);
  expect(await page.evaluate(() => chat.errors)).toEqual([]);
  await page.evaluate(() => chat.client[Symbol.asyncDispose]());
  await expectLinesAndLocks(page, 0);
});

test('what a client was given before it was closed in the same moment is sent by the next one', async () => {
  const stage = await setStage();
  const id = await group(stage);
  const page = await open(stage, await stage.device(), 'idle');
  await page.evaluate((conversation) => {
    const first = new Chat({ userId: 'alice' });
    first.connect();
    first.send(conversation, ['one', 'two']);
    void first.client[Symbol.asyncDispose]();
    globalThis.chat = new Chat({ userId: 'alice' });
    chat.open(conversation);
    chat.connect();
  }, id);
  await shows(page, id, ['sent: one', 'sent: two']);
  await holds(page, 0);
  await expectLinesAndLocks(page, 1);
});

test('a page that comes back from the cache of the browser goes on with one line and one lock', async () => {
  const stage = await setStage();
  const id = await group(stage);
  const page = await open(stage, await stage.device(), `user=alice&open=${id}`);
  await connected(page);
  stage.line.kill();
  await send(page, id, ['one']);
  await holds(page, 1);
  await page.goto('about:blank');
  stage.line.heal();
  await page.goBack({ waitUntil: 'commit' });
  // It is still the page that was left.
  expect(await page.evaluate(() => chat.pending)).toEqual(['one']);
  await connected(page);
  await shows(page, id, ['sent: one']);
  await expect.poll(() => page.evaluate(() => chat.outcomes)).toEqual([{ content: 'one', result: 1 }]);
  await holds(page, 0);
  await expectLinesAndLocks(page, 1);
  expect(await stage.stored(id)).toEqual(['one']);
});

test('what a page in the cache of the browser holds is sent by a tab that is opened meanwhile', async () => {
  const stage = await setStage();
  const id = await group(stage);
  const device = await stage.device();
  const page = await open(stage, device, `user=alice&open=${id}`);
  await connected(page);
  await page.evaluate(() => chat.keepPage());
  stage.line.kill();
  await send(page, id, ['one']);
  await holds(page, 1);
  await page.goto('about:blank');
  const other = await open(stage, device, `user=alice&open=${id}`);
  stage.line.heal();
  await shows(other, id, ['sent: one']);
  await holds(other, 0);
  await page.goBack();
  await shows(page, id, ['sent: one']);
  expect(await stage.stored(id)).toEqual(['one']);
});

test('being hidden and looked at again opens no second line', async () => {
  const stage = await setStage();
  const id = await group(stage);
  const device = await stage.device();
  // What watches the page comes as a chunk of its own.
  const watching = device.waitForEvent('requestfinished', (request) => request.url().includes('/assets/browser-'));
  const page = await open(stage, device, 'user=alice');
  await watching;
  await connected(page);
  const seen = () => page.evaluate(() => ({ lines: lines.length, statuses: chat.statuses }));
  const before = await seen();
  await page.evaluate(async (conversation) => {
    for (let n = 0; n < 5; n += 1) {
      for (const type of ['online', 'pageshow']) globalThis.dispatchEvent(new Event(type));
      document.dispatchEvent(new Event('visibilitychange'));
    }
    // Behind all that on the same line.
    await chat.client.conversations.join(conversation);
  }, id);
  await expectLinesAndLocks(page, 1);
  expect(await seen()).toEqual(before);
});
