import { expect, test } from 'vitest';
import { isAccessible } from './accessibility.ts';
import { composer, message, openChat, reaches, say, usePlayground, type Playground } from './playground.ts';

const startPlayground = usePlayground();

/** Fills a group and a direct chat with every kind of message and state. */
async function createConversations(playground: Playground): Promise<void> {
  const [alice, bob] = await Promise.all(['alice', 'bob'].map((id) => playground.client(id)));
  if (alice === undefined || bob === undefined) throw new Error('No clients');
  const { id: conversationId } = await bob.conversations.create({
    type: 'group',
    name: 'Hike',
    participantIds: ['alice', 'carol'],
  });
  const first = await bob.messages.send({ conversationId, content: 'Who is in? https://example.com/map' });
  const answer = await alice.messages.send({ conversationId, content: 'Me', replyTo: first.id });
  await bob.messages.react({ conversationId, messageId: answer.id, emoji: '👍' });
  await alice.messages.react({ conversationId, messageId: first.id, emoji: '👍' });
  await bob.messages.edit({ conversationId, messageId: first.id, content: 'Who comes? https://example.com/map' });
  const gone = await bob.messages.send({ conversationId, content: 'Wrong chat' });
  await bob.messages.delete({ conversationId, messageId: gone.id });
  await bob.messages.markRead({ conversationId, messageId: answer.id });
  const other = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await bob.messages.send({ conversationId: other.id, content: 'Just you and me' });
  await bob.presence.set('busy');
}

test.each(['light', 'dark'] as const)(
  'every screen has sufficient contrast and accessible names, %s',
  async (colorScheme) => {
    const playground = await startPlayground();
    await createConversations(playground);
    const signIn = await playground.window('', { colorScheme });
    await isAccessible(signIn);

    const page = await playground.window('alice', { colorScheme });
    await page.getByRole('list', { name: 'Chats' }).getByText('Just you and me').waitFor();
    await isAccessible(page);
    await openChat(page, 'Hike');
    await say(page, 'One more');
    await reaches(page, 'One more', 'Sent');
    await isAccessible(page);
    await page.getByRole('button', { name: 'Details', exact: true }).last().click();
    await page.getByRole('button', { name: 'Leave group' }).waitFor();
    await isAccessible(page);
    await page.keyboard.press('Escape');
    await page.getByRole('searchbox', { name: 'Search chats and messages' }).fill('comes');
    await page.getByRole('list', { name: 'Messages found' }).getByRole('button').waitFor();
    await isAccessible(page);
    await page.keyboard.press('Escape');

    await page.getByRole('button', { name: /^You are Alice/ }).click();
    await isAccessible(page);
    await page.getByRole('menuitem', { name: 'Developer tools' }).click();
    await isAccessible(page);
    await page.getByRole('tab', { name: 'Connection' }).click();
    await isAccessible(page);
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.getByRole('checkbox').first().check();
    await isAccessible(page);
    await page.keyboard.press('Escape');

    await say(page, 'x'.repeat(10_001));
    await page.getByText('Not sent').waitFor();
    await page.context().setOffline(true);
    await page.getByText('You are offline.').waitFor();
    await isAccessible(page);
  },
);

test('on phones the list and the conversation are two screens with a back button', async () => {
  const playground = await startPlayground();
  await createConversations(playground);
  const page = await playground.window('alice', {
    viewport: { width: 390, height: 780 },
    hasTouch: true,
    isMobile: true,
  });
  const list = page.getByRole('list', { name: 'Chats' });
  await list.getByRole('button', { name: 'Hike' }).tap();
  await message(page, 'Who comes?').waitFor();
  expect(await list.isVisible()).toBe(false);
  await isAccessible(page);

  await message(page, 'Who comes?')
    .locator('.bubble')
    .tap({ position: { x: 20, y: 10 } });
  await message(page, 'Who comes?').getByRole('button', { name: 'React' }).tap();
  await page.getByRole('button', { name: 'Heart' }).tap();
  await message(page, 'Who comes?').getByRole('button', { name: '❤️ by You' }).waitFor();
  await composer(page).fill('From my pocket');
  await page.getByRole('button', { name: 'Send', exact: true }).tap();
  await reaches(page, 'From my pocket', 'Sent');

  await page.getByRole('button', { name: 'Back to all chats' }).tap();
  await list.waitFor();
  await isAccessible(page);
  await page.goBack();
  await message(page, 'From my pocket').waitFor();
});

test('prefers-reduced-motion disables animations', async () => {
  const playground = await startPlayground();
  const page = await playground.window('alice', { reducedMotion: 'reduce' });
  await page.getByRole('button', { name: 'Chat with Bob' }).click();
  await page.getByRole('button', { name: 'Details', exact: true }).last().click();
  await page.getByRole('switch', { name: 'Pinned' }).waitFor();
  const longest = await page.evaluate(() =>
    Math.max(
      0,
      ...[...document.querySelectorAll('*')].map((each) => Number.parseFloat(getComputedStyle(each).animationDuration)),
    ),
  );
  expect(longest).toBeLessThan(0.001);
});

test('new messages are announced to screen readers', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await bob.messages.send({ conversationId, content: 'psst' });
  const said = alice.getByRole('log', { name: 'Announcements' });
  await said.getByText('New message from Bob').waitFor({ state: 'attached' });
  await openChat(alice, 'Bob');
  await bob.messages.send({ conversationId, content: 'over here' });
  await said.getByText('Bob: over here').waitFor({ state: 'attached' });
});
