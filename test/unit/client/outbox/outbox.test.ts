import { beforeEach, describe, expect, test } from 'vitest';
import { memoryStorage } from '../../../../src/index.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { OutboxRig } from '../../../helpers/client/outbox-rig.ts';

let rig: OutboxRig;
beforeEach(() => {
  rig = new OutboxRig();
});

describe('sending', () => {
  test('an item is stored before it is sent, and deleted once the server has stored it', async () => {
    const gate = deferred<undefined>();
    const inner = rig.storage;
    rig.storage = {
      ...inner,
      get: (key) => inner.get(key),
      list: (prefix) => inner.list(prefix),
      transact: async (keys, step) => {
        await gate.promise;
        return inner.transact(keys, step);
      },
    };
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    sender.online();
    await settle();
    expect(rig.sent).toBe('');
    expect(sender.items().map(({ clientId }) => clientId)).toEqual([rig.id(1)]);
    gate.resolve(undefined);
    await sender.settled();
    await settle();
    expect(rig.sent).toBe('1');
    expect(await rig.stored()).toEqual(['1']);
    await rig.answer(0, { id: '7' });
    expect(await sending).toEqual({ id: '7' });
    await sender.settled();
    expect(await rig.stored()).toEqual([]);
    expect(rig.log).toEqual(['queued 1', 'stored 1']);
  });

  test('a storage error does not keep a message from being sent', async () => {
    rig.storage = {
      ...memoryStorage(),
      get: () => Promise.reject(new Error('x')),
      list: () => Promise.reject(new Error('x')),
      transact: () => Promise.reject(new Error('x')),
    };
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    await rig.online(sender);
    expect(rig.sent).toBe('1');
    await rig.answer(0, 'fine');
    expect(await sending).toBe('fine');
    expect(rig.context.reported.length).toBeGreaterThan(0);
  });

  test('a push confirms a message whose acknowledgement was lost, once', async () => {
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    await rig.online(sender);
    sender.confirm(rig.id(1), { id: '7' });
    expect(await sending).toEqual({ id: '7' });
    await rig.answer(0, { id: '7' });
    expect(rig.log).toEqual(['queued 1', 'stored 1']);
    sender.confirm('unknown', {});
  });

  test('adding the same item twice sends it once', async () => {
    const sender = rig.start();
    const both = [rig.add(sender, 1), rig.add(sender, 1)];
    await rig.online(sender);
    expect(rig.sent).toBe('1');
    await rig.answer(0, 'fine');
    expect(await Promise.all(both)).toEqual(['fine', 'fine']);
  });

  test('a message that overtook its predecessor is sent again once that one is stored', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    void rig.add(sender, 2);
    await rig.online(sender);
    await rig.refuse(1, 'CONFLICT');
    expect(rig.sent).toBe('1 2');
    await rig.answer(0);
    expect(rig.sent).toBe('1 2 2');
    expect(rig.context.asked[2]?.payload).not.toHaveProperty('afterClientId');
    expect(rig.context.clock.pending).toBe(0);
  });

  test('a conflict of a message without a predecessor is a permanent error', async () => {
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    await rig.online(sender);
    await rig.refuse(0, 'CONFLICT');
    await expect(sending).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

describe('permanent errors', () => {
  test('a rejected message stays stored as failed, and retry() sends it again', async () => {
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    await rig.online(sender);
    await rig.refuse(0, 'FORBIDDEN');
    await expect(sending).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(sender.items()).toMatchObject([{ parked: true }]);
    await sender.settled();
    expect(await rig.storage.list('alice/outbox/')).toMatchObject([[expect.anything(), { parked: true }]]);
    const again = sender.retry(rig.id(1));
    await settle();
    expect(rig.sent).toBe('1 1');
    await rig.answer(1, 'fine');
    expect(await again).toBe('fine');
    expect(rig.log).toEqual(['queued 1', 'failed 1 FORBIDDEN', 'retried 1', 'stored 1']);
  });

  test('adding a rejected message again retries it', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    await rig.online(sender);
    await rig.refuse(0, 'FORBIDDEN');
    const again = rig.add(sender, 1);
    await settle();
    await rig.answer(1, 'fine');
    expect(await again).toBe('fine');
  });

  test('a rejected edit leaves the outbox and rejects its promise without an error event', async () => {
    const first = rig.start();
    const payload = { conversationId: 'c', messageId: '1', content: 'x' };
    const editing = first.add({ clientId: rig.id(1), lane: 'c', operation: { name: 'message:edit', payload } });
    await rig.online(first);
    await rig.refuse(0, 'FORBIDDEN');
    await expect(editing).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(first.items()).toEqual([]);
    expect(rig.context.reported).toEqual([]);
  });

  test('a discarded message is deleted from the storage, before it was sent and after it was rejected', async () => {
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    sender.discard(rig.id(1));
    await expect(sending).rejects.toMatchObject({ code: 'CANCELLED' });
    void rig.add(sender, 2);
    await rig.online(sender);
    expect(rig.sent).toBe('2');
    await rig.refuse(0, 'FORBIDDEN');
    sender.discard(rig.id(2));
    await sender.settled();
    expect(await rig.stored()).toEqual([]);
    expect(sender.items()).toEqual([]);
    expect(rig.log).toEqual(['queued 1', 'discarded 1', 'queued 2', 'failed 2 FORBIDDEN', 'discarded 2']);
  });
});
