import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { direct, group, startWorld } from '../../helpers/client/world.ts';

/** Waits a fiftieth of the time. */
const hasty = patientClock({ speed: 50 });
/** More than a client takes of `INTERNAL` before it gives a message up. */
const ATTEMPTS = 10;

test('requests wait while the disk of the server is full, and none is dropped', async () => {
  const db = new DatabaseSync(':memory:');
  onTestFinished(() => db.close());
  const { join } = await startWorld({ db });
  const bob = await join('bob');
  const alice = await join('alice', { clock: hasty, requestTimeoutMs: 1_000_000 });
  const [conversationId, other] = [await direct(alice, bob), await group(alice, bob)];
  const { id: messageId } = await alice.client.messages.send({ conversationId: other, content: 'short' });
  db.exec(`PRAGMA max_page_count = ${String(db.prepare('PRAGMA page_count').get()?.['page_count'])}`);

  const content = (text: string): string => text.repeat(9_000);
  const attempts = (event: string): number => alice.port.sent.filter((name) => name === event).length;
  const refusedOften = new Promise<void>((resolve) => {
    alice.port.bends = (told) => {
      // The messages may share a frame.
      const sends = attempts('message:send') + attempts('batch');
      if (attempts('message:edit') >= ATTEMPTS && sends >= ATTEMPTS) resolve();
      return told;
    };
  });
  const editing = alice.client.messages.edit({ conversationId: other, messageId, content: content('e') });
  const sending = ['1', '2', '3'].map((text) => alice.client.messages.send({ conversationId, content: content(text) }));
  await refusedOften;
  expect(alice.client.messages.outbox().map(({ status }) => status)).toEqual(['sending', 'sending', 'sending']);

  db.exec('PRAGMA max_page_count = 1000000');
  expect(await editing).toMatchObject({ id: messageId, content: content('e') });
  expect((await Promise.all(sending)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect([alice.all('message:failed'), alice.errors]).toEqual([[], []]);
});
