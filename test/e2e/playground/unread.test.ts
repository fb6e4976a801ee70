import { expect, test } from 'vitest';
import { isAccessible } from './accessibility.ts';
import { choose, message, openChat, say, usePlayground } from './playground.ts';

const startPlayground = usePlayground();
const numbered = Array.from({ length: 130 }, (_, index) => `Line ${index + 1}.`);

test('a chat with 130 unread messages opens at the first one and has a way down', async () => {
  const playground = await startPlayground();
  const alice = await playground.client('alice');
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  for (const content of ['Read one.', 'Read two.']) await bob.messages.send({ conversationId, content });
  const { messages } = await alice.messages.list({ conversationId });
  await alice.messages.markRead({ conversationId, messageId: messages.at(-1)?.id ?? '' });
  await Promise.all(numbered.map((content) => bob.messages.send({ conversationId, content })));

  const page = await playground.window('alice');
  const row = page.getByRole('list', { name: 'Chats' }).getByRole('button', { name: 'Bob' });
  await row.getByText('130 unread messages').waitFor({ state: 'attached' });
  await openChat(page, 'Bob');
  await page.getByText('New messages').waitFor();
  const isShown = (text: string): Promise<boolean> =>
    message(page, text).evaluateAll((found) => {
      const { top, bottom } = document.querySelector('.timeline-scroller')?.getBoundingClientRect() ?? new DOMRect();
      return found.some((each) => each.getBoundingClientRect().top >= top && each.getBoundingClientRect().top < bottom);
    });
  await expect.poll(() => isShown('Line 1.')).toBe(true);
  expect(await page.title()).toBe('(130) Bob · lumen-comm');
  const down = page.getByRole('button', { name: 'Jump to the newest message' });
  await down.getByText('130').waitFor();
  await isAccessible(page);
  await down.click();
  await expect.poll(() => isShown('Line 130.')).toBe(true);
  await row.getByText('unread message').waitFor({ state: 'detached' });
  await expect.poll(() => page.title()).toBe('Bob · lumen-comm');

  await choose(page, 'Line 129.', 'Mark as unread');
  await row.getByText('2 unread messages').waitFor({ state: 'attached' });
  await page.getByRole('button', { name: 'Unread', exact: true }).click();
  await row.waitFor();
  await page.getByRole('button', { name: 'Mark all as read' }).click();
  await page.getByText('Everything is read.').waitFor();
});

test('names are completed after an @, and the mentioned person sees it in the list', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id } = await bob.conversations.create({ type: 'group', name: 'Hike', participantIds: ['alice', 'carol'] });
  await bob.messages.send({ conversationId: id, content: 'Who cooks' });
  const [alice, carol] = await playground.windows(['alice', 'carol']);
  await openChat(alice, 'Hike');
  const input = alice.getByRole('textbox', { name: 'Message', exact: true });
  await input.pressSequentially('Ask @ca');
  await alice.getByRole('option', { name: 'Carol', selected: true }).waitFor();
  await isAccessible(alice);
  await input.press('Enter');
  await expect.poll(() => input.inputValue()).toBe('Ask @Carol ');
  await input.pressSequentially('please');
  await input.press('Enter');
  await message(alice, 'Ask @Carol please').waitFor();
  const row = carol.getByRole('list', { name: 'Chats' }).getByRole('button', { name: 'Hike' });
  await row.getByText('You are mentioned').waitFor({ state: 'attached' });
  await openChat(carol, 'Hike');
  await message(carol, 'Ask @Carol please').locator('.mention[data-self]').waitFor();
  await row.getByText('You are mentioned').waitFor({ state: 'detached' });
  await say(carol, 'I do');
});
