import { expect, test } from 'vitest';
import { secretFromPayload } from '../../../../../src/client/encryption/keystore/plaintexts.ts';
import type { MessagePayload } from '../../../../../src/client/encryption/nkc1/payload.ts';

const keysOf = (size: number): object => ({ key: 'k', prefix: 'p', size, sha256: 's' });
const fileOf = (n: number, more: object = {}): object => ({
  url: `/files/${n}`,
  mimeType: 'image/png',
  fileName: `${n}.png`,
  fileSize: n,
  keys: keysOf(n),
  thumbnailUrl: `/files/${n}-small`,
  thumbnailKeys: keysOf(1),
  ...more,
});
const payloadOf = (files: Pick<MessagePayload, 'attachment' | 'attachments'>): MessagePayload => ({
  kind: 'message',
  id: 'm',
  cid: 'c',
  ts: 1,
  type: 'image',
  content: 'see',
  ...files,
});
const WITHOUT_FILES = { content: 'see', type: 'image' };

test('the files of a payload are read in order, with their keys', () => {
  const files = Array.from({ length: 10 }, (_, at) => fileOf(at));
  const read = secretFromPayload(payloadOf({ attachment: files[0], attachments: files }));
  expect(read).toEqual({ ...WITHOUT_FILES, attachment: files[0], attachments: files });
});

test('a payload of an earlier version has one file', () => {
  expect(secretFromPayload(payloadOf({ attachment: fileOf(1) }))).toEqual({ ...WITHOUT_FILES, attachment: fileOf(1) });
});

const described = { width: 3, height: 2, duration: 1.5, placeholder: 'AAA=', waveform: [0, 100] };

test('the description of a file is read, and `null` stands for what is absent', () => {
  const file = fileOf(1, { ...described, keys: undefined, thumbnailKeys: undefined });
  const { attachment } = secretFromPayload(payloadOf({ attachment: { ...file, keys: null, thumbnailKeys: null } }));
  expect(attachment).toEqual(file);
  expect(attachment).toMatchObject(described);
});

test('what earlier versions read instead of the list is not shown beside it', () => {
  const read = secretFromPayload(payloadOf({ attachment: fileOf(9), attachments: [fileOf(1), fileOf(2)] }));
  expect(read.attachment).toEqual(fileOf(1));
});

test.each<[title: string, files: object[]]>([
  ['more files than a message may have', Array.from({ length: 11 }, (_, at) => fileOf(at))],
  ['no file in the list', []],
  ['a file whose keys belong to one of another size', [fileOf(1), fileOf(2, { keys: keysOf(3) })]],
  ['a file with malformed keys', [fileOf(1), fileOf(2, { keys: { key: 'k' } })]],
  ['a file with malformed keys of its thumbnail', [fileOf(1), fileOf(2, { thumbnailKeys: 'k' })]],
  ['a file with an unsafe URL', [fileOf(1), fileOf(2, { url: 'javascript:alert(1)' })]],
  ['a file without a name', [fileOf(1), fileOf(2, { fileName: undefined })]],
])('with %s nothing of them is shown', (_title, attachments) => {
  expect(secretFromPayload(payloadOf({ attachment: attachments[0], attachments }))).toEqual(WITHOUT_FILES);
});

test.each<[title: string, description: object]>([
  ['a width that is no number', { width: '1' }],
  ['a height that is null', { height: null }],
  ['a negative duration', { duration: -1 }],
  ['a long placeholder', { placeholder: 'A'.repeat(37) }],
  ['a placeholder that is not base64', { placeholder: '<b>' }],
  ['a waveform that is no list', { waveform: 'x' }],
  ['a long waveform', { waveform: Array.from({ length: 65 }, () => 1) }],
  ['a waveform with a value that is too large', { waveform: [101] }],
])('a file with %s is shown without it', (_title, description) => {
  const others = Object.fromEntries(Object.entries(described).filter(([name]) => !(name in description)));
  const claimed = fileOf(1, { ...described, ...description });
  expect(secretFromPayload(payloadOf({ attachment: claimed })).attachment).toEqual(fileOf(1, others));
});
