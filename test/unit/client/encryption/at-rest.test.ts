import { expect, test } from 'vitest';
import { type Backup, readBackup, writeBackup } from '../../../../src/client/encryption/backup.ts';
import { openRecord, sealRecord } from '../../../../src/client/encryption/sealed.ts';
import { ascii, bytesOf, hex, randomOf } from './users.ts';

const random = randomOf('at rest');
const KEY = bytesOf(1);

test('a record is opened where it was put, with its revision', () => {
  const sealed = sealRecord(KEY, 'ann/e2ee/bob', 7, ascii('state'), random);
  expect(openRecord(KEY, 'ann/e2ee/bob', sealed)).toEqual({ rev: 7, data: ascii('state') });
  expect(sealed).not.toBe(sealRecord(KEY, 'ann/e2ee/bob', 7, ascii('state'), random));
});

test('a record that was moved, changed, cut or is under another key is none', () => {
  const sealed = sealRecord(KEY, 'ann/e2ee/bob', 7, ascii('state'), random);
  expect(openRecord(KEY, 'ann/e2ee/carol', sealed)).toBeUndefined();
  expect(openRecord(bytesOf(2), 'ann/e2ee/bob', sealed)).toBeUndefined();
  for (const wrong of [undefined, null, 7, {}, '', 'AAAA', `${sealed} `, sealed.slice(0, -4), sealed.slice(4)])
    expect(openRecord(KEY, 'ann/e2ee/bob', wrong)).toBeUndefined();
  const bytes = Buffer.from(sealed, 'base64');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(openRecord(KEY, 'ann/e2ee/bob', flipped.toString('base64'))).toBeUndefined();
  }
});

const backup: Backup = {
  userId: 'zoë',
  seed: bytesOf(3),
  pins: [
    { userId: 'bob', identityKey: bytesOf(4), verified: true },
    { userId: 'carol', identityKey: bytesOf(5), verified: false },
  ],
  history: '[{"id":"1"}]',
};
// Cheap: what it costs to guess is not what is tested.
const CHEAP = 4;

test.each([backup, { ...backup, history: undefined, pins: [] }])('a backup is read by its passphrase', async (held) => {
  const bytes = await writeBackup(held, 'correct horse', random, CHEAP);
  expect(hex(bytes.slice(0, 7))).toBe('4e4b4231040801');
  expect(Buffer.from(bytes).includes('bob')).toBe(false);
  expect(await readBackup(bytes, 'correct horse')).toEqual({ ok: true, backup: held });
  expect(await readBackup(bytes, 'correct hors')).toEqual({ ok: false, reason: 'wrong-passphrase' });
});

test('a passphrase is the same however its letters were typed', async () => {
  const bytes = await writeBackup(backup, 'ﬁancée', random, CHEAP);
  expect(await readBackup(bytes, 'fiance\u0301e')).toMatchObject({ ok: true });
});

test('the cost is 2¹⁷ unless another is asked for', async () => {
  const bytes = await writeBackup(backup, 'slow', random);
  expect(bytes[4]).toBe(17);
  expect(await readBackup(bytes, 'slow')).toMatchObject({ ok: true });
});

test.each<[title: string, change: (bytes: Uint8Array) => Uint8Array, reason: string]>([
  ['is empty', () => new Uint8Array(0), 'malformed'],
  ['is something else', (bytes) => bytes.with(3, 0x32), 'malformed'],
  ['ends in its head', (bytes) => bytes.slice(0, 46), 'malformed'],
  ['asks for N = 1', (bytes) => bytes.with(4, 0), 'malformed'],
  ['asks for N = 2²¹', (bytes) => bytes.with(4, 21), 'too-costly'],
  ['asks for N = 2²⁵⁵', (bytes) => bytes.with(4, 255), 'too-costly'],
  ['asks for blocks past what is usual', (bytes) => bytes.with(5, 9), 'too-costly'],
  ['asks for many rounds', (bytes) => bytes.with(6, 255), 'too-costly'],
  ['asks for no rounds', (bytes) => bytes.with(6, 0), 'malformed'],
  ['has no content', (bytes) => bytes.slice(0, 47), 'wrong-passphrase'],
  ['is a byte short', (bytes) => bytes.slice(0, -1), 'wrong-passphrase'],
  ['has another salt', (bytes) => bytes.with(7, (bytes[7] ?? 0) ^ 1), 'wrong-passphrase'],
  ['has another nonce', (bytes) => bytes.with(23, (bytes[23] ?? 0) ^ 1), 'wrong-passphrase'],
])('a backup is refused that %s', async (_title, change, reason) => {
  const bytes = await writeBackup(backup, 'x', random, CHEAP);
  expect(await readBackup(change(bytes), 'x')).toEqual({ ok: false, reason });
});
