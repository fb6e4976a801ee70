import { expect, test } from 'vitest';
import { composer, lookOut, message, openChat, reaches, say, shows, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

test('messages written offline arrive once and in order when the network is back', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.window('bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await openChat(bob, 'Alice');

  await alice.context().setOffline(true);
  await alice.getByText('You are offline.').waitFor();
  await say(alice, 'first');
  await say(alice, 'second');
  await reaches(alice, 'second', 'Sending');
  await alice.getByText('2 messages wait to be sent.').waitFor();
  await say(bob, 'meanwhile');
  await message(bob, 'meanwhile').waitFor();
  await shows(bob, ['before', 'meanwhile']);

  const back = await lookOut(alice.locator('.banner'), 'Back online');
  await alice.context().setOffline(false);
  await back();
  await reaches(alice, 'second', 'Read');
  await shows(bob, ['before', 'meanwhile', 'first', 'second']);
  await shows(alice, ['before', 'meanwhile', 'first', 'second']);
});

test('a message written offline outlives a reload, and is sent later', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.window('bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await reaches(alice, 'before', 'Delivered');
  await alice.evaluate(async () => (await navigator.serviceWorker.ready).active?.state);

  await alice.context().setOffline(true);
  await alice.getByText('You are offline.').waitFor();
  await say(alice, 'kept');
  await reaches(alice, 'kept', 'Sending');
  await alice.getByText('1 message waits to be sent.').waitFor();
  await alice.reload();
  await alice.getByText('You are offline.').waitFor();
  await composer(alice).waitFor();

  await alice.context().setOffline(false);
  await reaches(alice, 'kept', 'Delivered');
  await openChat(bob, 'Alice');
  await shows(bob, ['before', 'kept']);
  await reaches(alice, 'kept', 'Read');
  await shows(alice, ['before', 'kept']);
});

test('a server that ends and starts again is found again, and nothing is lost', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await reaches(alice, 'before', 'Sent');

  expect(await playground.restart(() => say(alice, 'while it was away'))).toBe(0);
  await reaches(alice, 'while it was away', 'Sent');
  await shows(alice, ['before', 'while it was away']);
});
