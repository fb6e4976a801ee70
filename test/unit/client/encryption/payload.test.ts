import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodePayload, type Payload, readPayload } from '../../../../src/client/encryption/payload.ts';
import { ascii, bytesOf, textOf } from './users.ts';

const PAYLOADS: readonly Payload[] = [
  { kind: 'message', id: 'm1', cid: 'c1', ts: 1, type: 'text', content: 'hello 👋' },
  { kind: 'message', id: 'm1', cid: 'c1', ts: 1, type: 'text', content: '', replyTo: 'm0' },
  {
    kind: 'message',
    id: 'm1',
    cid: 'c1',
    ts: 1,
    type: 'image',
    content: 'see',
    attachment: { url: 'https://files.example/1', fileSize: 3, key: 'AAAA', width: undefined },
  },
  { kind: 'session-init', id: 's', ts: 1 },
  { kind: 'session-ack', id: 's', ts: 1 },
  { kind: 'session-reset', id: 's', ts: 1 },
  {
    kind: 'sender-key',
    id: 'k',
    cid: 'c1',
    ts: 1,
    senderKey: { cid: 'c1', chainId: 2 ** 32 - 1, iteration: 0, chainKey: bytesOf(1), sigKey: bytesOf(2) },
  },
  { kind: 'sender-key', id: 'k', cid: 'c1', ts: 1, senderKey: { cid: 'c1', chainId: 0 } },
];

test.each(PAYLOADS)('$kind comes out as it went in', (payload) => {
  expect(readPayload(encodePayload(payload))).toEqual(payload);
});

test('a message is written as the page says', () => {
  const text = textOf(encodePayload(PAYLOADS[1] as Payload));
  expect(JSON.parse(text)).toEqual({
    v: 1,
    id: 'm1',
    cid: 'c1',
    kind: 'message',
    ts: 1,
    type: 'text',
    content: '',
    replyTo: 'm0',
  });
});

const message = { v: 1, id: 'm', cid: 'c', kind: 'message', ts: 1, type: 'text', content: 'x' };
const key = { v: 1, id: 'm', cid: 'c', kind: 'sender-key', ts: 1, type: 'system' };
const senderKey = {
  cid: 'c',
  chainId: 1,
  iteration: 1,
  chainKey: `AQ${'A'.repeat(41)}=`,
  sigKey: `AQ${'A'.repeat(41)}=`,
};

test('null stands for what is not there, and fields of a later version are passed over', () => {
  const read = { ...message, replyTo: null, attachment: null, expires: 5 };
  expect(readPayload(ascii(JSON.stringify(read)))).toEqual({
    kind: 'message',
    id: 'm',
    cid: 'c',
    ts: 1,
    type: 'text',
    content: 'x',
  });
});

test.each<[title: string, payload: unknown]>([
  ['no object', 'text'],
  ['a list', [message]],
  ['nothing', null],
  ['another version', { ...message, v: 2 }],
  ['no version', { ...message, v: undefined }],
  ['an unknown kind', { ...message, kind: 'call' }],
  ['a name of the language as its kind', { ...message, kind: 'constructor' }],
  ['no id', { ...message, id: undefined }],
  ['a number as its id', { ...message, id: 1 }],
  ['a text as its time', { ...message, ts: 'now' }],
  ['no conversation', { ...message, cid: undefined }],
  ['an empty conversation', { ...message, cid: '' }],
  ['no content', { ...message, content: undefined }],
  ['an object as its content', { ...message, content: {} }],
  ['no type', { ...message, type: null }],
  ['a number as the message it answers', { ...message, replyTo: 1 }],
  ['a list as its attachment', { ...message, attachment: [] }],
  ['a key without content', { ...key, content: undefined }],
  ['a key that is no JSON', { ...key, content: '{' }],
  ['a key of another conversation', { ...key, content: JSON.stringify({ ...senderKey, cid: 'other' }) }],
  ['a key without its number', { ...key, content: JSON.stringify({ ...senderKey, chainId: undefined }) }],
  ['a key with half a chain key', { ...key, content: JSON.stringify({ ...senderKey, chainKey: 'AQ==' }) }],
  ['a key that can’t be checked', { ...key, content: JSON.stringify({ ...senderKey, sigKey: undefined }) }],
  ['a key with a number past 32 bits', { ...key, content: JSON.stringify({ ...senderKey, iteration: 2 ** 32 }) }],
  ['a key with a broken number', { ...key, content: JSON.stringify({ ...senderKey, iteration: 0.5 }) }],
])('%s is no payload', (_title, payload) => {
  expect(readPayload(ascii(JSON.stringify(payload)))).toBeUndefined();
});

test('a key as it should be is read', () => {
  expect(readPayload(ascii(JSON.stringify({ ...key, content: JSON.stringify(senderKey) })))).toMatchObject({
    kind: 'sender-key',
  });
});

test('bytes of any kind are read or are no payload', () => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.json().map(ascii)), (bytes) => void readPayload(bytes)));
  expect(readPayload(Uint8Array.of(0xff))).toBeUndefined();
});
