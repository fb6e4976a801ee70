import * as v from 'valibot';
import { expect, test } from 'vitest';
import {
  LIMITS,
  PUSH_SCHEMAS,
  type PushName,
  REQUEST_SCHEMAS,
  type RequestName,
  REST_ANSWER_SCHEMAS,
} from '../../../src/protocol/index.ts';
import { REQUESTS } from '../../helpers/requests.ts';
import { fc } from '../../helpers/property.ts';

const names = Object.keys(REQUEST_SCHEMAS) as RequestName[];
const accepts = (name: RequestName, payload: unknown): boolean => v.is(REQUEST_SCHEMAS[name].req, payload);

function nested(levels: number): unknown {
  let value: unknown = 'deep';
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { conversationId: value };
  return value;
}

const NEVER_A_PAYLOAD: readonly (readonly [title: string, payload: unknown])[] = [
  ['nothing', undefined],
  ['null', null],
  ['a number', 1],
  ['NaN', Number.NaN],
  ['true', true],
  ['a text', 'conversation'],
  ['an empty text', ''],
  ['a function', () => undefined],
  ['a symbol', Symbol('payload')],
  ['5 million characters', 'x'.repeat(5_000_000)],
  ['2,000 levels of nesting', [nested(2_000)]],
];

/** Values that every field of every request rejects. */
const NEVER_A_FIELD: readonly (readonly [title: string, value: unknown])[] = [
  ['a function', () => 'a'],
  ['a symbol', Symbol('a')],
  ['NaN', Number.NaN],
  ['an infinite number', Number.POSITIVE_INFINITY],
  ['a negative number', -1],
  ['an object with a toString method', { toString: () => 'a', length: 1 }],
  ['a list of lists', [['a']]],
  ['a list that contains null', [null]],
  ['2,000 levels of nesting', nested(2_000)],
  ['2 million characters', 'x'.repeat(2_000_000)],
];

/** Fields that the server overwrites. */
const STAMPED = new Set(['userId', 'uploadedAt', 'fromUserId']);
const STAMPED_REQUESTS = new Set<RequestName>([
  'call:quality-report',
  'encryption:upload-keys',
  'signal:offer',
  'signal:answer',
  'signal:ice-candidate',
  'signal:ice-restart',
]);

test.each(names)('%s accepts a valid request unchanged', (name) => {
  expect(v.parse(REQUEST_SCHEMAS[name].req, REQUESTS[name])).toEqual(REQUESTS[name]);
});

/** Requests without fields, or with optional ones only, which accept every object. */
const WITHOUT_FIELDS = new Set<RequestName>(['comm:ping', 'call:ice-servers', 'conversation:browse', 'user:blocked']);
test.each(names.filter((name) => !WITHOUT_FIELDS.has(name)))('%s rejects invalid payloads without throwing', (name) => {
  const accepted = [...NEVER_A_PAYLOAD, ['a list', []] as const, ['an empty object', {}] as const].filter(
    ([, payload]) => accepts(name, payload),
  );
  expect(accepted.map(([title]) => title)).toEqual([]);
});

test.each(names)('%s rejects an invalid value in any field without throwing', (name) => {
  const request: object = REQUESTS[name];
  const accepted = Object.keys(request).flatMap((field) =>
    NEVER_A_FIELD.filter(([title, wrong]) => {
      const stamped = STAMPED.has(field) && STAMPED_REQUESTS.has(name) && title === '2 million characters';
      return !stamped && accepts(name, { ...request, [field]: wrong });
    }).map(([title]) => `${field}: ${title}`),
  );
  expect(accepted).toEqual([]);
});

test.each(names)('%s removes unknown fields, and no field changes a prototype', (name) => {
  const json = JSON.stringify({ ...REQUESTS[name], invented: 1 });
  const hostile: unknown = JSON.parse(json.replace(/^\{/, '{"__proto__":{"polluted":true},"constructor":{"a":1},'));
  const parsed = v.parse(REQUEST_SCHEMAS[name].req, hostile);
  expect(parsed).toEqual(REQUESTS[name]);
  expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
  expect('polluted' in {}).toBe(false);
});

test('cursor keys such as __proto__ change no prototype', () => {
  const parsed = v.parse(
    REQUEST_SCHEMAS.sync.req,
    JSON.parse('{"cursors":{"__proto__":1,"constructor":2,"prototype":3,"a":4},"inboxRev":0}'),
  );
  expect(Object.getPrototypeOf(parsed.cursors)).toBe(Object.prototype);
  expect(parsed.cursors['a']).toBe(4);
});

test('random payloads are accepted or rejected without throwing', () => {
  const schemas = [
    ...names.flatMap((name) => [REQUEST_SCHEMAS[name].req, REQUEST_SCHEMAS[name].res]),
    ...Object.values(PUSH_SCHEMAS),
    ...Object.values(REST_ANSWER_SCHEMAS),
  ];
  const anything = fc.anything({ withNullPrototype: true, withSparseArray: true, withBigInt: true, maxDepth: 4 });
  fc.assert(
    fc.property(anything, (payload) => {
      for (const schema of schemas) v.safeParse(schema, payload);
    }),
    { numRuns: 200 },
  );
});

test('requests with random fields are accepted or rejected without throwing', () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.dictionary(fc.string(), fc.anything()), (name, fields) => {
      const keys = Object.keys(REQUESTS[name]);
      const known = Object.entries(fields).map(([key, value], index) => [keys[index] ?? key, value] as const);
      v.safeParse(REQUEST_SCHEMAS[name].req, { ...REQUESTS[name], ...Object.fromEntries(known) });
    }),
    { numRuns: 2_000 },
  );
});

test.each<[title: string, id: unknown, taken: boolean]>([
  ['a decimal text', '1', true],
  ['a UUID', '01935200-0000-7000-8000-000000000001', true],
  ['SQL, which is a name like any other', "'; DROP TABLE messages; --", true],
  ['a property name of Object.prototype', '__proto__', true],
  ['letters of any script, and emoji', 'жук 甲虫 🐞', true],
  ['as long as allowed', 'x'.repeat(LIMITS.idLength), true],
  ['a number', 1, false],
  ['an empty text', '', false],
  ['too long', 'x'.repeat(LIMITS.idLength + 1), false],
  ['a NUL', 'a\0b', false],
  ['a line break', 'a\nb', false],
  ['an escape', '\u001B[31m', false],
  ['DEL', '\u007F', false],
])('an id that is %s: %j → %s', (_title, id, taken) => {
  expect(accepts('conversation:join', { conversationId: id })).toBe(taken);
});

test.each<[url: string, taken: boolean]>([
  ['https://example.com/a.png', true],
  ['HTTP://example.com/a.png', true],
  ['/files/a.png', true],
  ['./a.png', true],
  ['../a.png', true],
  ['javascript:alert(1)', false],
  ['JaVaScRiPt:alert(1)', false],
  ['data:text/html,<script>alert(1)</script>', false],
  ['blob:https://example.com/1', false],
  ['file:///etc/passwd', false],
  ['//example.com/a.png', false],
  [' https://example.com', false],
  ['\tjavascript:alert(1)', false],
  ['a.png', false],
  ['', false],
  [`https://example.com/${'a'.repeat(LIMITS.urlLength)}`, false],
])('an attachment with the URL %s is accepted: %s', (url, taken) => {
  const { attachment, ...request } = REQUESTS['message:send'];
  expect(accepts('message:send', { ...request, attachment: { ...attachment, url } })).toBe(taken);
  expect(accepts('message:send', { ...request, attachment: { ...attachment, thumbnailUrl: url } })).toBe(taken);
});

test.each(['system', 'call', 'TEXT', '', null])('a client can not send a message of type %j', (type) => {
  expect(accepts('message:send', { ...REQUESTS['message:send'], type })).toBe(false);
});

test.each<[counter: unknown, taken: boolean]>([
  [0, true],
  [Number.MAX_SAFE_INTEGER, true],
  [-1, false],
  [1.5, false],
  [Number.MAX_SAFE_INTEGER + 1, false],
  ['1', false],
  [null, false],
])('a counter of %j is accepted: %s', (counter, taken) => {
  expect(accepts('message:delivered', { conversationId: 'a', seq: counter })).toBe(taken);
  expect(accepts('sync', { cursors: { a: counter }, inboxRev: 0 })).toBe(taken);
});

test.each<[title: string, name: RequestName, field: string, atLimit: unknown, past: unknown]>([
  ['text', 'message:edit', 'content', 'x'.repeat(LIMITS.bodyBytes), 'x'.repeat(LIMITS.bodyBytes + 1)],
  ['emoji', 'message:react', 'emoji', 'x'.repeat(LIMITS.emojiLength), 'x'.repeat(LIMITS.emojiLength + 1)],
  ['name', 'conversation:update', 'name', 'x'.repeat(LIMITS.nameLength), 'x'.repeat(LIMITS.nameLength + 1)],
  ['list of users', 'presence:watch', 'userIds', people(LIMITS.userIds), people(LIMITS.userIds + 1)],
  ['list of callees', 'call:initiate', 'calleeIds', people(LIMITS.callees), people(LIMITS.callees + 1)],
  ['session description', 'signal:offer', 'sdp', 'x'.repeat(LIMITS.sdpLength), 'x'.repeat(LIMITS.sdpLength + 1)],
  ['list of cursors', 'sync', 'cursors', cursors(LIMITS.syncCursors), cursors(LIMITS.syncCursors + 1)],
])('a %s is accepted up to its limit', (_title, name, field, atLimit, past) => {
  expect(accepts(name, { ...REQUESTS[name], [field]: atLimit })).toBe(true);
  expect(accepts(name, { ...REQUESTS[name], [field]: past })).toBe(false);
});

test.each<[name: RequestName, field: string]>([
  ['message:react', 'emoji'],
  ['conversation:update', 'name'],
])('%s %s is trimmed and must not be blank', (name, field) => {
  expect(accepts(name, { ...REQUESTS[name], [field]: ' \n\t ' })).toBe(false);
  expect(v.parse(REQUEST_SCHEMAS[name].req, { ...REQUESTS[name], [field]: '  a b ' })).toMatchObject({
    [field]: 'a b',
  });
});

test('an id with a lone surrogate is rejected, because databases would store two such ids as one', () => {
  for (const id of ['\ud83d', '\ude00', 'a\ud83d b', '\ude00\ud83d']) {
    expect(accepts('message:send', { ...REQUESTS['message:send'], clientId: id })).toBe(false);
    expect(accepts('conversation:create', { ...REQUESTS['conversation:create'], participantIds: [id] })).toBe(false);
  }
  expect(accepts('message:send', { ...REQUESTS['message:send'], clientId: '😀' })).toBe(true);
});

test.each<[name: RequestName, field: string]>([
  ['message:send', 'content'],
  ['message:edit', 'content'],
  ['message:react', 'emoji'],
  ['conversation:create', 'name'],
  ['conversation:update', 'name'],
])('a lone surrogate in %s %s is replaced by U+FFFD', (name, field) => {
  expect(v.parse(REQUEST_SCHEMAS[name].req, { ...REQUESTS[name], [field]: 'a\ud83d😀' })).toMatchObject({
    [field]: 'a\ufffd😀',
  });
});

test.each<[title: string, key: string]>([
  ['not base64', '!'.repeat(44)],
  ['base64url', `${'-'.repeat(43)}=`],
  ['without padding', 'A'.repeat(43)],
  ['of 31 bytes', `${'A'.repeat(42)}==`],
  ['of 33 bytes', 'A'.repeat(44).concat('AAAA')],
])('a public key that is %s is rejected', (_title, key) => {
  expect(accepts('encryption:upload-keys', { ...REQUESTS['encryption:upload-keys'], identityKey: key })).toBe(false);
});

test('pushes of a base server may omit the extension fields', () => {
  const pushes: [PushName, unknown][] = [
    ['message:deleted', { messageId: '1', conversationId: 'a', deletedBy: 'bob' }],
    ['message:status', { messageId: '1', status: 'read' }],
    ['message:reaction-update', { messageId: '1', reactions: [{ emoji: '👍', count: 1, users: ['bob'] }] }],
    ['conversation:updated', { id: 'a', archived: true }],
    ['message:error', { code: 'INVALID', message: 'no' }],
    ['encryption:keys-response', { error: 'no_keys', recipientId: 'bob' }],
  ];
  for (const [name, payload] of pushes) expect(v.parse(PUSH_SCHEMAS[name], payload)).toEqual(payload);
});

function people(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `user-${index}`);
}

function cursors(count: number): Record<string, number> {
  return Object.fromEntries(people(count).map((id) => [id, 1]));
}
