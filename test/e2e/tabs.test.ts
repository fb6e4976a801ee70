import type { BrowserContext, Page } from 'playwright';
import { describe, expect, test } from 'vitest';
import { connected, crash, holds, numbered, offline, send, shows, useStage, type Stage } from './browser.ts';

const setStage = useStage();

interface TwoTabs {
  stage: Stage;
  device: BrowserContext;
  one: Page;
  other: Page;
  conversation: string;
}

/** Two tabs of alice with the same conversation open; bob is in it. */
async function twoTabs(before?: () => void): Promise<TwoTabs> {
  const stage = await setStage();
  const bob = await stage.server.connect('bob');
  const group = { type: 'group', name: 'group', participantIds: ['alice'] } as const;
  const { id: conversation } = await bob.ask('conversation:create', group);
  const device = await stage.device();
  const tab = { address: `user=alice&open=${conversation}`, ...(before !== undefined && { before }) };
  const one = await stage.open(device, tab);
  const other = await stage.open(device, tab);
  for (const page of [one, other]) {
    await connected(page);
    await page.evaluate((id) => chat.view(id).ready, conversation);
  }
  return { stage, device, one, other, conversation };
}

/** Once, and those of each tab in the order in which it sent them. */
async function expectOnceInOrder({ stage, conversation }: TwoTabs, ...tabs: readonly string[][]): Promise<void> {
  await expect.poll(() => stage.stored(conversation)).toHaveLength(tabs.flat().length);
  const stored = await stage.stored(conversation);
  for (const sent of tabs) expect(stored.filter((content) => sent.includes(content))).toEqual(sent);
}

/** Waits until a reader of the page sees exactly these, whichever tab's came first. */
async function showsAll(page: Page, conversation: string, lines: readonly string[]): Promise<void> {
  await expect.poll(() => page.evaluate((id) => chat.shown(id).toSorted(), conversation)).toEqual(lines.toSorted());
}

describe.each<[title: string, close: (page: Page) => Promise<void>]>([
  ['closed', (page) => page.close()],
  ['that crashes', crash],
])('what a tab %s leaves', (_title, close) => {
  test('while the network is away is sent by the other one, once and in order', async () => {
    const tabs = await twoTabs();
    const { stage, device, one, other, conversation } = tabs;
    await stage.unplug(device);
    await Promise.all([one, other].map(offline));
    for (let n = 1; n <= 5; n += 1) {
      await send(one, conversation, [`one ${n}`]);
      await send(other, conversation, [`other ${n}`]);
    }
    await holds(one, 10);
    await expect.poll(() => one.evaluate(() => chat.outbox().length)).toBe(10);
    await close(other);
    await send(one, conversation, ['one 6']);
    await device.setOffline(false);
    await expectOnceInOrder(tabs, numbered('one', 6), numbered('other', 5));
    await holds(one, 0);
    await expect.poll(() => one.evaluate(() => chat.outbox())).toEqual([]);
    await showsAll(one, conversation, [...numbered('sent: one', 6), ...numbered('sent: other', 5)]);
    const promised = () => one.evaluate(() => chat.outcomes.map(({ content }) => content));
    await expect.poll(promised).toEqual(numbered('one', 6));
    expect(await one.evaluate(() => chat.errors)).toEqual([]);
  });

  test('on a line that has gone silent is sent by the other one, once and in order', async () => {
    const tabs = await twoTabs();
    const { stage, one, other, conversation } = tabs;
    stage.line.kill();
    await send(one, conversation, numbered('one', 5));
    await send(other, conversation, numbered('other', 5));
    await holds(one, 10);
    await close(other);
    stage.line.heal();
    await expectOnceInOrder(tabs, numbered('one', 5), numbered('other', 5));
    await holds(one, 0);
  });
});

test('what waits in one tab shows in the other as sending, then as sent, and each promise is kept', async () => {
  const { stage, device, one, other, conversation } = await twoTabs();
  await stage.unplug(device);
  await Promise.all([one, other].map(offline));
  await send(one, conversation, numbered('one', 3));
  await shows(other, conversation, numbered('sending: one', 3));
  await expect.poll(() => other.evaluate(() => chat.outbox())).toEqual(numbered('sending: one', 3));
  // Nobody asked for it there.
  expect(await other.evaluate(() => chat.pending)).toEqual([]);
  await device.setOffline(false);
  await shows(one, conversation, numbered('sent: one', 3));
  await shows(other, conversation, numbered('sent: one', 3));
  await expect.poll(() => other.evaluate(() => chat.outbox())).toEqual([]);
  await expect.poll(() => one.evaluate(() => chat.outcomes.map(({ result }) => result))).toEqual([1, 2, 3]);
  await expect.poll(() => other.evaluate(() => chat.arrived)).toEqual(numbered('one', 3));
});

test('a tab that is opened later shows what waits in the first one', async () => {
  const { stage, device, one, other, conversation } = await twoTabs();
  await one.evaluate(() => chat.keepPage());
  await other.close();
  await stage.unplug(device);
  await offline(one);
  await send(one, conversation, numbered('one', 3));
  await holds(one, 3);
  const late = await stage.open(device, { address: `user=alice&open=${conversation}` });
  await shows(late, conversation, numbered('sending: one', 3));
  // They are still the first one's, which gives them back when it goes.
  await one.close();
  await device.setOffline(false);
  await shows(late, conversation, numbered('sent: one', 3));
  expect(await stage.stored(conversation)).toEqual(numbered('one', 3));
  await holds(late, 0);
});

test('a message and a read mark of one tab are seen in the other', async () => {
  const { stage, one, other, conversation } = await twoTabs();
  const bob = await stage.server.connect('bob');
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

describe('a message that was refused in one tab', () => {
  async function refused(): Promise<TwoTabs & { letIn: () => Promise<unknown> }> {
    const tabs = await twoTabs();
    const { stage, one, other, conversation: conversationId } = tabs;
    const bob = await stage.server.connect('bob');
    await bob.ask('conversation:remove-participant', { conversationId, userId: 'alice' });
    await send(one, conversationId, ['refused']);
    await shows(one, conversationId, ['failed: refused']);
    await shows(other, conversationId, ['failed: refused']);
    await expect.poll(() => other.evaluate(() => chat.outbox())).toEqual(['failed: refused']);
    await expect.poll(() => one.evaluate(() => chat.failed)).toEqual(['refused']);
    expect(await other.evaluate(() => chat.failed)).toEqual([]);
    const letIn = () => bob.ask('conversation:add-participants', { conversationId, userIds: ['alice'] });
    return { ...tabs, letIn };
  }
  const clientIdOf = (page: Page) => page.evaluate(() => chat.client.messages.outbox()[0]?.clientId ?? '');

  test('can be sent again from the other one', async () => {
    const { stage, one, other, conversation, letIn } = await refused();
    await letIn();
    const seq = await other.evaluate(async (id) => (await chat.client.messages.retry(id)).seq, await clientIdOf(other));
    expect(seq).toBe(1);
    await Promise.all([one, other].map((page) => shows(page, conversation, ['sent: refused'])));
    expect(await stage.stored(conversation)).toEqual(['refused']);
    await holds(one, 0);
  });

  test('is refused again where it is sent again too early, and says so there', async () => {
    const { one, other, conversation } = await refused();
    const code = await other.evaluate(
      (id) => chat.client.messages.retry(id).then(String, (error: unknown) => (error as { code: string }).code),
      await clientIdOf(other),
    );
    expect(code).toBe(await one.evaluate(() => chat.outcomes[0]?.result));
    await Promise.all([one, other].map((page) => shows(page, conversation, ['failed: refused'])));
  });

  test('can be discarded from the other one', async () => {
    const { one, other, conversation } = await refused();
    await other.evaluate((id) => chat.client.messages.discard(id), await clientIdOf(other));
    await Promise.all([one, other].map((page) => shows(page, conversation, [])));
    await holds(one, 0);
  });

  test('waits for that in the other one after its own is closed', async () => {
    const { stage, one, other, conversation, letIn } = await refused();
    await one.close();
    await letIn();
    const id = await clientIdOf(other);
    await other.evaluate((clientId) => chat.client.messages.retry(clientId), id);
    await shows(other, conversation, ['sent: refused']);
    expect(await stage.stored(conversation)).toEqual(['refused']);
    await holds(other, 0);
  });
});

describe.each<[missing: string, remove: () => void]>([
  ['Web Locks', () => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })],
  ['BroadcastChannel', () => Reflect.deleteProperty(globalThis, 'BroadcastChannel')],
])('without %s', (_missing, remove) => {
  test('everything is stored once and in order, also what a closed tab has left', async () => {
    const tabs = await twoTabs(remove);
    const { stage, device, one, other, conversation } = tabs;
    await one.evaluate(() => chat.keepPage());
    await stage.unplug(device);
    await Promise.all([one, other].map(offline));
    await send(one, conversation, numbered('one', 5));
    await send(other, conversation, numbered('other', 5));
    await holds(one, 10);
    await other.close();
    // It takes over what the living one has as well: by the client ids the server knows them for the same.
    const late = await stage.open(device, { address: `user=alice&open=${conversation}`, before: remove });
    await expect.poll(() => late.evaluate(() => chat.outbox().length)).toBe(10);
    await device.setOffline(false);
    await expectOnceInOrder(tabs, numbered('one', 5), numbered('other', 5));
    await expect.poll(() => one.evaluate(() => chat.outcomes.length)).toBe(5);
    for (const page of [one, late]) {
      await expect.poll(() => page.evaluate(() => chat.outbox())).toEqual([]);
      await holds(page, 0);
      await showsAll(page, conversation, [...numbered('sent: one', 5), ...numbered('sent: other', 5)]);
    }
  });
});
