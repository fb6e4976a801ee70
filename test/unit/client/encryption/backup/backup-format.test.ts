import { expect, test } from 'vitest';
import {
  type BackupContent,
  decryptBackup,
  encryptBackup,
} from '../../../../../src/client/encryption/backup/backup-format.ts';
import { scrypt, secretbox } from '../../../../../src/client/encryption/nkc1/primitives.ts';
import { ascii, bytesOf, hex, randomOf } from '../nkc1/parties.ts';

const random = randomOf('backups');

const content: BackupContent = {
  userId: 'zoë',
  seed: bytesOf(3),
  pins: [
    { userId: 'bob', identityKey: bytesOf(4), verified: true },
    { userId: 'carol', identityKey: bytesOf(5), verified: false },
  ],
  history: '[{"id":"1"}]',
};
/** A low scrypt cost keeps the tests fast. */
const CHEAP = 4;

test.each([content, { ...content, history: undefined, pins: [] }])(
  'a backup is decrypted with its passphrase',
  async (each) => {
    const bytes = await encryptBackup(each, 'correct horse', random, CHEAP);
    expect(hex(bytes.slice(0, 7))).toBe('4e4b4231040801');
    expect(Buffer.from(bytes).includes('bob')).toBe(false);
    expect(await decryptBackup(bytes, 'correct horse')).toEqual({ ok: true, content: each });
    expect(await decryptBackup(bytes, 'correct hors')).toEqual({ ok: false, reason: 'wrong-passphrase' });
  },
);

test.each<[title: string, v: unknown, reason: string]>([
  ['of a later version', 2, 'unsupported'],
  ['without a version', undefined, 'malformed'],
])('content %s is rejected', async (_title, v, reason) => {
  const bytes = await encryptBackup(content, 'x', random, CHEAP);
  const key = await scrypt(ascii('x'), bytes.subarray(7, 23), { log2N: CHEAP, r: 8, p: 1 });
  const box = secretbox(ascii(JSON.stringify({ v })), bytes.subarray(23, 47), key);
  const later = Uint8Array.from([...bytes.subarray(0, 47), ...box]);
  expect(await decryptBackup(later, 'x')).toEqual({ ok: false, reason });
});

test('a passphrase is normalized', async () => {
  const bytes = await encryptBackup(content, 'ﬁancée', random, CHEAP);
  expect(await decryptBackup(bytes, 'fiance\u0301e')).toMatchObject({ ok: true });
});

test('the default cost is 2¹⁷', async () => {
  const bytes = await encryptBackup(content, 'slow', random);
  expect(bytes[4]).toBe(17);
  expect(await decryptBackup(bytes, 'slow')).toMatchObject({ ok: true });
});

test.each<[title: string, change: (bytes: Uint8Array) => Uint8Array, reason: string]>([
  ['is empty', () => new Uint8Array(0), 'malformed'],
  ['has another magic number', (bytes) => bytes.with(2, 0x32), 'malformed'],
  ['has a later format', (bytes) => bytes.with(3, 0x32), 'unsupported'],
  ['has an earlier format', (bytes) => bytes.with(3, 0x30), 'malformed'],
  ['ends within its header', (bytes) => bytes.slice(0, 46), 'malformed'],
  ['has N = 1', (bytes) => bytes.with(4, 0), 'malformed'],
  ['has N = 2²¹', (bytes) => bytes.with(4, 21), 'too-costly'],
  ['has N = 2²⁵⁵', (bytes) => bytes.with(4, 255), 'too-costly'],
  ['has r = 9', (bytes) => bytes.with(5, 9), 'too-costly'],
  ['has p = 255', (bytes) => bytes.with(6, 255), 'too-costly'],
  ['has p = 0', (bytes) => bytes.with(6, 0), 'malformed'],
  ['has an empty box', (bytes) => bytes.slice(0, 47), 'wrong-passphrase'],
  ['is truncated by a byte', (bytes) => bytes.slice(0, -1), 'wrong-passphrase'],
  ['has another salt', (bytes) => bytes.with(7, (bytes[7] ?? 0) ^ 1), 'wrong-passphrase'],
  ['has another nonce', (bytes) => bytes.with(23, (bytes[23] ?? 0) ^ 1), 'wrong-passphrase'],
])('a backup that %s is rejected', async (_title, change, reason) => {
  const bytes = await encryptBackup(content, 'x', random, CHEAP);
  expect(await decryptBackup(change(bytes), 'x')).toEqual({ ok: false, reason });
});
