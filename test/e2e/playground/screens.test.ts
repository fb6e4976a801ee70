import type { Page } from 'playwright';
import { test } from 'vitest';
import { PNG } from '../../helpers/server/files.ts';
import { isAccessible } from './accessibility.ts';
import {
  choose,
  composer,
  message,
  openAt,
  openChat,
  pick,
  reaches,
  say,
  sendFiles,
  usePlayground,
} from './playground.ts';
import type { Playground } from './playground.ts';

const startPlayground = usePlayground();

const LONG_NAME = 'Product launch in the second half of the year';

/** Fills a group and two direct chats of Alice with every kind of message. */
async function createConversations(playground: Playground): Promise<void> {
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((id) => playground.client(id)));
  if (alice === undefined || bob === undefined || carol === undefined) throw new Error('No clients');
  const { id: conversationId } = await alice.conversations.create({
    type: 'group',
    name: LONG_NAME,
    participantIds: ['bob', 'carol'],
  });
  const first = await bob.messages.send({ conversationId, content: 'Who is in? https://example.com/map' });
  const answer = await alice.messages.send({ conversationId, content: 'Me', replyTo: first.id });
  await bob.messages.react({ conversationId, messageId: answer.id, emoji: '👍' });
  await alice.messages.react({ conversationId, messageId: first.id, emoji: '👍' });
  await bob.messages.edit({ conversationId, messageId: first.id, content: 'Who comes? https://example.com/map' });
  const gone = await bob.messages.send({ conversationId, content: 'Wrong chat' });
  await bob.messages.delete({ conversationId, messageId: gone.id });
  await bob.messages.pin({ conversationId, messageId: first.id }, true);
  await bob.messages.send({ conversationId, content: 'In a thread', threadId: first.id });
  await carol.messages.send({ conversationId, content: 'From a blocked person, @Alice', mentions: ['alice'] });
  await bob.messages.markRead({ conversationId, messageId: answer.id });
  await bob.conversations.create({ type: 'group', name: 'Everyone', visibility: 'public', participantIds: ['dave'] });
  await carol.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await alice.users.block('carol', true);
  const other = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await bob.messages.send({ conversationId: other.id, content: 'Just you and me' });
  await carol.presence.set('busy');
}

async function escape(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
}

async function closeDialog(page: Page): Promise<void> {
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).first().click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

async function profileMenu(page: Page, item: string): Promise<void> {
  await page.getByRole('button', { name: /^You are Alice/ }).click();
  await page.getByRole('menuitem', { name: item }).click();
}

/** The list of chats and what opens from it. */
async function listScreens(page: Page): Promise<void> {
  await page.getByRole('list', { name: 'Chats' }).getByText('Just you and me').waitFor();
  await isAccessible(page);
  await page.getByRole('button', { name: /^You are Alice/ }).click();
  await page.getByRole('menu', { name: 'You' }).waitFor();
  await isAccessible(page);
  await escape(page);
  await page.getByRole('searchbox', { name: 'Search chats and messages' }).fill('comes');
  await page.getByRole('list', { name: 'Messages found' }).getByRole('button').waitFor();
  await isAccessible(page);
  await escape(page);
  await page.getByRole('button', { name: 'New chat' }).click();
  for (const box of (await page.getByRole('dialog').getByRole('checkbox').all()).slice(0, 2)) await box.check();
  await isAccessible(page);
  await closeDialog(page);
  await page.getByRole('button', { name: 'Public groups' }).click();
  await page.getByRole('button', { name: 'Join Everyone' }).waitFor();
  await isAccessible(page);
  await closeDialog(page);
  await profileMenu(page, 'Edit profile');
  await page.getByRole('dialog', { name: 'Your profile' }).waitFor();
  await isAccessible(page);
  await closeDialog(page);
  await profileMenu(page, 'Blocked people');
  await page.getByRole('button', { name: 'Unblock Carol' }).waitFor();
  await isAccessible(page);
  await closeDialog(page);
  await profileMenu(page, 'Developer tools');
  await page.getByRole('tab', { name: 'Connection' }).click();
  await isAccessible(page);
  await profileMenu(page, 'Developer tools');
}

/** A group with every kind of message, and what opens from a message. */
async function messageScreens(page: Page): Promise<void> {
  await openChat(page, LONG_NAME);
  await say(page, 'One more');
  await reaches(page, 'One more', 'Sent');
  await sendFiles(
    page,
    [
      { name: 'mountain.png', mimeType: 'image/png', buffer: PNG },
      { name: 'valley.png', mimeType: 'image/png', buffer: PNG },
      { name: 'a-route-with-a-very-long-file-name.txt', mimeType: 'text/plain', buffer: Buffer.from('to the north') },
    ],
    'With files',
  );
  await reaches(page, 'With files', 'Sent');
  await say(page, 'x'.repeat(10_001));
  await page.getByText('Not sent').waitFor();
  await isAccessible(page);
  await message(page, 'With files')
    .getByRole('button', { name: /mountain/ })
    .first()
    .click();
  await page.getByRole('dialog', { name: 'Photos' }).waitFor();
  await isAccessible(page);
  await escape(page);
  const menu = page.getByRole('menu', { name: 'This message' });
  await openAt(page, 'Who comes?', 'More', menu);
  await isAccessible(page);
  await escape(page);
  await openAt(page, 'Who comes?', 'React', page.getByRole('toolbar', { name: 'React with' }));
  await isAccessible(page);
  await escape(page);
  for (const [action, dialog] of [
    ['Forward', 'Forward'],
    ['Read by', 'Read by'],
    ['Report', 'Report'],
  ] as const) {
    await choose(page, 'Who comes?', action);
    await page.getByRole('dialog', { name: dialog }).waitFor();
    await isAccessible(page);
    await closeDialog(page);
  }
  await choose(page, 'One more', 'Delete');
  await page.getByRole('dialog', { name: 'Delete this message?' }).waitFor();
  await isAccessible(page);
  await closeDialog(page);
  await choose(page, 'One more', 'Edit');
  await isAccessible(page);
  await escape(page);
  await pick(page, [{ name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('note') }]);
  await page.getByRole('button', { name: /^Remove note/ }).waitFor();
  await composer(page).fill('See @B');
  await page.getByRole('listbox').waitFor();
  await isAccessible(page);
  await page.getByRole('button', { name: /^Remove note/ }).click();
  await composer(page).fill('');
  await message(page, 'Who comes?').getByRole('button', { name: '1 reply' }).click();
  await page.getByRole('list', { name: 'Replies' }).getByText('In a thread').waitFor();
  await isAccessible(page);
  await page.getByRole('button', { name: 'Close thread' }).click();
}

/** The details of a group, and what opens from them. */
async function groupScreens(page: Page): Promise<void> {
  await page.locator('.header-info').click();
  const details = page.getByRole('complementary', { name: 'Details' });
  await details.getByText('3 members').waitFor();
  await isAccessible(page);
  for (const name of ['Rename', 'Settings', 'Pinned messages', 'Banned people', 'Add people']) {
    await details.getByRole('button', { name, exact: true }).click();
    await page.getByRole('dialog').waitFor();
    await isAccessible(page);
    await closeDialog(page);
  }
  await details.getByRole('button', { name: 'Manage Bob' }).click();
  await page.getByRole('menu').waitFor();
  await isAccessible(page);
  await page.getByRole('menuitem', { name: 'Ban from group' }).click();
  await page.getByRole('dialog', { name: 'Ban Bob?' }).waitFor();
  await isAccessible(page);
  await closeDialog(page);
  await page.getByRole('button', { name: 'Close details' }).click();
  await page.getByRole('button', { name: 'More about this chat' }).click();
  await page.getByRole('menu').waitFor();
  await isAccessible(page);
  await escape(page);
}

test.each([1280, 390])('every screen is accessible in both color schemes, %i px wide', async (width) => {
  const playground = await startPlayground();
  await createConversations(playground);
  const viewport = { width, height: 760 };
  const signIn = await playground.window('', { viewport });
  await isAccessible(signIn);
  await signIn.close();
  const [page, newcomer] = await playground.windows(['alice', 'erin'], { viewport });
  await isAccessible(newcomer);
  await newcomer.close();

  await listScreens(page);
  await messageScreens(page);
  await groupScreens(page);
  await page.context().setOffline(true);
  await page.getByText('You are offline.').waitFor();
  await isAccessible(page);
});
