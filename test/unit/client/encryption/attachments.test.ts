import { createHash } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import {
  type AttachmentSecret,
  decryptAttachment,
  encryptAttachment,
} from '../../../../src/client/encryption/attachments.ts';
import { bytesOf, randomOf } from './users.ts';

const SEGMENT = 65_536;
const SEALED = SEGMENT + 16;
const random = randomOf('attachments');

afterEach(() => vi.unstubAllGlobals());

const fileOf = (size: number): Blob => new Blob([Uint8Array.from({ length: size }, (_, at) => at % 251)]);
const bytesOfBlob = async (blob: Blob): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await blob.arrayBuffer());

test.each([0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 200_000])(
  'a file of %s bytes comes out as it went in',
  async (size) => {
    const file = fileOf(size);
    const { ciphertext, secret } = await encryptAttachment(file, random);
    const segments = Math.max(1, Math.ceil(size / SEGMENT));
    expect(ciphertext.size).toBe(size + 16 * segments);
    expect(secret).toMatchObject({ size });
    const digest = createHash('sha256')
      .update(await bytesOfBlob(ciphertext))
      .digest();
    expect(Buffer.from(secret.sha256)).toEqual(digest);
    const opened = await decryptAttachment(ciphertext, secret);
    expect(opened && (await bytesOfBlob(opened))).toEqual(await bytesOfBlob(file));
  },
);

test('progress is told in bytes of the file', async () => {
  const told: [number, number][] = [];
  const { ciphertext, secret } = await encryptAttachment(fileOf(100_000), random, (...at) => told.push(at));
  await decryptAttachment(ciphertext, secret, (...at) => told.push(at));
  const once = [
    [SEGMENT, 100_000],
    [100_000, 100_000],
  ];
  expect(told).toEqual([...once, ...once]);
});

type Change = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>[];
const CHANGES: readonly (readonly [title: string, change: Change])[] = [
  ['cut off after a segment', (bytes) => [bytes.slice(0, 2 * SEALED)]],
  ['cut off within a segment', (bytes) => [bytes.slice(0, -1)]],
  ['without its first segment', (bytes) => [bytes.slice(SEALED)]],
  ['extended', (bytes) => [bytes, bytes.slice(0, 1)]],
  ['extended by a segment', (bytes) => [bytes, bytes.slice(0, SEALED)]],
  [
    'put in another order',
    (bytes) => [bytes.slice(SEALED, 2 * SEALED), bytes.slice(0, SEALED), bytes.slice(2 * SEALED)],
  ],
  ['repeating a segment', (bytes) => [bytes.slice(0, SEALED), bytes.slice(0, SEALED), bytes.slice(2 * SEALED)]],
  ['changed in one bit', (bytes) => [bytes.with(70_000, (bytes[70_000] ?? 0) ^ 1)]],
  ['empty', () => []],
];

test.each(CHANGES)('a file is refused that was %s', async (_title, change) => {
  const { ciphertext, secret } = await encryptAttachment(fileOf(150_000), random);
  const changed = new Blob(change(await bytesOfBlob(ciphertext)));
  expect(await decryptAttachment(changed, secret)).toBeUndefined();
  // Also where the sender's own payload lies about size and digest: the segments say where they belong.
  const digest = createHash('sha256')
    .update(await bytesOfBlob(changed))
    .digest();
  const segments = Math.max(1, Math.ceil(changed.size / SEALED));
  const size = changed.size - 16 * segments;
  expect(await decryptAttachment(changed, { ...secret, size, sha256: digest })).toBeUndefined();
});

test.each<[title: string, change: Partial<AttachmentSecret>]>([
  ['another key', { key: bytesOf(9) }],
  ['half a key', { key: bytesOf(9, 16) }],
  ['another prefix', { prefix: bytesOf(9, 7) }],
  ['a longer prefix', { prefix: bytesOf(9, 8) }],
  ['another digest', { sha256: bytesOf(9) }],
  ['another size', { size: 99 }],
  ['a size that can’t be', { size: -1 }],
  ['no size', { size: Number.NaN }],
])('a file is refused under %s', async (_title, change) => {
  const { ciphertext, secret } = await encryptAttachment(fileOf(100), random);
  expect(await decryptAttachment(ciphertext, { ...secret, ...change })).toBeUndefined();
});

test('without WebCrypto it says what is missing', async () => {
  vi.stubGlobal('crypto', {});
  await expect(encryptAttachment(fileOf(1), random)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});
