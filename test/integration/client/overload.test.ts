import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { memoryStorage, type CommStorage } from '../../../src/index.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { chat, direct, group, startWorld } from '../../helpers/client/world.ts';
import { eventually } from '../../helpers/eventually.ts';

/** What the client waits for of its own accord takes a hundredth of the time. */
const quickClock = patientClock({ speed: 100 });

/** A database that stores nothing while it is ill. */
function illDatabase() {
  const real = new DatabaseSync(':memory:');
  const state = { isIll: false, refused: 0 };
  const check = (sql: string): void => {
    if (!state.isIll || !/^\s*(insert|update)/i.test(sql)) return;
    state.refused += 1;
    throw new Error('Something is wrong with this disk');
  };
  const db = {
    exec: (sql: string) => real.exec(sql),
    prepare(sql: string) {
      const statement = real.prepare(sql);
      return {
        all(...values: never[]) {
          check(sql);
          return statement.all(...values);
        },
        run(...values: never[]) {
          check(sql);
          return statement.run(...values);
        },
      };
    },
  };
  return { db, state };
}

test('a server that cannot store anything for a long time loses no message, and their order is kept', async () => {
  const { db, state } = illDatabase();
  const { join } = await startWorld({ db });
  const bob = await join('bob');
  const alice = await join('alice', { clock: quickClock, requestTimeoutMs: 1_000_000 });
  const conversationId = await direct(alice, bob);
  const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'typo' });
  state.isIll = true;
  const waiting = [
    alice.client.messages.edit({ conversationId, messageId, content: 'fixed' }),
    ...['1', '2'].map((content) => alice.client.messages.send({ conversationId, content })),
  ];
  await eventually(() => expect(state.refused).toBeGreaterThan(12));
  state.isIll = false;
  await Promise.all(waiting);
  await bob.next('message:new', ({ content }) => content === '2');
  const { messages } = await bob.client.messages.list({ conversationId });
  expect(messages.map(({ content }) => content)).toEqual(['fixed', '1', '2']);
  expect(alice.all('message:failed')).toEqual([]);
});

test('a queue that exceeds the capacity of the server is not sent repeatedly', async () => {
  const { joinAll } = await startWorld({ limits: { requests: { burst: 100, perSecond: 500 } } });
  const { alice, bob } = await joinAll('alice', 'bob');
  const ids: string[] = [];
  for (let n = 0; n < 10; n += 1) ids.push(await group(alice, bob));
  alice.port.unplug();
  const numbers = Array.from({ length: 60 }, (_, n) => String(n));
  const sends = ids.flatMap((conversationId) =>
    numbers.map((content) => alice.client.messages.send({ conversationId, content })),
  );
  alice.port.sent.length = 0;
  alice.port.plug();
  await Promise.all(sends);
  for (const conversationId of ids) {
    const { messages } = await bob.client.messages.list({ conversationId, limit: 200 });
    expect(messages.map(({ content }) => content)).toEqual(numbers);
  }
  const sent = alice.port.sent.filter((name) => name === 'message:send').length;
  expect(sent).toBeLessThan(3 * sends.length);
});

test('a rate limit rejects few sends of a long queue', async () => {
  const { joinAll } = await startWorld({ config: { rateLimit: { maxMessages: 5, windowSeconds: 0.2 } } });
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const numbers = Array.from({ length: 60 }, (_, n) => String(n));
  alice.port.sent.length = 0;
  await Promise.all(numbers.map((content) => alice.client.messages.send({ conversationId, content })));
  const { messages } = await bob.client.messages.list({ conversationId, limit: 200 });
  expect(messages.map(({ content }) => content)).toEqual(numbers);
  const sent = alice.port.sent.filter((name) => name === 'message:send').length;
  expect(sent).toBeLessThan(4 * numbers.length);
});

test('a storage that hangs is reported once and does not block sending', async () => {
  const { app, bob, conversationId } = await chat();
  const never = (): Promise<never> => new Promise(() => undefined);
  const storage: CommStorage = { get: never, list: never, transact: never, close: never };
  const phone = app('alice', { storage, clock: quickClock, requestTimeoutMs: 1_000_000 });
  const sending = phone.client.messages.send({ conversationId, content: 'all the same' });
  await phone.client.connect();
  await sending;
  expect(await bob.next('message:new')).toMatchObject({ content: 'all the same' });
  expect(phone.errors.map(({ code }) => code)).toEqual(['STORAGE']);
});

test('pending sends reject when the client is disposed of, and are sent in the next session', async () => {
  const { app, bob, conversationId } = await chat();
  const storage = memoryStorage();
  const first = app('alice', { storage });
  await first.client.connect();
  first.port.unplug();
  const waiting = first.client.messages.send({ conversationId, content: 'kept' });
  const editing = first.client.messages.react({ conversationId, messageId: '1', emoji: '👍' });
  const outcomes = Promise.allSettled([waiting, editing]);
  await first[Symbol.asyncDispose]();
  expect(await outcomes).toMatchObject([{ reason: { code: 'DISCONNECTED' } }, { reason: { code: 'DISCONNECTED' } }]);
  const before = await storage.list('');
  const late = first.client.messages.send({ conversationId, content: 'too late' });
  await expect(late).rejects.toMatchObject({ code: 'DISCONNECTED' });
  expect(await storage.list('')).toEqual(before);
  const second = app('alice', { storage });
  await second.client.connect();
  expect(await bob.next('message:new')).toMatchObject({ content: 'kept' });
});
