import { expect, test } from 'vitest';
import { isAccessible } from './accessibility.ts';
import {
  choose,
  chooseInChat,
  composer,
  isLoaded,
  message,
  openChat,
  reaches,
  say,
  shows,
  showsStatus,
  usePlayground,
  watchForText,
} from './playground.ts';

const startPlayground = usePlayground();

test('a public group is found and joined, and its pinned message is listed until it is unpinned', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id } = await bob.conversations.create({ type: 'group', name: 'Hike', participantIds: ['alice'] });
  await bob.conversations.setRole(id, 'alice', 'admin');
  await bob.messages.send({ conversationId: id, content: 'Meet at the station' });
  const [alice, dave] = await playground.windows(['alice', 'dave']);
  await openChat(alice, 'Hike');
  await alice.getByRole('button', { name: 'Details', exact: true }).last().click();
  await alice.getByRole('button', { name: 'Settings', exact: true }).click();
  await alice.getByRole('textbox', { name: 'Description' }).fill('Every Saturday');
  await alice.getByRole('switch', { name: 'Public' }).click();
  await isAccessible(alice);
  await alice.getByRole('button', { name: 'Save' }).click();
  await alice.getByText('Public group', { exact: true }).waitFor();
  await alice.getByRole('button', { name: 'Close details' }).click();
  await choose(alice, 'Meet at the station', 'Pin');

  await dave.getByRole('button', { name: 'Public groups' }).click();
  await dave.getByText('Every Saturday').waitFor();
  await dave.getByRole('button', { name: 'Join Hike' }).click();
  await dave.getByRole('heading', { name: 'Hike', level: 1 }).waitFor();
  await message(dave, 'Meet at the station').getByRole('img', { name: 'Pinned' }).waitFor();
  await choose(dave, 'Meet at the station', 'Unpin');
  await message(alice, 'Meet at the station').getByRole('img', { name: 'Pinned' }).waitFor({ state: 'hidden' });
});

test('a new name and picture appear in the other window without a reload', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'Hello');
  await openChat(bob, 'Alice');
  await alice.getByRole('button', { name: 'You are Alice' }).click();
  await alice.getByRole('menuitem', { name: 'Edit profile' }).click();
  const dialog = alice.getByRole('dialog', { name: 'Your profile' });
  await dialog.getByRole('textbox', { name: 'Name' }).fill('Alicia');
  await dialog.getByRole('radio', { name: 'Cat' }).check();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await alice.getByRole('button', { name: 'You are Alicia' }).waitFor();
  await bob.getByRole('heading', { name: 'Alicia', level: 1 }).waitFor();
  await isLoaded(bob.locator('.pane-header .avatar-picture'));
  await expect.poll(() => bob.title()).toBe('Alicia · lumen-comm');
  await bob.reload();
  await bob.getByRole('heading', { name: 'Alicia', level: 1 }).waitFor();
  await bob.locator('.pane-header .avatar-picture[src="/pictures/cat.svg"]').waitFor();
});

test('messages of a blocked person are collapsed, and the person can not write until they are unblocked', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id: group } = await bob.conversations.create({
    type: 'group',
    name: 'Hike',
    participantIds: ['alice', 'carol'],
  });
  const { id: own } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  for (const conversationId of [group, own]) await bob.messages.send({ conversationId, content: 'Buy my boots' });
  const alice = await playground.window('alice');
  // The preview of the group starts with his name.
  const direct = alice.getByRole('list', { name: 'Chats' }).getByRole('button', { name: /Bob \d\d:\d\d/ });
  await direct.click();
  await chooseInChat(alice, 'Block Bob');
  await alice.getByText('You have blocked Bob.').waitFor();
  await isAccessible(alice);
  const again = bob.messages.send({ conversationId: own, content: 'Hello?' });
  await expect(again).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await openChat(alice, 'Hike');
  await bob.messages.send({ conversationId: group, content: 'Boots, cheap' });
  const collapsed = alice.locator('.message').filter({ hasText: 'Message of a person you have blocked' });
  await expect.poll(() => collapsed.count()).toBe(2);
  const text = alice.locator('.message-content').filter({ hasText: 'Boots, cheap' });
  expect(await text.isVisible()).toBe(false);
  await collapsed.last().getByRole('button', { name: 'Show' }).click();
  await text.waitFor();

  await alice.getByRole('button', { name: 'You are Alice' }).click();
  await alice.getByRole('menuitem', { name: 'Blocked people' }).click();
  await alice.getByRole('button', { name: 'Unblock Bob' }).click();
  await alice.getByText('You have blocked no one.').waitFor();
  await alice.keyboard.press('Escape');
  await direct.click();
  await alice.getByText('You have blocked Bob.').waitFor({ state: 'detached' });
  await bob.messages.send({ conversationId: own, content: 'Thank you' });
  await message(alice, 'Thank you').waitFor();
});

test('a reported message is shown to the moderator, who dismisses the report or deletes the message', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  for (const content of ['Buy my boots', 'You are a fool']) await bob.messages.send({ conversationId, content });
  const [alice, moderator] = await playground.windows(['alice', 'moderator']);
  await openChat(alice, 'Bob');
  for (const [text, reason, comment] of [
    ['Buy my boots', 'Spam or fraud', ''],
    ['You are a fool', 'Insult or harassment', 'Every day'],
  ] as const) {
    await choose(alice, text, 'Report');
    const dialog = alice.getByRole('dialog', { name: 'Report this message' });
    await dialog.getByLabel('What is wrong?').selectOption(reason);
    await dialog.getByLabel('Comment').fill(comment);
    const reported = await watchForText(alice.locator('.toasts'), 'Reported');
    await dialog.getByRole('button', { name: 'Report', exact: true }).click();
    await reported();
  }

  await moderator.getByRole('button', { name: 'You are Moderator' }).click();
  await moderator.getByRole('menuitem', { name: 'Reports' }).click();
  const reports = moderator.getByRole('list', { name: 'Open reports' }).getByRole('listitem');
  await expect.poll(() => reports.count()).toBe(2);
  for (const width of [390, 1280]) {
    await moderator.setViewportSize({ width, height: 760 });
    await isAccessible(moderator);
  }
  const insult = reports.filter({ hasText: 'Insult or harassment' });
  await insult.getByText('Bob: You are a fool').waitFor();
  await insult.getByText('Every day').waitFor();
  await insult.getByRole('button', { name: 'Delete message' }).click();
  await moderator.getByRole('dialog', { name: 'Delete the message?' }).getByRole('button', { name: 'Delete' }).click();
  await message(alice, 'This message was deleted').waitFor();
  await reports.getByRole('button', { name: 'Dismiss' }).click();
  await moderator.getByText('No open reports.').waitFor();
  await shows(alice, ['Buy my boots', 'This message was deleted']);
  await alice.getByRole('button', { name: 'You are Alice' }).click();
  expect(await alice.getByRole('menuitem', { name: 'Reports' }).count()).toBe(0);
});

test('a banned member can not come back until the ban is lifted', async () => {
  const playground = await startPlayground();
  const owner = await playground.client('alice');
  const { id } = await owner.conversations.create({
    type: 'group',
    name: 'Hike',
    visibility: 'public',
    participantIds: ['bob', 'carol'],
  });
  await owner.messages.send({ conversationId: id, content: 'Welcome' });
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await openChat(alice, 'Hike');
  await openChat(bob, 'Hike');
  await alice.getByRole('button', { name: 'Details', exact: true }).last().click();
  await alice.getByRole('button', { name: 'Manage Bob' }).click();
  await alice.getByRole('menuitem', { name: 'Ban from group' }).click();
  await alice.getByRole('dialog', { name: 'Ban Bob?' }).getByRole('button', { name: 'Ban' }).click();
  await bob.getByText('Choose a chat, or start a new one.').waitFor();
  const groups = bob.getByRole('dialog', { name: 'Public groups' });
  await bob.getByRole('button', { name: 'Public groups' }).click();
  await groups.getByText('No public groups found.').waitFor();
  await bob.keyboard.press('Escape');

  await alice.getByRole('button', { name: 'Banned people' }).click();
  await alice.getByText('By Alice on').waitFor();
  await isAccessible(alice);
  await alice.getByRole('button', { name: 'Lift ban of Bob' }).click();
  await alice.getByText('No one is banned from this group.').waitFor();
  await bob.getByRole('button', { name: 'Public groups' }).click();
  await bob.getByRole('button', { name: 'Join Hike' }).click();
  await bob.getByRole('heading', { name: 'Hike', level: 1 }).waitFor();
  await message(bob, 'Welcome').waitFor();
});

test('in a frozen group only managers write, and slow mode delays the second message of a member', async () => {
  const playground = await startPlayground();
  const owner = await playground.client('alice');
  const { id } = await owner.conversations.create({ type: 'group', name: 'Hike', participantIds: ['bob', 'carol'] });
  await owner.messages.send({ conversationId: id, content: 'Welcome' });
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await openChat(alice, 'Hike');
  await openChat(bob, 'Hike');
  await alice.getByRole('button', { name: 'Details', exact: true }).last().click();
  const settings = alice.getByRole('dialog', { name: 'Group settings' });
  const change = async (isFrozen: boolean, pause: string): Promise<void> => {
    await alice.getByRole('button', { name: 'Settings', exact: true }).click();
    await settings.getByRole('switch', { name: 'Only owner and admins can write' }).setChecked(isFrozen);
    await settings.getByLabel('Slow mode').selectOption(pause);
    await settings.getByRole('button', { name: 'Save' }).click();
    await settings.waitFor({ state: 'detached' });
  };
  await change(true, 'Off');
  await bob.getByText('Only owner and admins can write in this group.').waitFor();
  await composer(bob).waitFor({ state: 'hidden' });
  await isAccessible(bob);
  await say(alice, 'Only I may write');
  await message(bob, 'Only I may write').waitFor();

  await change(false, '1 hour');
  await bob.getByText('Slow mode: one message every hour.').waitFor();
  await isAccessible(bob);
  await say(bob, 'first');
  await reaches(bob, 'first', 'Sent');
  await say(bob, 'second');
  await showsStatus(bob, 'second', 'Sending');
  for (const text of ['Owners', 'are free']) await say(alice, text);
  await message(bob, 'are free').waitFor();
  expect(await message(alice, 'second').count()).toBe(0);
});
