import { describe, expect, test } from 'vitest';
import { CommError } from '../../../../src/protocol/errors.ts';
import type { Push } from '../../../../src/protocol/events.ts';
import type { LogFields, Logger } from '../../../../src/lib/logger.ts';
import { defineHandler, type RequestSource } from '../../../../src/server/handlers/define-handler.ts';
import { HANDLERS } from '../../../../src/server/handlers/index.ts';
import type { Caller } from '../../../../src/server/services/ports.ts';
import { REQUEST_SCHEMAS } from '../../../../src/protocol/event-schemas.ts';

interface Desk extends RequestSource {
  readonly pushes: Push[];
  readonly logged: string[];
}

const ada: Caller = { userId: 'ada', socketId: 's', caps: new Set() };

function desk(change: Partial<RequestSource> = {}): Desk {
  const pushes: Push[] = [];
  const logged: string[] = [];
  const write = (message: string, fields?: LogFields): void => void logged.push(message + JSON.stringify(fields));
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  const services = {} as RequestSource['services'];
  return {
    services,
    logger,
    caller: ada,
    charge: () => undefined,
    nextTurn: () => Promise.resolve(),
    refused: () => undefined,
    push: (push) => pushes.push(push),
    pushes,
    logged,
    ...change,
  };
}

const typing = (run: () => null | Promise<null>) => defineHandler('typing:start', run);
const valid = { conversationId: 'c' };

describe('acknowledgement callbacks', () => {
  test.each<[where: string, args: (ack: unknown) => unknown[]]>([
    ['after the payload', (ack) => [valid, ack]],
    ['behind other arguments', (ack) => [valid, 'more', 7, ack]],
    ['before other arguments', (ack) => [valid, ack, 'more']],
  ])('%s receives the reply', async (_, args) => {
    const replies: unknown[] = [];
    const source = desk();
    await typing(() => null).handle(
      source,
      args((reply: unknown) => replies.push(reply)),
    );
    expect(replies).toEqual([{ ok: true, data: null }]);
    expect(source.pushes).toEqual([]);
  });

  test('a callback in place of the payload receives the validation error', async () => {
    const replies: unknown[] = [];
    await typing(() => null).handle(desk(), [(reply: unknown) => replies.push(reply)]);
    expect(replies).toMatchObject([{ ok: false, error: { code: 'INVALID' } }]);
  });

  test('an argument that is not a function is ignored', async () => {
    const source = desk();
    await typing(() => Promise.reject(new CommError('NOT_FOUND', 'Not found'))).handle(source, [valid, { call: 1 }]);
    expect(source.pushes).toEqual([
      { event: 'error', data: { code: 'NOT_FOUND', message: 'Not found', event: 'typing:start' } },
    ]);
  });
});

test('an internal error is answered without details and logged without the request', async () => {
  const source = desk();
  const handler = typing(() => {
    throw new Error('near "hunter2": syntax error');
  });
  await handler.handle(source, [{ conversationId: 'the secret place' }]);
  expect(source.pushes).toMatchObject([{ data: { code: 'INTERNAL', message: 'Internal server error' } }]);
  expect(source.logged).toHaveLength(1);
  expect(source.logged[0]).toContain('typing:start');
  expect(JSON.stringify([source.pushes, source.logged])).not.toMatch(/hunter2|secret place/);
});

test('codes that only clients use are never returned', async () => {
  const source = desk();
  await typing(() => Promise.reject(new CommError('TIMEOUT', 'Slow'))).handle(source, [valid]);
  expect(source.pushes).toMatchObject([{ data: { code: 'INTERNAL' } }]);
});

test('a rejection contains retryAfterMs', async () => {
  const source = desk({
    charge: () => {
      throw new CommError('RATE_LIMITED', 'Too many', { retryAfterMs: 250 });
    },
  });
  await typing(() => null).handle(source, [valid]);
  expect(source.pushes).toMatchObject([{ data: { code: 'RATE_LIMITED', retryAfterMs: 250 } }]);
});

test('a request with a large answer waits for its turn, others are handled at once', async () => {
  const ran: string[] = [];
  let start = (): void => undefined;
  const source = desk({ nextTurn: () => new Promise((resolve) => (start = resolve)) });
  const run = (name: string) => () => {
    ran.push(name);
    return null;
  };
  const large = defineHandler('typing:start', run('large'), { hasLargeAnswer: true }).handle(source, [valid]);
  await typing(run('small')).handle(source, [valid]);
  expect(ran).toEqual(['small']);
  start();
  await large;
  expect(ran).toEqual(['small', 'large']);
});

test('a request waits until its connection is open, and is rejected with it', async () => {
  const ran: string[] = [];
  const handler = defineHandler('typing:start', ({ caller }) => {
    ran.push(caller.userId);
    return null;
  });
  await handler.handle(desk({ caller: Promise.resolve(ada) }), [valid]);
  const refused = desk({ caller: Promise.reject(new CommError('UNAUTHENTICATED', 'Not signed in')) });
  await handler.handle(refused, [valid]);
  expect(ran).toEqual(['ada']);
  expect(refused.pushes).toMatchObject([{ data: { code: 'UNAUTHENTICATED' } }]);
});

test('requests of an open connection start in the order in which they arrived', async () => {
  const started: string[] = [];
  const handler = defineHandler('typing:start', (_, { conversationId }) => {
    started.push(conversationId);
    return null;
  });
  const source = desk();
  await Promise.all(['a', 'b', 'c'].map((conversationId) => handler.handle(source, [{ conversationId }])));
  expect(started).toEqual(['a', 'b', 'c']);
});

test('every request of the protocol has a handler of its own name', () => {
  expect(Object.keys(HANDLERS).toSorted()).toEqual(Object.keys(REQUEST_SCHEMAS).toSorted());
  for (const [name, handler] of Object.entries(HANDLERS)) expect(handler.name).toBe(name);
});
