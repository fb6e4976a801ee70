import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { message, openChat, say, texts, usePlayground, type Playground } from './playground.ts';

const startPlayground = usePlayground();
const COUNT = 300;
const numbered = Array.from({ length: COUNT }, (_, index) => `Line ${index + 1}.`);

async function filled(playground: Playground): Promise<void> {
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await Promise.all(numbered.map((content) => bob.messages.send({ conversationId, content })));
  // A chat with unread messages opens at the first of them.
  const alice = await playground.client('alice');
  const [last] = (await alice.messages.list({ conversationId, limit: 1 })).messages;
  await alice.messages.markRead({ conversationId, messageId: last?.id ?? '' });
}

async function scrollUp(page: Page): Promise<void> {
  await page.locator('.timeline-scroller').evaluate((scroller) => scroller.scrollTo({ top: 0 }));
}

/** The vertical position of a message on the screen. */
async function topOf(page: Page, text: string): Promise<number> {
  return (await message(page, text).boundingBox())?.y ?? Number.NaN;
}

test('a long history opens at the end and can be scrolled to the first message', async () => {
  const playground = await startPlayground();
  await filled(playground);
  const alice = await playground.window('alice');
  await openChat(alice, 'Bob');
  await message(alice, 'Line 300.').waitFor();
  expect(await message(alice, 'Line 300.').isVisible()).toBe(true);
  expect((await texts(alice)).length).toBeLessThan(COUNT);

  await expect
    .poll(async () => {
      await scrollUp(alice);
      return await alice.getByText('The beginning of this conversation').count();
    })
    .toBe(1);
  await expect.poll(() => texts(alice)).toEqual(numbered);

  await alice.getByRole('button', { name: 'Jump to the newest message' }).click();
  await expect.poll(() => topOf(alice, 'Line 300.')).toBeLessThan(700);
});

test('the scroll position is kept while older messages are inserted above', async () => {
  const playground = await startPlayground();
  await filled(playground);
  const alice = await playground.window('alice');
  await openChat(alice, 'Bob');
  await message(alice, 'Line 300.').waitFor();
  // At first only the last message may be shown, which the list of chats has stored.
  await expect.poll(async () => (await texts(alice)).length).toBeGreaterThan(1);
  const [first = ''] = await texts(alice);

  // Scrolls and measures in one step, because the page may start loading in between.
  const before = await alice.locator('.timeline-scroller').evaluate((scroller) => {
    scroller.scrollTo({ top: 0 });
    return scroller.querySelector('.message')?.getBoundingClientRect().top;
  });
  await expect.poll(async () => (await texts(alice))[0]).not.toBe(first);
  expect(Math.abs((await topOf(alice, first)) - (before ?? Number.NaN))).toBeLessThan(3);
});

test('new messages do not move a scrolled-up view and are counted on the button to the end', async () => {
  const playground = await startPlayground();
  await filled(playground);
  const alice = await playground.window('alice');
  const bob = await playground.client('bob');
  await openChat(alice, 'Bob');
  await message(alice, 'Line 300.').waitFor();
  const back = alice.getByRole('button', { name: 'Jump to the newest message' });
  await expect
    .poll(async () => {
      // Repeated: an update before the page has noticed the scrolling, which a script does at once, returns to the end.
      await scrollUp(alice);
      return await back.isVisible();
    })
    .toBe(true);
  const [conversation] = await bob.conversations.list();
  await bob.messages.send({ conversationId: conversation?.id ?? '', content: 'Something new' });
  await back.getByText('1 new').waitFor();
  // Own messages have their status at their end: no button covers it.
  const isCovering = (button: Element): boolean => {
    const { bottom = 0 } = document.querySelector('.timeline-scroller')?.getBoundingClientRect() ?? {};
    return button.getBoundingClientRect().top < bottom;
  };
  expect(await back.evaluate(isCovering)).toBe(false);
  await message(alice, 'Something new').waitFor({ state: 'attached' });
  await back.click();
  await expect.poll(() => topOf(alice, 'Something new')).toBeLessThan(700);
  await back.waitFor({ state: 'hidden' });
});

test('a search result jumps to its message, and one click returns to the end', async () => {
  const playground = await startPlayground();
  await filled(playground);
  const alice = await playground.window('alice');
  await alice.getByRole('searchbox', { name: 'Search chats and messages' }).fill('Line 17');
  const results = alice.getByRole('list', { name: 'Messages found' });
  await results.getByRole('button', { name: 'Line 17.' }).click();
  await message(alice, 'Line 17.').waitFor();
  await expect.poll(() => topOf(alice, 'Line 17.')).toBeGreaterThan(60);
  await expect.poll(() => topOf(alice, 'Line 17.')).toBeLessThan(700);
  expect(await message(alice, 'Line 300.').count()).toBe(0);

  await alice.getByRole('button', { name: 'Jump to the newest message' }).click();
  await expect.poll(() => topOf(alice, 'Line 300.')).toBeLessThan(700);
});

test('a chat opens at the first unread message and is marked as read when its end was visible', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await bob.messages.send({ conversationId, content: 'Read before.' });
  const row = alice.getByRole('list', { name: 'Chats' }).getByRole('button', { name: 'Bob' });
  await row.getByText('1 unread message').waitFor({ state: 'attached' });
  await openChat(alice, 'Bob');
  await message(alice, 'Read before.').waitFor();
  await row.getByText('unread message').waitFor({ state: 'detached' });
  await alice.evaluate(() => (location.hash = ''));
  await alice.getByText('Choose a chat, or start a new one.').waitFor();
  await Promise.all(numbered.slice(0, 40).map((content) => bob.messages.send({ conversationId, content })));
  await row.getByText('40 unread messages').waitFor({ state: 'attached' });

  await openChat(alice, 'Bob');
  await alice.getByText('New messages').waitFor();
  await expect.poll(() => topOf(alice, 'Line 1.')).toBeLessThan(300);
  await row.getByText('40 unread messages').waitFor({ state: 'attached' });
  await alice.getByRole('button', { name: 'Jump to the newest message' }).click();
  await row.getByText('unread message').waitFor({ state: 'detached' });
  await say(alice, 'Answered');
  await alice.getByText('New messages').waitFor({ state: 'detached' });
});
