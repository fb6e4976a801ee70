import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { isCommError } from '../../../../../src/protocol/errors.ts';
import { fc } from '../../../../helpers/property.ts';
import {
  AttachmentDecryptor,
  type AttachmentSecret,
  decryptAttachment,
  encryptAttachment,
} from '../../../../../src/client/encryption/nkc1/attachment-cipher.ts';
import { bytesOf, randomOf } from './parties.ts';

const SEGMENT = 65_536;
const SEALED = SEGMENT + 16;
const random = randomOf('attachments');

afterEach(() => vi.unstubAllGlobals());

const fileOf = (size: number): Blob => new Blob([Uint8Array.from({ length: size }, (_, at) => at % 251)]);
const bytesIn = async (blob: Blob): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await blob.arrayBuffer());

test.each([0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 200_000])(
  'a file of %s bytes survives encryption',
  async (size) => {
    const file = fileOf(size);
    const { ciphertext, secret } = await encryptAttachment(file, random);
    const segments = Math.max(1, Math.ceil(size / SEGMENT));
    expect(ciphertext.size).toBe(size + 16 * segments);
    expect(secret).toMatchObject({ size });
    const digest = createHash('sha256')
      .update(await bytesIn(ciphertext))
      .digest();
    expect(Buffer.from(secret.sha256)).toEqual(digest);
    const opened = await decryptAttachment(ciphertext, secret);
    expect(await bytesIn(opened)).toEqual(await bytesIn(file));
  },
);

test('progress is reported in bytes of the file', async () => {
  const reported: [number, number][] = [];
  const size = 64 * SEGMENT + 100;
  const onProgress = (...at: [number, number]): void => void reported.push(at);
  const { ciphertext, secret } = await encryptAttachment(fileOf(size), random, { onProgress });
  await decryptAttachment(ciphertext, secret, onProgress);
  const once = [
    [64 * SEGMENT, size],
    [size, size],
  ];
  expect(reported).toEqual([...once, ...once]);
});

const NOT_AUTHENTIC = { code: 'E2EE_DECRYPTION_FAILED' };

type Change = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>[];
const CHANGES: readonly (readonly [title: string, change: Change])[] = [
  ['truncated after a segment', (bytes) => [bytes.slice(0, 2 * SEALED)]],
  ['truncated within a segment', (bytes) => [bytes.slice(0, -1)]],
  ['stripped of its first segment', (bytes) => [bytes.slice(SEALED)]],
  ['extended', (bytes) => [bytes, bytes.slice(0, 1)]],
  ['extended by a segment', (bytes) => [bytes, bytes.slice(0, SEALED)]],
  ['reordered', (bytes) => [bytes.slice(SEALED, 2 * SEALED), bytes.slice(0, SEALED), bytes.slice(2 * SEALED)]],
  ['given a repeated segment', (bytes) => [bytes.slice(0, SEALED), bytes.slice(0, SEALED), bytes.slice(2 * SEALED)]],
  ['changed by one bit', (bytes) => [bytes.with(70_000, (bytes[70_000] ?? 0) ^ 1)]],
  ['emptied', () => []],
];

test.each(CHANGES)('a file that was %s is rejected', async (_title, change) => {
  const { ciphertext, secret } = await encryptAttachment(fileOf(150_000), random);
  const changed = new Blob(change(await bytesIn(ciphertext)));
  await expect(decryptAttachment(changed, secret)).rejects.toMatchObject(NOT_AUTHENTIC);
  // The segments authenticate their position even if size and digest are adjusted.
  const digest = createHash('sha256')
    .update(await bytesIn(changed))
    .digest();
  const segments = Math.max(1, Math.ceil(changed.size / SEALED));
  const size = changed.size - 16 * segments;
  await expect(decryptAttachment(changed, { ...secret, size, sha256: digest })).rejects.toMatchObject(NOT_AUTHENTIC);
});

test.each<[title: string, change: Partial<AttachmentSecret>]>([
  ['another key', { key: bytesOf(9) }],
  ['a truncated key', { key: bytesOf(9, 16) }],
  ['another prefix', { prefix: bytesOf(9, 7) }],
  ['a longer prefix', { prefix: bytesOf(9, 8) }],
  ['another digest', { sha256: bytesOf(9) }],
  ['another size', { size: 99 }],
  ['a negative size', { size: -1 }],
  ['a size that is not a number', { size: Number.NaN }],
])('a file is rejected with %s', async (_title, change) => {
  const { ciphertext, secret } = await encryptAttachment(fileOf(100), random);
  await expect(decryptAttachment(ciphertext, { ...secret, ...change })).rejects.toMatchObject(NOT_AUTHENTIC);
});

describe('a file that arrives in chunks', () => {
  /** Decrypts chunks. @returns what was handed out, and whether all of it was accepted */
  async function decrypt(
    bytes: Uint8Array,
    secret: AttachmentSecret,
    lengths: readonly number[] = [],
  ): Promise<{ plain: Uint8Array; isAccepted: boolean }> {
    const parts: ArrayBuffer[] = [];
    try {
      const decryptor = await AttachmentDecryptor.create(secret);
      let at = 0;
      for (const length of [...lengths, bytes.length]) {
        parts.push(...(await decryptor.push(bytes.subarray(at, at + length))));
        at += length;
      }
      decryptor.end();
      return { plain: await bytesIn(new Blob(parts)), isAccepted: true };
    } catch (error) {
      if (!isCommError(error) || error.code !== 'E2EE_DECRYPTION_FAILED') throw error;
      return { plain: await bytesIn(new Blob(parts)), isAccepted: false };
    }
  }

  /** A file of three and a half segments. */
  const SIZE = 3.5 * SEGMENT;
  const sealing = encryptAttachment(fileOf(SIZE), random).then(async ({ ciphertext, secret }) => ({
    sealed: await bytesIn(ciphertext),
    secret,
    plain: await bytesIn(fileOf(SIZE)),
  }));

  test('is decrypted, whatever their sizes', async () => {
    const { sealed, secret, plain } = await sealing;
    const lengths = fc.array(fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 2 * SEALED })), { maxLength: 12 });
    const survives = async (sizes: number[]): Promise<void> => {
      expect(await decrypt(sealed, secret, sizes)).toEqual({ plain, isAccepted: true });
    };
    await fc.assert(fc.asyncProperty(lengths, survives), { numRuns: 40 });
  });

  const segmentsOf = (bytes: Uint8Array): Uint8Array[] =>
    Array.from({ length: 4 }, (_, index) => bytes.subarray(index * SEALED, (index + 1) * SEALED));
  const joined = (parts: (Uint8Array | undefined)[]): Uint8Array =>
    Buffer.concat(parts.filter((part) => part !== undefined));

  test.each([0, 1, 2, 3])('is rejected if segment %i is changed, dropped, repeated, swapped or cut', async (index) => {
    const { sealed, secret, plain } = await sealing;
    const segments = segmentsOf(sealed);
    const own = segments[index] ?? sealed;
    const replaced = (...by: Uint8Array[]): Uint8Array =>
      joined(segments.flatMap((each, at) => (at === index ? by : [each])));
    const changes = [
      replaced(own.with(0, (own[0] ?? 0) ^ 1)),
      replaced(own.with(own.length - 1, (own.at(-1) ?? 0) ^ 0x80)),
      replaced(),
      replaced(own, own),
      replaced(segments[(index + 1) % 4] ?? own),
      replaced(own.subarray(0, -1)),
      joined([...segments.slice(0, index), own.subarray(0, -16)]),
      joined(segments.slice(0, index)),
    ];
    for (const change of changes) {
      const { plain: handedOut, isAccepted } = await decrypt(change, secret);
      expect(isAccepted).toBe(false);
      // In small chunks, segments before the change are handed out. They are authentic, and nothing after them is.
      const lengths = Array.from({ length: 40 }, () => 8_192);
      const slowly = await decrypt(change, secret, lengths);
      expect(slowly.isAccepted).toBe(false);
      for (const part of [handedOut, slowly.plain]) {
        expect(part.length).toBeLessThanOrEqual((index + 1) * SEGMENT);
        expect(Buffer.compare(part, plain.subarray(0, part.length))).toBe(0);
      }
    }
  });

  test('is rejected if any byte of it is changed, and hands out nothing of the segment', async () => {
    const { sealed, secret } = await sealing;
    const change = fc.record({ at: fc.nat({ max: sealed.length - 1 }), bit: fc.nat({ max: 7 }) });
    const isRejected = async ({ at, bit }: { at: number; bit: number }): Promise<void> => {
      const changed = sealed.with(at, (sealed[at] ?? 0) ^ (1 << bit));
      const { plain, isAccepted } = await decrypt(changed, secret, [SEALED, SEALED, SEALED]);
      expect([plain.length, isAccepted]).toEqual([Math.floor(at / SEALED) * SEGMENT, false]);
    };
    await fc.assert(fc.asyncProperty(change, isRejected), { numRuns: 40 });
  });

  test('is rejected if its segments are authentic, and the digest is another one', async () => {
    const { sealed, secret } = await sealing;
    expect((await decrypt(sealed, { ...secret, sha256: bytesOf(9) })).isAccepted).toBe(false);
  });

  test('is rejected for good after the first failure', async () => {
    const { sealed, secret } = await sealing;
    const decryptor = await AttachmentDecryptor.create(secret);
    await expect(decryptor.push(sealed.with(0, (sealed[0] ?? 0) ^ 1))).rejects.toMatchObject(NOT_AUTHENTIC);
    await expect(decryptor.push(sealed)).rejects.toMatchObject(NOT_AUTHENTIC);
    expect(() => decryptor.end()).toThrow(/modified/);
  });
});

test('encrypting ends with the reason of its signal', async () => {
  const controller = new AbortController();
  const reason = new Error('not wanted');
  controller.abort(reason);
  await expect(encryptAttachment(fileOf(1), random, { signal: controller.signal })).rejects.toBe(reason);
});

test('without WebCrypto encrypting fails with UNSUPPORTED', async () => {
  vi.stubGlobal('crypto', {});
  await expect(encryptAttachment(fileOf(1), random)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});
