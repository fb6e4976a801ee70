import type { BrowserContext, Page } from 'playwright';
import { describe, expect, test } from 'vitest';
import type { CheckedClient } from '../helpers/server/checked-client.ts';
import { connected, waitForQueued, numbered, offline, send, shows, useTestBed, type TestBed } from './browser.ts';

const startTestBed = useTestBed();

interface Chatting {
  testBed: TestBed;
  device: BrowserContext;
  page: Page;
  bob: CheckedClient;
  conversation: string;
  /** Sends a message of bob and returns its id. */
  say: (content: string) => Promise<string>;
}

/** Opens a page of alice, whose clock the test controls, and connects bob. */
async function chatting(): Promise<Chatting> {
  const testBed = await startTestBed();
  const bob = await testBed.server.connect('bob');
  const group = { type: 'group', name: 'group', participantIds: ['alice'] } as const;
  const { id: conversationId } = await bob.ask('conversation:create', group);
  const device = await testBed.device();
  await device.clock.install();
  // The page watcher is loaded as a chunk.
  const watching = device.waitForEvent('requestfinished', (request) => request.url().includes('/assets/connected-'));
  const page = await testBed.open(device, { address: `user=alice&open=${conversationId}` });
  await watching;
  await connected(page);
  await page.evaluate((id) => chat.view(id).ready, conversationId);
  const say = async (content: string) =>
    (await bob.ask('message:send', { conversationId, content, type: 'text', clientId: `bob-${content}` })).id;
  return { testBed, device, page, bob, conversation: conversationId, say };
}

/** Pauses the clock of a page, a few seconds in its future. */
async function pause(page: Page): Promise<void> {
  const at = async (): Promise<number> => await page.evaluate(() => Date.now() + 4_000);
  // Rejects, with the clock paused, if these seconds have passed before the command arrives.
  await page.clock.pauseAt(await at()).catch(async () => await page.clock.pauseAt(await at()));
}

test('after a minute without a network all messages of both users arrive, once and in order', async () => {
  const { testBed, page, bob, conversation, say } = await chatting();
  const conversationId = conversation;
  const first = await say('first');
  await shows(page, conversation, ['sent: first']);
  const session = await page.context().newCDPSession(page);
  const emulate = (isOffline: boolean) =>
    session.send('Network.emulateNetworkConditions', {
      offline: isOffline,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: -1,
    });
  await session.send('Network.enable');
  await emulate(true);
  // The browser's emulation keeps open connections.
  testBed.proxy.cut();
  await offline(page);
  await send(page, conversation, numbered('alice', 3));
  for (const content of numbered('bob', 3)) await say(content);
  await bob.ask('message:edit', { conversationId, messageId: first, content: 'edited' });
  await page.clock.fastForward(60_000);
  await waitForQueued(page, 3);
  expect(await page.evaluate(() => chat.client.status)).toBe('reconnecting');
  await emulate(false);
  await connected(page);
  const all = ['edited', ...numbered('bob', 3), ...numbered('alice', 3)];
  const contents = () => page.evaluate((id) => chat.messages(id).map(({ content }) => content), conversation);
  await expect.poll(contents).toEqual(all);
  // The view also shows messages that are not stored yet.
  await expect.poll(() => testBed.stored(conversation)).toEqual(all);
  await expect
    .poll(() => page.evaluate(() => chat.arrived))
    .toEqual(['first', ...numbered('bob', 3), ...numbered('alice', 3)]);
  expect(await page.evaluate(() => chat.errors)).toEqual([]);
});

describe('a stalled connection is detected', () => {
  test.each<[title: string, wake: () => void]>([
    ['the page becomes visible', () => document.dispatchEvent(new Event('visibilitychange'))],
    ['the browser reports a network', () => globalThis.dispatchEvent(new Event('online'))],
    ['the page is restored from the back/forward cache', () => globalThis.dispatchEvent(new Event('pageshow'))],
  ])('when %s', async (_title, wake) => {
    const { testBed, page, conversation, say } = await chatting();
    // Pauses first, so that no request times out by itself.
    await pause(page);
    testBed.proxy.kill();
    await send(page, conversation, ['alice']);
    await say('bob');
    expect(await page.evaluate(() => chat.client.status)).toBe('connected');
    await page.evaluate(wake);
    await page.clock.fastForward(5_000);
    expect(await page.evaluate(() => chat.client.status)).toBe('reconnecting');
    await page.clock.resume();
    testBed.proxy.heal();
    await connected(page);
    await expect
      .poll(() => page.evaluate((id) => chat.shown(id).toSorted(), conversation))
      .toEqual(['sent: alice', 'sent: bob']);
    expect((await testBed.stored(conversation)).toSorted()).toEqual(['alice', 'bob']);
  });

  test('but a slow connection is kept', async () => {
    const { page } = await chatting();
    const before = await page.evaluate(() => chat.statuses.length);
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    // Sent after the ping on the same connection: its answer shows that the connection works.
    await page.evaluate(() => chat.client.presence.set('online'));
    await page.clock.fastForward(5_000);
    expect(await page.evaluate(() => chat.statuses.length)).toBe(before);
  });
});
