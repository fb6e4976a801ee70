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
  usePlayground,
} from './playground.ts';

const startPlayground = usePlayground();

/** Returns how many unsent messages the browser stores. The page shows a message before it is stored. */
async function storedCount(page: Page): Promise<number> {
  return await page.evaluate(async () => {
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
    return keys.filter((key) => typeof key === 'string' && key.includes('/outbox/')).length;
  });
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
