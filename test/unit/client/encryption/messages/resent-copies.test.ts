import { beforeEach, expect, test } from 'vitest';
import { type Keystore, RECORDS, RESENT_COPIES } from '../../../../../src/client/encryption/keystore/keystore.ts';
import { allowResending, putResentCopy } from '../../../../../src/client/encryption/messages/resent-copies.ts';
import { openKeystore } from '../../../../helpers/client/keystore.ts';
import { DAY, NOW } from '../nkc1/parties.ts';

let keystore: Keystore;

beforeEach(async () => {
  keystore = await openKeystore('alice');
});

const allow = () => keystore.records.transact([], (tx) => allowResending(tx, 'bob', NOW));
const copies = async () => (await keystore.records.listNames(RESENT_COPIES)).length;

function resend(id: string, content: string, now = NOW): Promise<void> {
  const payload = { kind: 'message', id, ts: now, cid: 'c', type: 'text', content } as const;
  return keystore.records.transact([RECORDS.resendAllowance('bob')], (tx) => putResentCopy(tx, 'bob', payload, now));
}

test('messages that were sent again without a reset are not stored', async () => {
  await resend('m1', 'unasked');
  expect(await copies()).toBe(0);
});

test('after a reset copies are stored for a week', async () => {
  await allow();
  await resend('m1', 'lost', NOW + 7 * DAY);
  await resend('m2', 'too late', NOW + 7 * DAY + 1);
  expect(await copies()).toBe(1);
});

test('a sender can not store more than 1 MiB of copies after one reset', async () => {
  await allow();
  for (let at = 0; at < 150; at += 1) await resend(`m${at}`, 'x'.repeat(100_000));
  expect(await copies()).toBe(10);
  await allow();
  await resend('next', 'x'.repeat(100_000));
  expect(await copies()).toBe(11);
});
