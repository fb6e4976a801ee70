import { beforeEach, describe, expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { SenderRig } from '../../../helpers/client/sender.ts';

let rig: SenderRig;
beforeEach(() => {
  rig = new SenderRig();
});

describe('a new start', () => {
  test('takes up what the last one left, first what is older', async () => {
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

  test('with another user takes up nothing of the first', async () => {
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

describe('with a base server', () => {
  beforeEach(() => rig.context.caps.clear());

  test('one message goes at a time', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    void rig.add(sender, 2);
    await rig.online(sender);
    expect(rig.sent).toBe('1');
    await rig.answer(0);
    expect(rig.sent).toBe('1 2');
  });

  test('before a second attempt the history is asked; what is rig.found there is not sent again', async () => {
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

  test('an earlier session may have sent it: the history is asked first', async () => {
    const first = rig.start();
    void rig.add(first, 1);
    await first.settled();
    first.close();
    const second = rig.start();
    await rig.online(second);
    expect(rig.searches).toBe(1);
    expect(rig.sent).toBe('1');
  });

  test('a line that is lost while the history is asked does not send it twice', async () => {
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

  test('the third silence is taken for a refusal', async () => {
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
