import type { BrowserContext, Page } from 'playwright';
import { expect, test } from 'vitest';
import { connected, waitForQueued, send, shows, useTestBed, type TestBed } from './browser.ts';

const startTestBed = useTestBed({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });

declare global {
  /** Every WebSocket that this page has opened. */
  var sockets: WebSocket[];
}

/** Records the WebSockets of a page. Runs in the page. */
function recordSockets(): void {
  globalThis.sockets = [];
  globalThis.WebSocket = class extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      sockets.push(this);
    }
  };
}

async function group(testBed: TestBed): Promise<string> {
  const alice = await testBed.server.connect('alice');
  return (await alice.ask('conversation:create', { type: 'group', name: 'group', participantIds: ['bob'] })).id;
}

function open(testBed: TestBed, device: BrowserContext, address: string): Promise<Page> {
  return testBed.open(device, { address, before: recordSockets });
}

async function expectSocketsAndLocks(page: Page, count: number): Promise<void> {
  const openSockets = () =>
    page.evaluate(() => sockets.filter(({ readyState }) => readyState === WebSocket.OPEN).length);
  await expect.poll(openSockets).toBe(count);
  await expect.poll(() => page.evaluate(() => chat.locks())).toHaveLength(count);
}

test('a client that is closed while it connects leaves no socket and no lock, and the next client works', async () => {
  const testBed = await startTestBed();
  const page = await open(testBed, await testBed.device(), 'idle');
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
  await expectSocketsAndLocks(page, 1);
  expect(await page.evaluate(() => chat.errors)).toEqual([]);
  await page.evaluate(() => chat.client[Symbol.asyncDispose]());
  await expectSocketsAndLocks(page, 0);
});

test('messages sent right before a client was closed are sent by the next client', async () => {
  const testBed = await startTestBed();
  const id = await group(testBed);
  const page = await open(testBed, await testBed.device(), 'idle');
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
  await waitForQueued(page, 0);
  await expectSocketsAndLocks(page, 1);
});

test('a page restored from the back/forward cache continues with one socket and one lock', async () => {
  const testBed = await startTestBed();
  const id = await group(testBed);
  const page = await open(testBed, await testBed.device(), `user=alice&open=${id}`);
  await connected(page);
  testBed.proxy.kill();
  await send(page, id, ['one']);
  await waitForQueued(page, 1);
  await page.goto('about:blank');
  testBed.proxy.heal();
  await page.goBack({ waitUntil: 'commit' });
  // It is the same page, restored.
  expect(await page.evaluate(() => chat.pending)).toEqual(['one']);
  await connected(page);
  await shows(page, id, ['sent: one']);
  await expect.poll(() => page.evaluate(() => chat.outcomes)).toEqual([{ content: 'one', result: 1 }]);
  await waitForQueued(page, 0);
  await expectSocketsAndLocks(page, 1);
  expect(await testBed.stored(id)).toEqual(['one']);
});

test('messages queued in a page in the back/forward cache are sent by a tab opened in the meantime', async () => {
  const testBed = await startTestBed();
  const id = await group(testBed);
  const device = await testBed.device();
  const page = await open(testBed, device, `user=alice&open=${id}`);
  await connected(page);
  await page.evaluate(() => chat.cachePage());
  testBed.proxy.kill();
  await send(page, id, ['one']);
  await waitForQueued(page, 1);
  await page.goto('about:blank');
  const other = await open(testBed, device, `user=alice&open=${id}`);
  testBed.proxy.heal();
  await shows(other, id, ['sent: one']);
  await waitForQueued(other, 0);
  await page.goBack();
  await shows(page, id, ['sent: one']);
  expect(await testBed.stored(id)).toEqual(['one']);
});

test('hiding and showing the page opens no second socket', async () => {
  const testBed = await startTestBed();
  const device = await testBed.device();
  // The page watcher is loaded as a chunk.
  const watching = device.waitForEvent('requestfinished', (request) => request.url().includes('/assets/connected-'));
  const page = await open(testBed, device, 'user=alice');
  await watching;
  await connected(page);
  const seen = () => page.evaluate(() => ({ sockets: sockets.length, statuses: chat.statuses }));
  const before = await seen();
  await page.evaluate(async () => {
    for (let n = 0; n < 5; n += 1) {
      for (const type of ['online', 'pageshow']) globalThis.dispatchEvent(new Event(type));
      document.dispatchEvent(new Event('visibilitychange'));
    }
    // Answered after all of these were handled, on the same connection.
    await chat.client.presence.set('online');
  });
  await expectSocketsAndLocks(page, 1);
  expect(await seen()).toEqual(before);
});
