import type { BrowserContext, Page } from 'playwright';
import { describe, expect, test } from 'vitest';
import {
  connected,
  crash,
  waitForQueued,
  numbered,
  offline,
  send,
  shows,
  useTestBed,
  type TestBed,
} from './browser.ts';

const startTestBed = useTestBed();

interface TwoTabs {
  testBed: TestBed;
  device: BrowserContext;
  one: Page;
  other: Page;
  conversation: string;
}

/** Two tabs of alice with the same conversation open; bob is in it. */
async function twoTabs(before?: () => void): Promise<TwoTabs> {
  const testBed = await startTestBed();
  const bob = await testBed.server.connect('bob');
  const group = { type: 'group', name: 'group', participantIds: ['alice'] } as const;
  const { id: conversation } = await bob.ask('conversation:create', group);
  const device = await testBed.device();
  const tab = { address: `user=alice&open=${conversation}`, ...(before !== undefined && { before }) };
  const one = await testBed.open(device, tab);
  const other = await testBed.open(device, tab);
  for (const page of [one, other]) {
    await connected(page);
    await page.evaluate((id) => chat.view(id).ready, conversation);
  }
  return { testBed, device, one, other, conversation };
}

/** Expects that the server has each message once, and those of each tab in the order in which it sent them. */
async function expectOnceInOrder({ testBed, conversation }: TwoTabs, ...tabs: readonly string[][]): Promise<void> {
  await expect.poll(() => testBed.stored(conversation)).toHaveLength(tabs.flat().length);
  const stored = await testBed.stored(conversation);
  for (const sent of tabs) expect(stored.filter((content) => sent.includes(content))).toEqual(sent);
}

/** Waits until the view of a conversation shows exactly these lines, in any order. */
async function showsAll(page: Page, conversation: string, lines: readonly string[]): Promise<void> {
  await expect.poll(() => page.evaluate((id) => chat.shown(id).toSorted(), conversation)).toEqual(lines.toSorted());
}

describe.each<[title: string, close: (page: Page) => Promise<void>]>([
  ['is closed', (page) => page.close()],
  ['crashes', crash],
])('unsent messages of a tab that %s', (_title, close) => {
  test('are sent by the other tab when the network is back, once and in order', async () => {
    const tabs = await twoTabs();
    const { testBed, device, one, other, conversation } = tabs;
    await testBed.unplug(device);
    await Promise.all([one, other].map(offline));
    for (let n = 1; n <= 5; n += 1) {
      await send(one, conversation, [`one ${n}`]);
      await send(other, conversation, [`other ${n}`]);
    }
    await waitForQueued(one, 10);
    await expect.poll(() => one.evaluate(() => chat.outbox().length)).toBe(10);
    await close(other);
    await send(one, conversation, ['one 6']);
    await device.setOffline(false);
    await expectOnceInOrder(tabs, numbered('one', 6), numbered('other', 5));
    await waitForQueued(one, 0);
    await expect.poll(() => one.evaluate(() => chat.outbox())).toEqual([]);
    await showsAll(one, conversation, [...numbered('sent: one', 6), ...numbered('sent: other', 5)]);
    const promised = () => one.evaluate(() => chat.outcomes.map(({ content }) => content));
    await expect.poll(promised).toEqual(numbered('one', 6));
    expect(await one.evaluate(() => chat.errors)).toEqual([]);
  });

  test('are sent by the other tab if the connection had stalled, once and in order', async () => {
    const tabs = await twoTabs();
    const { testBed, one, other, conversation } = tabs;
    testBed.proxy.kill();
    await send(one, conversation, numbered('one', 5));
    await send(other, conversation, numbered('other', 5));
    await waitForQueued(one, 10);
    await close(other);
    testBed.proxy.heal();
    await expectOnceInOrder(tabs, numbered('one', 5), numbered('other', 5));
    await waitForQueued(one, 0);
  });
});

test('messages queued in one tab show in the other as sending, then as sent, and each promise settles', async () => {
  const { testBed, device, one, other, conversation } = await twoTabs();
  await testBed.unplug(device);
  await Promise.all([one, other].map(offline));
  await send(one, conversation, numbered('one', 3));
  await shows(other, conversation, numbered('sending: one', 3));
  await expect.poll(() => other.evaluate(() => chat.outbox())).toEqual(numbered('sending: one', 3));
  // `message:pending` is emitted only in the tab that sends.
  expect(await other.evaluate(() => chat.pending)).toEqual([]);
  await device.setOffline(false);
  await shows(one, conversation, numbered('sent: one', 3));
  await shows(other, conversation, numbered('sent: one', 3));
  await expect.poll(() => other.evaluate(() => chat.outbox())).toEqual([]);
  await expect.poll(() => one.evaluate(() => chat.outcomes.map(({ result }) => result))).toEqual([1, 2, 3]);
  await expect.poll(() => other.evaluate(() => chat.arrived)).toEqual(numbered('one', 3));
});

test('a tab that is opened later shows the messages queued in the first one', async () => {
  const { testBed, device, one, other, conversation } = await twoTabs();
  await one.evaluate(() => chat.cachePage());
  await other.close();
  await testBed.unplug(device);
  await offline(one);
  await send(one, conversation, numbered('one', 3));
  await waitForQueued(one, 3);
  const late = await testBed.open(device, { address: `user=alice&open=${conversation}` });
  await shows(late, conversation, numbered('sending: one', 3));
  // The first tab owns them until it is closed.
  await one.close();
  await device.setOffline(false);
  await shows(late, conversation, numbered('sent: one', 3));
  expect(await testBed.stored(conversation)).toEqual(numbered('one', 3));
  await waitForQueued(late, 0);
});

test('a message and a read mark of one tab appear in the other', async () => {
  const { testBed, one, other, conversation } = await twoTabs();
  const bob = await testBed.server.connect('bob');
  const hello = { conversationId: conversation, content: 'hello', type: 'text', clientId: 'bob-1' } as const;
  await bob.ask('message:send', hello);
  await Promise.all([one, other].map((page) => shows(page, conversation, ['sent: hello'])));
  const unread = (page: Page) =>
    page.evaluate((id) => chat.view(id).getSnapshot().conversation?.unreadCount, conversation);
  await expect.poll(() => unread(other)).toBe(1);
  await one.evaluate((id) => chat.view(id).markRead(), conversation);
  await expect.poll(() => unread(other)).toBe(0);
  await send(one, conversation, ['answer']);
  await shows(other, conversation, ['sent: hello', 'sent: answer']);
});

describe('a message that was rejected in one tab', () => {
  async function refused(): Promise<TwoTabs & { addAgain: () => Promise<unknown> }> {
    const tabs = await twoTabs();
    const { testBed, one, other, conversation: conversationId } = tabs;
    const bob = await testBed.server.connect('bob');
    await bob.ask('conversation:remove-participant', { conversationId, userId: 'alice' });
    await send(one, conversationId, ['refused']);
    await shows(one, conversationId, ['failed: refused']);
    await shows(other, conversationId, ['failed: refused']);
    await expect.poll(() => other.evaluate(() => chat.outbox())).toEqual(['failed: refused']);
    await expect.poll(() => one.evaluate(() => chat.failed)).toEqual(['refused']);
    expect(await other.evaluate(() => chat.failed)).toEqual([]);
    const addAgain = () => bob.ask('conversation:add-participants', { conversationId, userIds: ['alice'] });
    return { ...tabs, addAgain };
  }
  const clientIdOf = (page: Page) => page.evaluate(() => chat.client.messages.outbox()[0]?.clientId ?? '');

  test('can be retried in the other tab', async () => {
    const { testBed, one, other, conversation, addAgain } = await refused();
    await addAgain();
    const seq = await other.evaluate(async (id) => (await chat.client.messages.retry(id)).seq, await clientIdOf(other));
    expect(seq).toBe(1);
    await Promise.all([one, other].map((page) => shows(page, conversation, ['sent: refused'])));
    expect(await testBed.stored(conversation)).toEqual(['refused']);
    await waitForQueued(one, 0);
  });

  test('fails in the tab that retries it too early, with the same code', async () => {
    const { one, other, conversation } = await refused();
    const code = await other.evaluate(
      (id) => chat.client.messages.retry(id).then(String, (error: unknown) => (error as { code: string }).code),
      await clientIdOf(other),
    );
    expect(code).toBe(await one.evaluate(() => chat.outcomes[0]?.result));
    await Promise.all([one, other].map((page) => shows(page, conversation, ['failed: refused'])));
  });

  test('can be discarded in the other tab', async () => {
    const { one, other, conversation } = await refused();
    await other.evaluate((id) => chat.client.messages.discard(id), await clientIdOf(other));
    await Promise.all([one, other].map((page) => shows(page, conversation, [])));
    await waitForQueued(one, 0);
  });

  test('can be retried in the other tab after its own tab was closed', async () => {
    const { testBed, one, other, conversation, addAgain } = await refused();
    await one.close();
    await addAgain();
    const id = await clientIdOf(other);
    await other.evaluate((clientId) => chat.client.messages.retry(clientId), id);
    await shows(other, conversation, ['sent: refused']);
    expect(await testBed.stored(conversation)).toEqual(['refused']);
    await waitForQueued(other, 0);
  });
});

describe.each<[missing: string, remove: () => void]>([
  ['Web Locks', () => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })],
  ['BroadcastChannel', () => Reflect.deleteProperty(globalThis, 'BroadcastChannel')],
])('without %s', (_missing, remove) => {
  test('all messages are stored once and in order, including those of a closed tab', async () => {
    const tabs = await twoTabs(remove);
    const { testBed, device, one, other, conversation } = tabs;
    await one.evaluate(() => chat.cachePage());
    await testBed.unplug(device);
    await Promise.all([one, other].map(offline));
    await send(one, conversation, numbered('one', 5));
    await send(other, conversation, numbered('other', 5));
    await waitForQueued(one, 10);
    await other.close();
    // It also takes over the messages of the open tab. The server recognizes duplicates by their client ids.
    const late = await testBed.open(device, { address: `user=alice&open=${conversation}`, before: remove });
    await expect.poll(() => late.evaluate(() => chat.outbox().length)).toBe(10);
    await device.setOffline(false);
    await expectOnceInOrder(tabs, numbered('one', 5), numbered('other', 5));
    await expect.poll(() => one.evaluate(() => chat.outcomes.length)).toBe(5);
    for (const page of [one, late]) {
      await expect.poll(() => page.evaluate(() => chat.outbox())).toEqual([]);
      await waitForQueued(page, 0);
      await showsAll(page, conversation, [...numbered('sent: one', 5), ...numbered('sent: other', 5)]);
    }
  });
});
