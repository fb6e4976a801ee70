import { expect, test } from 'vitest';
import { PreKeyPublisher } from '../../../../../src/client/encryption/keys/prekey-publisher.ts';
import type { Keystore } from '../../../../../src/client/encryption/keystore/keystore.ts';
import { CommError } from '../../../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../../../helpers/client/context.ts';
import { openKeystore } from '../../../../helpers/client/keystore.ts';

const NAME = 'encryption:request-keys';

/** @param userId - one per test: an unanswered request holds the user's lock */
async function setUp(
  userId: string,
): Promise<{ context: FakeContext; keystore: Keystore; publisher: PreKeyPublisher }> {
  const context = fakeContext();
  return { context, keystore: await openKeystore(userId), publisher: new PreKeyPublisher(context) };
}

/** Waits for request number `count`, rejects it with a retryable error, and waits for the scheduled retry. */
async function reject(context: FakeContext, count: number): Promise<void> {
  await expect.poll(() => context.open(NAME)).toHaveLength(count);
  context.open(NAME).at(-1)?.answer.reject(new CommError('UNAVAILABLE', 'busy'));
  await expect.poll(() => context.clock.pending).toBe(1);
}

test('a check that fails with a retryable error is repeated with a growing backoff', async () => {
  const { context, keystore, publisher } = await setUp('alice');
  publisher.check(keystore);
  await reject(context, 1);
  // The fake context draws the longest wait: 15 s, then 30 s.
  context.clock.advance(15_000);
  await reject(context, 2);
  context.clock.advance(20_000);
  expect(context.clock.pending).toBe(1);
  context.clock.advance(10_000);
  await reject(context, 3);
});

test('stop() cancels the retry and resets the backoff', async () => {
  const { context, keystore, publisher } = await setUp('bob');
  publisher.check(keystore);
  await reject(context, 1);
  publisher.stop();
  expect(context.clock.pending).toBe(0);
  publisher.check(keystore);
  await reject(context, 2);
  context.clock.advance(15_000);
  await expect.poll(() => context.open(NAME)).toHaveLength(3);
});

test('another error rejects ready and is not repeated', async () => {
  const { context, keystore, publisher } = await setUp('carol');
  publisher.check(keystore);
  await expect.poll(() => context.open(NAME)).toHaveLength(1);
  context.open(NAME)[0]?.answer.reject(new CommError('FORBIDDEN', 'no'));
  await expect(publisher.ready).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(context.clock.pending).toBe(0);
});
