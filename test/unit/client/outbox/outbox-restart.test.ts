import { beforeEach, describe, expect, test } from 'vitest';
import { MAX_ITEMS } from '../../../../src/client/outbox/outbox.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { OutboxRig } from '../../../helpers/client/outbox-rig.ts';

let rig: OutboxRig;
beforeEach(() => {
  rig = new OutboxRig();
});

describe('a new session', () => {
  test('takes over the items of the last one, oldest first', async () => {
    const first = rig.start();
    void rig.add(first, 1);
    void rig.add(first, 2);
    await first.settled();
    first.close();
    rig.log.length = 0;
    const second = rig.start();
    void rig.add(second, 3);
    await rig.online(second);
    expect(rig.sent).toBe('1 2 3');
    expect(rig.log).toEqual(['queued 3', 'restored 1', 'restored 2']);
  });

  test('with another user takes over no items of the first', async () => {
    const first = rig.start();
    void rig.add(first, 1);
    await first.settled();
    first.close();
    rig.context.user = 'carol';
    const second = rig.start();
    await rig.online(second);
    expect(rig.sent).toBe('');
    expect(second.items()).toEqual([]);
  });

  test.each([
    ['nonsense', 'nonsense'],
    ['no operation', { clientId: 'x', lane: 'c' }],
    ['an operation that is none', { clientId: 'x', lane: 'c', owner: '', operation: '{', parked: false }],
  ])('survives %s in the storage', async (_title, value) => {
    await rig.storage.transact([], () => ({ writes: new Map([['alice/outbox/x', value]]), result: undefined }));
    const sender = rig.start();
    void rig.add(sender, 1);
    await rig.online(sender);
    expect(rig.sent).toBe('1');
  });
});

describe('a clock that was set back after the last session', () => {
  const LATER = 'ffff-7000-8000-000000000000';
  /** As a session has left it that ran an hour ahead. */
  async function leaveAhead(): Promise<void> {
    const before = rig.start();
    void rig.add(before, 1);
    await before.settled();
    before.close();
    const [entry] = await rig.storage.list('alice/outbox/');
    const [key, value] = entry ?? ['', {}];
    const hour = (Date.now() + 3_600_000).toString(16).padStart(12, '0').slice(0, 8);
    const ahead = { ...(value as object), order: `${hour}-${LATER}` };
    await rig.storage.transact([], () => ({ writes: new Map([[key, ahead]]), result: undefined }));
  }

  test('does not change the order, neither of items added at once nor of later ones', async () => {
    await leaveAhead();
    const second = rig.start();
    void rig.add(second, 2);
    await second.settled();
    void rig.add(second, 3);
    await second.settled();
    second.close();
    const third = rig.start();
    await rig.online(third);
    expect(rig.sent).toBe('1 2 3');
  });

  test('does not change the order if only the server confirms the user', async () => {
    await leaveAhead();
    await rig.storage.transact([], () => ({ writes: new Map([['last-user', undefined]]), result: undefined }));
    rig.context.user = undefined;
    const second = rig.start();
    void rig.add(second, 2);
    await second.settled();
    await second.identified('alice');
    await second.settled();
    second.close();
    rig.context.user = 'alice';
    const third = rig.start();
    await rig.online(third);
    expect(rig.sent).toBe('1 2');
  });

  test('does not change the order of a message that is replaced afterwards', async () => {
    await leaveAhead();
    await rig.storage.transact([], () => ({ writes: new Map([['last-user', undefined]]), result: undefined }));
    rig.context.user = undefined;
    const second = rig.start();
    void rig.add(second, 2);
    await second.settled();
    const [before] = second.items();
    if (before === undefined) throw new Error('The message is not in the outbox');
    await second.identified('alice');
    expect(await second.replace({ ...before, lane: 'c' })).toBe(true);
    await second.settled();
    second.close();
    rig.context.user = 'alice';
    const third = rig.start();
    await rig.online(third);
    expect(rig.sent).toBe('1 2');
  });
});

describe('closing', () => {
  test('rejects pending sends, which the next session sends', async () => {
    const first = rig.start();
    const sending = rig.add(first, 1);
    await first.settled();
    first.close();
    await expect(sending).rejects.toMatchObject({ code: 'DISCONNECTED' });
    expect(await rig.stored()).toEqual(['1']);
    await rig.online(rig.start());
    expect(rig.sent).toBe('1');
    expect(rig.log).not.toContain('failed 1 DISCONNECTED');
  });

  test('rejects sends that are not stored yet', async () => {
    const first = rig.start();
    const sending = rig.add(first, 1);
    first.close();
    await expect(sending).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('queues nothing and uses no storage afterwards', async () => {
    const first = rig.start();
    void rig.add(first, 1);
    await first.settled();
    first.close();
    const touched: string[] = [];
    const { storage } = rig;
    for (const name of ['get', 'list', 'transact'] as const) {
      Object.assign(storage, { [name]: () => Promise.reject(new Error(String(touched.push(name)))) });
    }
    await expect(rig.add(first, 2)).rejects.toMatchObject({ code: 'DISCONNECTED' });
    await expect(first.retry(rig.id(1))).rejects.toMatchObject({ code: 'DISCONNECTED' });
    await first.settled();
    expect(touched).toEqual([]);
    expect(rig.log).toEqual(['queued 1']);
  });

  test('is undone by the next connect()', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    await sender.settled();
    sender.close();
    sender.preload();
    void rig.add(sender, 2);
    await rig.online(sender);
    expect(rig.sent).toBe('1 2');
  });
});

test('the number of items is limited, and a finished one makes room', async () => {
  const sender = rig.start();
  const add = (n: number): Promise<unknown> => {
    const clientId = `${n}`;
    const payload = { conversationId: 'c', content: clientId, type: 'text' as const, clientId };
    return sender.add({ clientId, lane: 'c', operation: { name: 'message:send', payload } });
  };
  for (let n = 0; n < MAX_ITEMS / 2; n += 1) add(n).catch(() => undefined);
  await sender.settled();
  for (let n = MAX_ITEMS / 2; n < MAX_ITEMS; n += 1) add(n).catch(() => undefined);
  await expect(add(MAX_ITEMS)).rejects.toMatchObject({ code: 'OUTBOX_FULL', retryable: true });
  expect(sender.items()).toHaveLength(MAX_ITEMS);
  expect(rig.log).toHaveLength(MAX_ITEMS);
  // What waits already may be asked for again.
  const again = add(0);
  await rig.online(sender);
  await rig.answer(0, 'fine');
  expect(await again).toBe('fine');
  add(MAX_ITEMS).catch(() => undefined);
  expect(sender.items()).toHaveLength(MAX_ITEMS);
});

describe('with a base server', () => {
  beforeEach(() => rig.context.caps.clear());

  test('messages are sent one at a time', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    void rig.add(sender, 2);
    await rig.online(sender);
    expect(rig.sent).toBe('1');
    await rig.answer(0);
    expect(rig.sent).toBe('1 2');
  });

  test('the history is searched before a second attempt, and a message that is found is not sent again', async () => {
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    await rig.online(sender);
    expect(rig.searches).toBe(0);
    sender.offline();
    rig.found = deferred();
    rig.found.resolve({ id: '7' });
    sender.online();
    expect(await sending).toEqual({ id: '7' });
    expect(rig.sent).toBe('1');
  });

  test('the history is searched before an item of an earlier session is sent', async () => {
    const first = rig.start();
    void rig.add(first, 1);
    await first.settled();
    first.close();
    const second = rig.start();
    await rig.online(second);
    expect(rig.searches).toBe(1);
    expect(rig.sent).toBe('1');
  });

  test('a connection that is lost during the search does not send the message twice', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    await rig.online(sender);
    sender.offline();
    const slow = (rig.found = deferred<unknown>());
    sender.online();
    await settle();
    sender.offline();
    rig.found = undefined;
    sender.online();
    await settle();
    expect(rig.sent).toBe('1 1');
    slow.resolve(undefined);
    await settle();
    expect(rig.sent).toBe('1 1');
  });

  test('the third timeout is a permanent error', async () => {
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    await rig.online(sender);
    for (let at = 0; at < 3; at += 1) {
      await rig.refuse(at, 'TIMEOUT');
      rig.context.clock.advance(30_000);
      await settle();
    }
    await expect(sending).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(rig.sent).toBe('1 1 1');
  });
});
