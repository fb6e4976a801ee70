import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import {
  composer,
  watchForText,
  message,
  openChat,
  reaches,
  say,
  shows,
  showsStatus,
  texts,
  usePlayground,
} from './playground.ts';

const startPlayground = usePlayground();

/** Returns how many entries of a kind the browser stores. The page shows a message before it is stored. */
async function storedCount(page: Page, kind = '/outbox/'): Promise<number> {
  return await page.evaluate(async (part) => {
    const keys = await new Promise<IDBValidKey[]>((resolve, reject) => {
      const opening = indexedDB.open('lumen-comm');
      opening.addEventListener('error', () => reject(new Error('IndexedDB did not open')));
      opening.addEventListener('success', () => {
        const reading = opening.result.transaction('entries').objectStore('entries').getAllKeys();
        reading.addEventListener('success', () => {
          opening.result.close();
          resolve(reading.result);
        });
      });
    });
    return keys.filter((key) => typeof key === 'string' && key.includes(part)).length;
  }, kind);
}

test('messages written offline arrive once and in order when the network is back', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await openChat(bob, 'Alice');
  await reaches(alice, 'before', 'Read');

  await alice.context().setOffline(true);
  await alice.getByText('You are offline.').waitFor();
  await say(alice, 'first');
  await say(alice, 'second');
  await showsStatus(alice, 'second', 'Sending');
  await alice.getByText('2 messages are waiting to be sent.').waitFor();
  await say(bob, 'meanwhile');
  await message(bob, 'meanwhile').waitFor();
  await shows(bob, ['before', 'meanwhile']);

  const back = await watchForText(alice.locator('.banner'), 'Back online');
  await alice.context().setOffline(false);
  await back();
  await reaches(alice, 'second', 'Read');
  await shows(bob, ['before', 'meanwhile', 'first', 'second']);
  await shows(alice, ['before', 'meanwhile', 'first', 'second']);
});

test('a message written offline survives a reload and is sent later', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await reaches(alice, 'before', 'Delivered');
  await alice.evaluate(async () => (await navigator.serviceWorker.ready).active?.state);

  await alice.context().setOffline(true);
  await alice.getByText('You are offline.').waitFor();
  await say(alice, 'kept');
  await showsStatus(alice, 'kept', 'Sending');
  await alice.getByText('1 message is waiting to be sent.').waitFor();
  await expect.poll(() => storedCount(alice)).toBe(1);
  await alice.reload();
  await alice.getByText('You are offline.').waitFor();
  await alice.getByText('1 message is waiting to be sent.').waitFor();
  await composer(alice).waitFor();

  await alice.context().setOffline(false);
  await reaches(alice, 'kept', 'Delivered');
  await openChat(bob, 'Alice');
  await shows(bob, ['before', 'kept']);
  await reaches(alice, 'kept', 'Read');
  await shows(alice, ['before', 'kept']);
});

test('the client reconnects after a server restart, and no message is lost', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await reaches(alice, 'before', 'Sent');

  expect(await playground.restart(() => say(alice, 'while it was away'))).toBe(0);
  await reaches(alice, 'while it was away', 'Sent');
  await shows(alice, ['before', 'while it was away']);
});

test('a reload without a network shows the chats and messages of the last visit, and says so', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  const lines = Array.from({ length: 120 }, (_, index) => `Line ${index + 1}.`);
  await Promise.all(lines.map((content) => bob.messages.send({ conversationId, content })));
  const alice = await playground.window('alice');
  await openChat(alice, 'Bob');
  await message(alice, 'Line 120.').waitFor();
  await alice.evaluate(async () => (await navigator.serviceWorker.ready).active?.state);
  await expect.poll(() => storedCount(alice, '/offline-row/')).toBe(1);
  await expect.poll(() => storedCount(alice, '/offline-page/')).toBe(1);

  await alice.context().setOffline(true);
  await alice.reload();
  await alice.getByText('Shown as of your last visit.').waitFor();
  await expect.poll(() => texts(alice)).toEqual(lines.slice(-50));
  expect(await alice.getByRole('list', { name: 'Chats' }).getByText('Bob').first().isVisible()).toBe(true);
  expect(await alice.getByText('beginning of').count()).toBe(0);

  await bob.messages.send({ conversationId, content: 'meanwhile' });
  await alice.context().setOffline(false);
  await message(alice, 'meanwhile').waitFor();
  await expect.poll(() => alice.getByText('Shown as of your last visit.').count()).toBe(0);
});

test('signing out deletes what the browser has stored of the user', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await expect.poll(() => storedCount(alice, '/offline-page/')).toBe(1);
  await alice.getByRole('button', { name: 'You are Alice' }).click();
  await alice.getByRole('menuitem', { name: 'Sign out' }).click();
  await alice.waitForURL((url) => url.search === '');
  expect(await storedCount(alice, '/offline-')).toBe(0);
});
