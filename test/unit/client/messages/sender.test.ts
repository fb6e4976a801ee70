import { beforeEach, describe, expect, test } from 'vitest';
import type { OutboxItem } from '../../../../src/client/messages/outbox.ts';
import { Sender } from '../../../../src/client/messages/sender.ts';
import { memoryStorage, type CommStorage } from '../../../../src/index.ts';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import { CommError, type ErrorCode } from '../../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';

let context: FakeContext;
let storage: CommStorage;
let log: string[];
/** What a base server's history shows of a message that may have been stored. */
let found: Deferred<unknown> | undefined;
let searches: number;

beforeEach(() => {
  context = fakeContext();
  storage = memoryStorage();
  log = [];
  found = undefined;
  searches = 0;
});

function start(): Sender {
  const short = ({ clientId }: OutboxItem): string => clientId.slice(-1);
  return new Sender(context, storage, {
    queued: (item, isNew) => log.push(`${isNew ? 'queued' : 'restored'} ${short(item)}`),
    stored: (item) => log.push(`stored ${short(item)}`),
    failed: (item, error) => log.push(`failed ${short(item)} ${error?.code ?? ''}`),
    retried: (item) => log.push(`retried ${short(item)}`),
    discarded: (item) => log.push(`discarded ${short(item)}`),
    findStored: () => {
      searches += 1;
      return found?.promise ?? Promise.resolve(undefined);
    },
  });
}
const id = (n: number): string => `0197a000-0000-7000-8000-00000000000${n}`;
function add(sender: Sender, n: number): Promise<unknown> {
  const payload = { conversationId: 'c', content: `${n}`, type: 'text' as const, clientId: id(n) };
  const sending = sender.add({ clientId: id(n), lane: 'c', operation: { name: 'message:send', payload } });
  sending.catch(() => undefined);
  return sending;
}
const sent = (): string => context.asked.map(({ payload }) => (payload as { content: string }).content).join(' ');
function answer(at: number, data: unknown = {}): Promise<void> {
  context.asked[at]?.answer.resolve(data);
  return settle();
}
function refuse(at: number, code: ErrorCode, retryAfterMs?: number): Promise<void> {
  context.asked[at]?.answer.reject(new CommError(code, 'no', { retryAfterMs }));
  return settle();
}
const stored = async (): Promise<string[]> => (await storage.list('alice/outbox/')).map(([key]) => key.slice(-1));

async function online(sender: Sender): Promise<void> {
  await sender.identified(context.user ?? '');
  await sender.settled();
  sender.online();
  await settle();
}

describe('sending', () => {
  test('an item is stored before it leaves, and forgotten when the server has it', async () => {
    const gate = deferred<undefined>();
    const inner = storage;
    storage = {
      ...inner,
      get: (key) => inner.get(key),
      list: (prefix) => inner.list(prefix),
      transact: async (keys, step) => {
        await gate.promise;
        return inner.transact(keys, step);
      },
    };
    const sender = start();
    const sending = add(sender, 1);
    sender.online();
    await settle();
    expect(sent()).toBe('');
    expect(sender.items().map(({ clientId }) => clientId)).toEqual([id(1)]);
    gate.resolve(undefined);
    await sender.settled();
    await settle();
    expect(sent()).toBe('1');
    expect(await stored()).toEqual(['1']);
    await answer(0, { id: '7' });
    expect(await sending).toEqual({ id: '7' });
    await sender.settled();
    expect(await stored()).toEqual([]);
    expect(log).toEqual(['queued 1', 'stored 1']);
  });

  test('a storage that fails does not keep a message from being sent', async () => {
    storage = {
      ...memoryStorage(),
      get: () => Promise.reject(new Error('x')),
      list: () => Promise.reject(new Error('x')),
      transact: () => Promise.reject(new Error('x')),
    };
    const sender = start();
    const sending = add(sender, 1);
    await online(sender);
    expect(sent()).toBe('1');
    await answer(0, 'fine');
    expect(await sending).toBe('fine');
    expect(context.reported.length).toBeGreaterThan(0);
  });

  test('a push confirms what its acknowledgement did not, once', async () => {
    const sender = start();
    const sending = add(sender, 1);
    await online(sender);
    sender.confirm(id(1), { id: '7' });
    expect(await sending).toEqual({ id: '7' });
    await answer(0, { id: '7' });
    expect(log).toEqual(['queued 1', 'stored 1']);
    sender.confirm('unknown', {});
  });

  test('the same item twice is one item', async () => {
    const sender = start();
    const both = [add(sender, 1), add(sender, 1)];
    await online(sender);
    expect(sent()).toBe('1');
    await answer(0, 'fine');
    expect(await Promise.all(both)).toEqual(['fine', 'fine']);
  });

  test('a message that came too early goes again at once', async () => {
    const sender = start();
    void add(sender, 1);
    void add(sender, 2);
    await online(sender);
    await refuse(1, 'CONFLICT');
    expect(sent()).toBe('1 2 2');
    expect(context.asked[2]?.payload).toMatchObject({ afterClientId: id(1) });
    expect(context.clock.pending).toBe(0);
  });

  test('a conflict that no predecessor explains is a refusal', async () => {
    const sender = start();
    const sending = add(sender, 1);
    await online(sender);
    await refuse(0, 'CONFLICT');
    await expect(sending).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('not now', () => {
  test('the server’s own wait is kept to the millisecond', async () => {
    const sender = start();
    void add(sender, 1);
    void add(sender, 2);
    await online(sender);
    await refuse(0, 'RATE_LIMITED', 1_234);
    await refuse(1, 'CONFLICT');
    context.clock.advance(1_233);
    await settle();
    expect(sent()).toBe('1 2');
    context.clock.advance(1);
    await settle();
    expect(sent()).toBe('1 2 1 2');
  });

  test.each<ErrorCode>(['UNAVAILABLE', 'TIMEOUT', 'INTERNAL', 'TOKEN_EXPIRED'])(
    '%s is tried again after a while',
    async (code) => {
      const sender = start();
      const sending = add(sender, 1);
      await online(sender);
      await refuse(0, code);
      expect(sent()).toBe('1');
      context.clock.advance(30_000);
      await settle();
      expect(sent()).toBe('1 1');
      await answer(1, 'fine');
      expect(await sending).toBe('fine');
    },
  );

  test('the eighth INTERNAL is the last, and other trouble does not count', async () => {
    const sender = start();
    const sending = add(sender, 1);
    await online(sender);
    const codes: ErrorCode[] = [
      ...Array.from({ length: 20 }, () => 'RATE_LIMITED' as const),
      ...Array.from({ length: 7 }, () => 'INTERNAL' as const),
    ];
    for (const code of codes) {
      await refuse(context.asked.length - 1, code);
      context.clock.advance(30_000);
      await settle();
    }
    expect(context.asked).toHaveLength(28);
    await refuse(27, 'INTERNAL');
    await expect(sending).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(log).toEqual(['queued 1', 'failed 1 INTERNAL']);
  });

  test('a lost line ends the wait, and everything goes again with the next one', async () => {
    const sender = start();
    void add(sender, 1);
    await online(sender);
    await refuse(0, 'RATE_LIMITED', 60_000);
    sender.offline();
    expect(context.clock.pending).toBe(0);
    sender.online();
    await settle();
    expect(sent()).toBe('1 1');
  });

  test('what is answered on a line that is lost counts for nothing', async () => {
    const sender = start();
    void add(sender, 1);
    await online(sender);
    sender.offline();
    await refuse(0, 'FORBIDDEN');
    expect(log).toEqual(['queued 1']);
    sender.online();
    await settle();
    expect(sent()).toBe('1 1');
  });
});

describe('never', () => {
  test('a refused message stays, stored as such, and is sent again by retry()', async () => {
    const sender = start();
    const sending = add(sender, 1);
    await online(sender);
    await refuse(0, 'FORBIDDEN');
    await expect(sending).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(sender.items()).toMatchObject([{ parked: true }]);
    await sender.settled();
    expect(await storage.list('alice/outbox/')).toMatchObject([[expect.anything(), { parked: true }]]);
    const again = sender.retry(id(1));
    await settle();
    expect(sent()).toBe('1 1');
    await answer(1, 'fine');
    expect(await again).toBe('fine');
    expect(log).toEqual(['queued 1', 'failed 1 FORBIDDEN', 'retried 1', 'stored 1']);
  });

  test('adding a refused message again is retrying it', async () => {
    const sender = start();
    void add(sender, 1);
    await online(sender);
    await refuse(0, 'FORBIDDEN');
    const again = add(sender, 1);
    await settle();
    await answer(1, 'fine');
    expect(await again).toBe('fine');
  });

  test('what is no message is over, and reported where nobody waits for it', async () => {
    const first = start();
    const payload = { conversationId: 'c', messageId: '1', content: 'x' };
    const editing = first.add({ clientId: id(1), lane: 'c', operation: { name: 'message:edit', payload } });
    await online(first);
    await refuse(0, 'FORBIDDEN');
    await expect(editing).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(first.items()).toEqual([]);
    expect(context.reported).toEqual([]);
  });

  test('what is discarded is gone from the storage, before it left and after it was refused', async () => {
    const sender = start();
    const sending = add(sender, 1);
    sender.discard(id(1));
    await expect(sending).rejects.toMatchObject({ code: 'NOT_FOUND' });
    void add(sender, 2);
    await online(sender);
    expect(sent()).toBe('2');
    await refuse(0, 'FORBIDDEN');
    sender.discard(id(2));
    await sender.settled();
    expect(await stored()).toEqual([]);
    expect(sender.items()).toEqual([]);
    expect(log).toEqual(['queued 1', 'discarded 1', 'queued 2', 'failed 2 FORBIDDEN', 'discarded 2']);
  });
});

describe('a new start', () => {
  test('takes up what the last one left, first what is older', async () => {
    const first = start();
    void add(first, 1);
    void add(first, 2);
    await first.settled();
    first.close();
    log.length = 0;
    const second = start();
    void add(second, 3);
    await online(second);
    expect(sent()).toBe('1 2 3');
    expect(log).toEqual(['queued 3', 'restored 1', 'restored 2']);
  });

  test('with another user takes up nothing of the first', async () => {
    const first = start();
    void add(first, 1);
    await first.settled();
    first.close();
    context.user = 'carol';
    const second = start();
    await online(second);
    expect(sent()).toBe('');
    expect(second.items()).toEqual([]);
  });

  test.each([
    ['nonsense', 'nonsense'],
    ['no operation', { clientId: 'x', lane: 'c' }],
    ['an operation that is none', { clientId: 'x', lane: 'c', owner: '', operation: '{', parked: false }],
  ])('survives %s in the storage', async (_title, value) => {
    await storage.transact([], () => ({ writes: new Map([['alice/outbox/x', value]]), result: undefined }));
    const sender = start();
    void add(sender, 1);
    await online(sender);
    expect(sent()).toBe('1');
  });
});

describe('with a base server', () => {
  beforeEach(() => context.caps.clear());

  test('one message goes at a time', async () => {
    const sender = start();
    void add(sender, 1);
    void add(sender, 2);
    await online(sender);
    expect(sent()).toBe('1');
    await answer(0);
    expect(sent()).toBe('1 2');
  });

  test('before a second attempt the history is asked; what is found there is not sent again', async () => {
    const sender = start();
    const sending = add(sender, 1);
    await online(sender);
    expect(searches).toBe(0);
    sender.offline();
    found = deferred();
    found.resolve({ id: '7' });
    sender.online();
    expect(await sending).toEqual({ id: '7' });
    expect(sent()).toBe('1');
  });

  test('an earlier session may have sent it: the history is asked first', async () => {
    const first = start();
    void add(first, 1);
    await first.settled();
    first.close();
    const second = start();
    await online(second);
    expect(searches).toBe(1);
    expect(sent()).toBe('1');
  });

  test('a line that is lost while the history is asked does not send it twice', async () => {
    const sender = start();
    void add(sender, 1);
    await online(sender);
    sender.offline();
    const slow = (found = deferred<unknown>());
    sender.online();
    await settle();
    sender.offline();
    found = undefined;
    sender.online();
    await settle();
    expect(sent()).toBe('1 1');
    slow.resolve(undefined);
    await settle();
    expect(sent()).toBe('1 1');
  });

  test('the third silence is taken for a refusal', async () => {
    const sender = start();
    const sending = add(sender, 1);
    await online(sender);
    for (let at = 0; at < 3; at += 1) {
      await refuse(at, 'TIMEOUT');
      context.clock.advance(30_000);
      await settle();
    }
    await expect(sending).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(sent()).toBe('1 1 1');
  });
});
