import { beforeEach, expect, test } from 'vitest';
import { enqueueEnvelope, type Keystore } from '../../../../../src/client/encryption/keystore/keystore.ts';
import { MailboxSender } from '../../../../../src/client/encryption/sessions/mailbox-sender.ts';
import type { EncryptedEnvelope } from '../../../../../src/protocol/encryption.ts';
import { CommError } from '../../../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../../../helpers/client/context.ts';
import { openKeystore } from '../../../../helpers/client/keystore.ts';

const NAME = 'encryption:session-init';
const envelopeTo = (recipientId: string): EncryptedEnvelope => ({
  senderId: 'alice',
  recipientId,
  sessionId: 's',
  ciphertext: 'AAAA',
  messageType: 'message',
  senderIdentityKey: '',
});

let context: FakeContext;
let keystore: Keystore;
let sender: MailboxSender;

beforeEach(async () => {
  context = fakeContext();
  keystore = await openKeystore('alice');
  sender = new MailboxSender(context);
});

const enqueue = (recipientId: string): Promise<void> =>
  keystore.records.transact([], (tx) => enqueueEnvelope(tx, keystore, envelopeTo(recipientId)));

/** Waits for the next request and rejects it with RATE_LIMITED. */
async function limit(count: number, retryAfterMs: number): Promise<void> {
  await expect.poll(() => context.open(NAME)).toHaveLength(count);
  context
    .open(NAME)
    .at(-1)
    ?.answer.reject(new CommError('RATE_LIMITED', 'full', { retryAfterMs }));
}

test('after RATE_LIMITED an envelope is sent again with a growing backoff on top of retryAfterMs', async () => {
  await enqueue('bob');
  const flushed = sender.flush(keystore);
  await limit(1, 1_000);
  await flushed;
  // The fake context draws the longest wait: 30 s, then 60 s.
  context.clock.advance(30_500);
  expect(context.clock.pending).toBe(1);
  context.clock.advance(1_000);
  await limit(2, 1_000);
  await expect.poll(() => context.clock.pending).toBe(1);
  context.clock.advance(60_500);
  expect(context.clock.pending).toBe(1);
  context.clock.advance(1_000);
  await expect.poll(() => context.open(NAME)).toHaveLength(3);
});

test('a recipient with a full mailbox does not delay other recipients', async () => {
  await enqueue('bob');
  await enqueue('carol');
  const flushed = sender.flush(keystore);
  await expect.poll(() => context.open(NAME)).toHaveLength(2);
  context.open(NAME)[0]?.answer.reject(new CommError('RATE_LIMITED', 'full', { retryAfterMs: 1_000 }));
  context.open(NAME)[1]?.answer.resolve({});
  await flushed;
  expect(await keystore.records.listNames('post/')).toHaveLength(1);
});

test('many envelopes that are rejected at once wait as long as one', async () => {
  for (let at = 0; at < 20; at += 1) await enqueue(`member-${at}`);
  const flushed = sender.flush(keystore);
  await expect.poll(() => context.open(NAME)).toHaveLength(20);
  for (const { answer } of context.open(NAME)) {
    answer.reject(new CommError('RATE_LIMITED', 'too many requests', { retryAfterMs: 10 }));
  }
  await flushed;
  expect(context.clock.pending).toBe(1);
  context.clock.advance(30_010);
  await expect.poll(() => context.open(NAME)).toHaveLength(40);
});

test('a recipient with a full mailbox does not delay the retry for others', async () => {
  await enqueue('bob');
  const first = sender.flush(keystore);
  await limit(1, 600_000);
  await first;
  await enqueue('carol');
  const second = sender.flush(keystore);
  await expect.poll(() => context.open(NAME)).toHaveLength(3);
  for (const { answer, payload } of context.open(NAME).slice(1)) {
    const retryAfterMs = (payload as { recipientId: string }).recipientId === 'bob' ? 600_000 : 10;
    answer.reject(new CommError('RATE_LIMITED', 'limited', { retryAfterMs }));
  }
  await second;
  expect(context.clock.pending).toBe(1);
  context.clock.advance(30_010);
  await expect.poll(() => context.open(NAME)).toHaveLength(5);
});

test('stop() cancels the retry', async () => {
  await enqueue('bob');
  const flushed = sender.flush(keystore);
  await limit(1, 1_000);
  await flushed;
  sender.stop();
  expect(context.clock.pending).toBe(0);
});
