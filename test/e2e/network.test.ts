import type { BrowserContext, Page } from 'playwright';
import { describe, expect, test } from 'vitest';
import type { CheckedClient } from '../helpers/server/checked-client.ts';
import { connected, holds, numbered, offline, send, shows, useStage, type Stage } from './browser.ts';

const setStage = useStage();

interface Chatting {
  stage: Stage;
  device: BrowserContext;
  page: Page;
  bob: CheckedClient;
  conversation: string;
  /** What bob writes, and its id. */
  say: (content: string) => Promise<string>;
}

/** Alice, whose clock the test moves, and bob. */
async function chatting(): Promise<Chatting> {
  const stage = await setStage();
  const bob = await stage.server.connect('bob');
  const group = { type: 'group', name: 'group', participantIds: ['alice'] } as const;
  const { id: conversationId } = await bob.ask('conversation:create', group);
  const device = await stage.device();
  await device.clock.install();
  // What watches the page comes as a chunk of its own.
  const watching = device.waitForEvent('requestfinished', (request) => request.url().includes('/assets/browser-'));
  const page = await stage.open(device, { address: `user=alice&open=${conversationId}` });
  await watching;
  await connected(page);
  await page.evaluate((id) => chat.view(id).ready, conversationId);
  const say = async (content: string) =>
    (await bob.ask('message:send', { conversationId, content, type: 'text', clientId: `bob-${content}` })).id;
  return { stage, device, page, bob, conversation: conversationId, say };
}

test('after a minute without a network everything of both sides is there, once and in order', async () => {
  const { stage, page, bob, conversation, say } = await chatting();
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
  // What is open stays open under the browser's emulation.
  stage.line.cut();
  await offline(page);
  await send(page, conversation, numbered('alice', 3));
  for (const content of numbered('bob', 3)) await say(content);
  await bob.ask('message:edit', { conversationId, messageId: first, content: 'edited' });
  await page.clock.fastForward(60_000);
  await holds(page, 3);
  expect(await page.evaluate(() => chat.client.status)).toBe('reconnecting');
  await emulate(false);
  await connected(page);
  const all = ['edited', ...numbered('bob', 3), ...numbered('alice', 3)];
  await shows(
    page,
    conversation,
    all.map((content) => `sent: ${content}`),
  );
  expect(await stage.stored(conversation)).toEqual(all);
  await expect
    .poll(() => page.evaluate(() => chat.arrived))
    .toEqual(['first', ...numbered('bob', 3), ...numbered('alice', 3)]);
  expect(await page.evaluate(() => chat.errors)).toEqual([]);
});

describe('a line that is dead without a word is noticed', () => {
  test.each<[title: string, wake: () => void]>([
    ['the page is looked at again', () => document.dispatchEvent(new Event('visibilitychange'))],
    ['the browser says that there is a network', () => globalThis.dispatchEvent(new Event('online'))],
    ['the page comes out of the cache', () => globalThis.dispatchEvent(new Event('pageshow'))],
  ])('when %s', async (_title, wake) => {
    const { stage, page, conversation, say } = await chatting();
    // Before anything is lost: what the line owes must not run out of time by itself.
    await page.clock.pauseAt(await page.evaluate(() => Date.now() + 4_000));
    stage.line.kill();
    await send(page, conversation, ['alice']);
    await say('bob');
    expect(await page.evaluate(() => chat.client.status)).toBe('connected');
    await page.evaluate(wake);
    await page.clock.fastForward(5_000);
    expect(await page.evaluate(() => chat.client.status)).toBe('reconnecting');
    await page.clock.resume();
    stage.line.heal();
    await connected(page);
    await expect
      .poll(() => page.evaluate((id) => chat.shown(id).toSorted(), conversation))
      .toEqual(['sent: alice', 'sent: bob']);
    expect((await stage.stored(conversation)).toSorted()).toEqual(['alice', 'bob']);
  });

  test('and one that only was slow is kept', async () => {
    const { page, conversation } = await chatting();
    const before = await page.evaluate(() => chat.statuses.length);
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    // Behind the ping on the same line: once it is answered, the line has been heard of since.
    await page.evaluate((id) => chat.client.conversations.join(id), conversation);
    await page.clock.fastForward(5_000);
    expect(await page.evaluate(() => chat.statuses.length)).toBe(before);
  });
});
