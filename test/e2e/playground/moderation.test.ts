import { test } from 'vitest';
import { isAccessible } from './accessibility.ts';
import { choose, message, openChat, usePlayground } from './playground.ts';

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
