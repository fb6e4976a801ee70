import { expect, test } from 'vitest';
import { encodePayload, type Payload, decodePayload } from '../../../../../src/client/encryption/nkc1/payload.ts';
import { ascii, bytesOf, textOf } from './parties.ts';
import { fc } from '../../../../helpers/property.ts';

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
  {
    kind: 'message',
    id: 'm1',
    cid: 'c1',
    ts: 1,
    type: 'image',
    content: 'see',
    attachment: { url: '/1' },
    attachments: [{ url: '/1' }, { url: '/2' }],
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

test.each(PAYLOADS)('$kind survives encoding', (payload) => {
  expect(decodePayload(encodePayload(payload))).toEqual(payload);
});

test('a message is encoded as JSON with the specified fields', () => {
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

test('null counts as absent, and unknown fields are ignored', () => {
  const read = { ...message, replyTo: null, attachment: null, attachments: null, expires: 5 };
  expect(decodePayload(ascii(JSON.stringify(read)))).toEqual({
    kind: 'message',
    id: 'm',
    cid: 'c',
    ts: 1,
    type: 'text',
    content: 'x',
  });
});

test.each<[title: string, payload: unknown]>([
  ['a string', 'text'],
  ['a list', [message]],
  ['null', null],
  ['no version', { ...message, v: undefined }],
  ['a number as its kind', { ...message, kind: 1 }],
  ['no id', { ...message, id: undefined }],
  ['a number as its id', { ...message, id: 1 }],
  ['a string as its time', { ...message, ts: 'now' }],
  ['no conversation', { ...message, cid: undefined }],
  ['an empty conversation', { ...message, cid: '' }],
  ['no content', { ...message, content: undefined }],
  ['an object as its content', { ...message, content: {} }],
  ['no type', { ...message, type: null }],
  ['a number as its replyTo', { ...message, replyTo: 1 }],
  ['a list as its attachment', { ...message, attachment: [] }],
  ['an object as its attachments', { ...message, attachments: {} }],
  ['a string among its attachments', { ...message, attachments: [{}, 'file'] }],
  ['a sender key without content', { ...key, content: undefined }],
  ['a sender key that is not JSON', { ...key, content: '{' }],
  ['a sender key of another conversation', { ...key, content: JSON.stringify({ ...senderKey, cid: 'other' }) }],
  ['a sender key without chain id', { ...key, content: JSON.stringify({ ...senderKey, chainId: undefined }) }],
  ['a sender key with a truncated chain key', { ...key, content: JSON.stringify({ ...senderKey, chainKey: 'AQ==' }) }],
  ['a sender key without signature key', { ...key, content: JSON.stringify({ ...senderKey, sigKey: undefined }) }],
  [
    'a sender key with an iteration above 32 bits',
    { ...key, content: JSON.stringify({ ...senderKey, iteration: 2 ** 32 }) },
  ],
  ['a sender key with a fractional iteration', { ...key, content: JSON.stringify({ ...senderKey, iteration: 0.5 }) }],
])('%s is rejected', (_title, payload) => {
  expect(decodePayload(ascii(JSON.stringify(payload)))).toBeUndefined();
});

test.each<[title: string, payload: unknown]>([
  ['another version', { ...message, v: 2 }],
  ['another version without any other known field', { v: 'x' }],
  ['the reserved kind members', { ...message, kind: 'members' }],
  ['an unknown kind without an id', { v: 1, kind: 'call' }],
  ['a property name of objects as its kind', { ...message, kind: 'constructor' }],
])('%s is unsupported, not malformed', (_title, payload) => {
  expect(decodePayload(ascii(JSON.stringify(payload)))).toEqual({ kind: 'unsupported' });
});

test('a valid sender key is decoded', () => {
  expect(decodePayload(ascii(JSON.stringify({ ...key, content: JSON.stringify(senderKey) })))).toMatchObject({
    kind: 'sender-key',
  });
});

test('random bytes never throw', () => {
  fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.json().map(ascii)), (bytes) => void decodePayload(bytes)));
  expect(decodePayload(Uint8Array.of(0xff))).toBeUndefined();
});

const change = { v: 1, id: 'c1', ts: 1, cid: 'room', type: 'system', content: '', edits: '7', n: 3 };

test('deletions and reactions survive encoding', () => {
  const deletion = { kind: 'delete', id: 'c1', ts: 1, cid: 'room', edits: '7', n: 3 } as const;
  const reaction = { ...deletion, kind: 'reaction', reactions: ['👍', '🎉'] } as const;
  expect(decodePayload(encodePayload(deletion))).toEqual(deletion);
  expect(decodePayload(encodePayload(reaction))).toEqual(reaction);
});

test.each<[title: string, body: object]>([
  ['no message', { ...change, kind: 'delete', edits: undefined }],
  ['no counter', { ...change, kind: 'reaction', reactions: [], n: undefined }],
  ['no conversation', { ...change, kind: 'delete', cid: '' }],
  ['no reactions', { ...change, kind: 'reaction' }],
  ['reactions that are no texts', { ...change, kind: 'reaction', reactions: [1] }],
])('a change with %s is no payload', (_title, body) => {
  expect(decodePayload(ascii(JSON.stringify(body)))).toBeUndefined();
});
