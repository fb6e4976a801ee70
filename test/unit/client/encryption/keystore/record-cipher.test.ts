import { expect, test } from 'vitest';
import { decryptRecord, encryptRecord } from '../../../../../src/client/encryption/keystore/record-cipher.ts';
import { ascii, bytesOf, randomOf } from '../nkc1/parties.ts';

const random = randomOf('records');
const KEY = bytesOf(1);

test('a record is decrypted with its storage key and its revision', () => {
  const encrypted = encryptRecord(KEY, 'ann/e2ee/bob', 7, ascii('state'), random);
  expect(decryptRecord(KEY, encrypted)).toEqual({ storeKey: 'ann/e2ee/bob', rev: 7, data: ascii('state') });
  expect(encrypted).not.toBe(encryptRecord(KEY, 'ann/e2ee/bob', 7, ascii('state'), random));
});

test('a record that was modified, truncated or encrypted under another key is rejected', () => {
  const encrypted = encryptRecord(KEY, 'ann/e2ee/bob', 7, ascii('state'), random);
  expect(decryptRecord(bytesOf(2), encrypted)).toBeUndefined();
  for (const wrong of [undefined, null, 7, {}, '', 'AAAA', `${encrypted} `, encrypted.slice(0, -4), encrypted.slice(4)])
    expect(decryptRecord(KEY, wrong)).toBeUndefined();
  const bytes = Buffer.from(encrypted, 'base64');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(decryptRecord(KEY, flipped.toString('base64'))).toBeUndefined();
  }
});
