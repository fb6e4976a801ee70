import { beforeEach, expect, test } from 'vitest';
import type { Keystore } from '../../../../../src/client/encryption/keystore/keystore.ts';
import { MailboxReceiver } from '../../../../../src/client/encryption/sessions/mailbox-receiver.ts';
import { CommError } from '../../../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../../../helpers/client/context.ts';
import { openKeystore } from '../../../../helpers/client/keystore.ts';

const NAME = 'encryption:mailbox-ack';
const ignore = (): void => undefined;

let context: FakeContext;
let keystore: Keystore;
let receiver: MailboxReceiver;

beforeEach(async () => {
  context = fakeContext();
  context.caps.add('mailbox');
  keystore = await openKeystore('alice');
  receiver = new MailboxReceiver(context, 'warn', {
    effects: ignore,
    sessionLost: ignore,
    decryptionSuspect: ignore,
    sessionReset: ignore,
  });
});

/** Receives an envelope of an unknown shape: it can't be read and is acknowledged. */
async function receive(mailboxId: string): Promise<void> {
  receiver.expect();
  await receiver.receive(keystore, { mailboxId });
  receiver.processed();
}

const refuseFirst = async (): Promise<void> => {
  context.open(NAME)[0]?.answer.reject(new CommError('RATE_LIMITED', 'too many requests', { retryAfterMs: 5_000 }));
  await expect.poll(() => context.clock.pending).toBe(1);
};

test('an acknowledgement that is refused for a while is sent again', async () => {
  await receive('7');
  await refuseFirst();
  context.clock.advance(60_000);
  await expect
    .poll(() => context.open(NAME).map(({ payload }) => payload))
    .toEqual([{ mailboxIds: ['7'] }, { mailboxIds: ['7'] }]);
});

test('after the connection is lost it is not sent again, because the server delivers the envelope again', async () => {
  await receive('7');
  await refuseFirst();
  receiver.clear();
  expect(context.clock.pending).toBe(0);
  await receive('8');
  expect(context.open(NAME).map(({ payload }) => payload)).toEqual([{ mailboxIds: ['7'] }, { mailboxIds: ['8'] }]);
  expect(context.reported).toEqual([]);
});
