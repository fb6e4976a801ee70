import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RequestName } from '../../../../src/protocol/events.ts';
import { REQUEST_SCHEMAS } from '../../../../src/protocol/event-schemas.ts';
import { REQUESTS } from '../../../helpers/requests.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import { fc } from '../../../helpers/property.ts';

const NAMES = Object.keys(REQUEST_SCHEMAS) as RequestName[];
const MEGABYTE = 1_024 * 1_024;

function nested(levels: number): unknown {
  let value: unknown = 'bottom';
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? { deeper: value } : [value];
  return value;
}

/** Own properties of these names, as they come out of a JSON parser. */
const POISONED = JSON.parse(
  '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"prototype":{"polluted":true}}',
) as object;

/** Bytes and deep nesting are rejected before the payload is parsed. */
const BYTES = Buffer.from([0, 1, 2]);
const DEEP = nested(2_000);
const STRUCTURES = new Set<unknown>([BYTES, DEEP]);

/** What stands in the place of a whole payload. */
const PAYLOADS: readonly (readonly [what: string, payload: unknown])[] = [
  ['null', null],
  ['a number', 42],
  ['text', 'conversation'],
  ['true', true],
  ['a list of payloads', [[{ conversationId: 'a' }]]],
  ['bytes', BYTES],
  ['2,000 levels of nesting', DEEP],
];

/** What stands in the place of one field. */
const VALUES: readonly (readonly [what: string, value: unknown])[] = [
  ['null', null],
  ['a number', 7],
  ['a number in place of an id', 12_345_678_901],
  ['not a number', 'NaN'],
  ['an object', {}],
  ['a list', []],
  ['an empty list', [null]],
  ['an empty text', ''],
  ['SQL', "'; DROP TABLE messages; --"],
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['a control character', 'a\u0000b'],
  ['half a surrogate pair', '\ud800'],
  ['an unknown kind', 'system'],
  ['2,000 levels of nesting', nested(2_000)],
  ['bytes', Buffer.from([0, 1, 2])],
  ['poison', POISONED],
];

/** What nearly a megabyte in the last field are answered with where that isn't `INVALID`. */
const TOO_MUCH: { readonly [K in RequestName]?: string } = {
  'message:report': 'MESSAGE_TOO_LONG',
  'comm:ping': 'taken',
  'user:blocked': 'taken',
  'call:ice-servers': 'taken',
};

let server: TestServer;
let mallory: CheckedClient;
let bystander: CheckedClient;
let conversationId: string;

beforeAll(async () => {
  // The rules for payloads are tested, not the budgets.
  server = await startServer({ limits: { requests: { burst: 1e9, perSecond: 1e9 } } });
  mallory = await server.connect('mallory');
  bystander = await server.connect('alice');
  const created = await bystander.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  conversationId = created.id;
});

/** After every attack, another user can still chat, and no prototype of this process has a new property. */
async function stands(): Promise<void> {
  await bystander.ask('message:send', { conversationId, content: 'Still here', type: 'text' });
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
}

afterAll(async () => {
  await stands();
  mallory.close();
  bystander.close();
  await server[Symbol.asyncDispose]();
});

describe.each(NAMES)('%s', (name) => {
  const accepted = (payload: unknown): boolean => v.is(REQUEST_SCHEMAS[name].req, payload);

  test('a missing payload is rejected', async () => {
    expect(await mallory.refused(name)).toMatchObject({ code: 'INVALID' });
  });

  test.each(PAYLOADS)('%s as a payload is answered', async (_, payload) => {
    const reply = await mallory.raw(name, payload);
    // A request without a field takes every object whose structure is allowed.
    const isTaken = accepted(payload) && !STRUCTURES.has(payload);
    expect(reply).toMatchObject(isTaken ? { ok: true } : { ok: false, error: { code: 'INVALID' } });
  });

  test('without an acknowledgement, an invalid payload is answered by a push that names the request', async () => {
    const event = name.startsWith('message:') ? 'message:error' : 'error';
    const refusal =
      name === 'file:request-upload'
        ? mallory.next('file:upload-error')
        : mallory.next(event, (data) => data.event === name);
    mallory.emit(name, null);
    expect(await refusal).toMatchObject({ code: 'INVALID' });
  });

  test('every field is validated', async () => {
    const valid: Record<string, unknown> = { ...REQUESTS[name] };
    const letThrough: string[] = [];
    for (const field of Object.keys(valid)) {
      const { [field]: _, ...missing } = valid;
      for (const payload of [missing, ...VALUES.map(([, value]) => ({ ...valid, [field]: value }))]) {
        const reply = await mallory.raw(name, payload);
        const refused = !reply.ok && reply.error.code === 'INVALID';
        if (!refused && !accepted(payload)) letThrough.push(field);
      }
    }
    expect(letThrough).toEqual([]);
    await stands();
  });

  test('nearly a megabyte in a field is answered with an error', async () => {
    const huge = 'x'.repeat(0.9 * MEGABYTE);
    const field = Object.keys(REQUESTS[name]).at(-1) ?? 'nothing';
    const reply = await mallory.raw(name, { ...REQUESTS[name], [field]: huge });
    // A field that the request doesn't have is not looked at.
    expect(reply.ok ? 'taken' : reply.error.code).toBe(TOO_MUCH[name] ?? 'INVALID');
  });
});

test("an oversized frame closes only its sender's connection", async () => {
  const careless = await server.connect('careless');
  careless.emit('message:send', { conversationId, content: 'x'.repeat(MEGABYTE), type: 'text' });
  expect(await careless.disconnected()).toMatch(/^transport/);
  await stands();
});

test.each(['system', 'call'])('a client cannot write a message of the type %s', async (type) => {
  const request = { conversationId, content: 'You have been warned', type };
  expect(await bystander.refused('message:send', request)).toMatchObject({ code: 'INVALID' });
});

test('the error push of a rejected send names the client id', async () => {
  mallory.emit('message:send', { conversationId, content: 'Hi', type: 'text', clientId: 'mine' });
  expect(await mallory.next('message:error', ({ clientId }) => clientId === 'mine')).toMatchObject({
    code: 'NOT_FOUND',
    event: 'message:send',
  });
});

test('a text above the limit is MESSAGE_TOO_LONG', async () => {
  const request = { conversationId, content: 'x'.repeat(10_001), type: 'text' };
  expect(await bystander.refused('message:send', request)).toMatchObject({ code: 'MESSAGE_TOO_LONG' });
});

test('additional arguments are ignored', async () => {
  const request = { conversationId, content: 'Hi', type: 'text' };
  expect(await bystander.raw('message:send', request, 'junk', { more: 'junk' })).toMatchObject({ ok: true });
});

test('arbitrary payloads of every event are answered', async () => {
  const fields = [...new Set(Object.values(REQUESTS).flatMap((request) => Object.keys(request)))];
  const payload = fc.oneof(
    fc.jsonValue({ maxDepth: 6 }),
    fc.dictionary(fc.constantFrom(...fields, '__proto__', 'constructor'), fc.jsonValue({ maxDepth: 3 })),
    fc
      .constantFrom(...Object.values(REQUESTS))
      .chain((valid) =>
        fc.record(
          Object.fromEntries(
            Object.entries(valid).map(([key, value]) => [
              key,
              fc.oneof(fc.constant(value), fc.jsonValue({ maxDepth: 2 })),
            ]),
          ),
          { requiredKeys: [] },
        ),
      ),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...NAMES),
      payload,
      fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 2 }),
      async (name, first, rest) => {
        const reply = await mallory.raw(name, first, ...rest);
        return typeof reply.ok === 'boolean';
      },
    ),
    { numRuns: 1_000 },
  );
  await stands();
});
