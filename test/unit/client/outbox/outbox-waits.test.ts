import { beforeEach, describe, expect, test } from 'vitest';
import { CommError, type ErrorCode } from '../../../../src/protocol/errors.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { OutboxRig } from '../../../helpers/client/outbox-rig.ts';

let rig: OutboxRig;
beforeEach(() => {
  rig = new OutboxRig();
});

describe('temporary errors', () => {
  test('the time that the server asks for is waited exactly', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    void rig.add(sender, 2);
    await rig.online(sender);
    await rig.refuse(0, 'RATE_LIMITED', 1_234);
    await rig.refuse(1, 'CONFLICT');
    rig.context.clock.advance(1_233);
    await settle();
    expect(rig.sent).toBe('1 2');
    rig.context.clock.advance(1);
    await settle();
    expect(rig.sent).toBe('1 2 1');
    await rig.answer(2);
    expect(rig.sent).toBe('1 2 1 2');
  });

  test('a server that always asks for a millisecond is retried with growing waits', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    await rig.online(sender);
    for (let round = 0; round < 40; round += 1) {
      await rig.refuse(rig.context.asked.length - 1, 'RATE_LIMITED', 1);
      rig.context.clock.advance(60_000);
      await settle();
    }
    expect(rig.context.asked).toHaveLength(41);
  });

  test('RATE_LIMITED pauses all conversations', async () => {
    const sender = rig.start();
    void rig.edit(sender, 1, 'one');
    await rig.online(sender);
    await rig.refuse(0, 'RATE_LIMITED', 1_000);
    void rig.edit(sender, 2, 'two');
    void rig.edit(sender, 3, 'three');
    await settle();
    expect(rig.context.asked).toHaveLength(1);
    expect(rig.context.clock.pending).toBe(1);
    rig.context.clock.advance(1_000);
    await settle();
    expect(rig.context.asked).toHaveLength(2);
    await rig.answer(1);
    expect(rig.context.asked).toHaveLength(4);
  });

  test.each<ErrorCode>(['UNAVAILABLE', 'TIMEOUT', 'INTERNAL', 'TOKEN_EXPIRED'])(
    '%s is tried again after a while',
    async (code) => {
      const sender = rig.start();
      const sending = rig.add(sender, 1);
      await rig.online(sender);
      await rig.refuse(0, code);
      expect(rig.sent).toBe('1');
      rig.context.clock.advance(30_000);
      await settle();
      expect(rig.sent).toBe('1 1');
      await rig.answer(1, 'fine');
      expect(await sending).toBe('fine');
    },
  );

  test('a server that always responds with INTERNAL causes no permanent error', async () => {
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    const editing = rig.edit(sender, 2, 'other lane');
    await rig.online(sender);
    for (let round = 0; round < 50; round += 1) {
      for (const asked of rig.context.asked.slice(-2)) asked.answer.reject(new CommError('INTERNAL', 'no'));
      await settle();
      rig.context.clock.advance(30_000);
      await settle();
    }
    expect(rig.context.asked).toHaveLength(102);
    await rig.answer(100, 'fine');
    await rig.answer(101, 'fine');
    expect(await Promise.all([sending, editing])).toEqual(['fine', 'fine']);
    expect(rig.log).not.toContainEqual(expect.stringMatching('failed'));
  });

  test('the eighth INTERNAL while other items are stored is permanent, and other errors do not count', async () => {
    const sender = rig.start();
    const sending = rig.add(sender, 1);
    await rig.online(sender);
    const codes: ErrorCode[] = [
      ...Array.from({ length: 20 }, () => 'UNAVAILABLE' as const),
      ...Array.from({ length: 7 }, () => 'INTERNAL' as const),
    ];
    for (const code of codes) {
      await rig.refuse(rig.context.asked.length - 1, code);
      await rig.store(sender, 'other lane');
      rig.context.clock.advance(30_000);
      await settle();
    }
    expect(rig.log).not.toContainEqual(expect.stringMatching('failed'));
    await rig.refuse(rig.context.asked.length - 1, 'INTERNAL');
    await expect(sending).rejects.toMatchObject({ code: 'INTERNAL' });
    expect(rig.log).toContain('failed 1 INTERNAL');
  });

  test('an edit of an earlier session that fails permanently is reported as an error', async () => {
    const before = rig.start();
    void rig.edit(before, 1);
    await before.settled();
    before.close();
    const sender = rig.start();
    await rig.online(sender);
    for (let round = 0; round < 8; round += 1) {
      await rig.refuse(rig.context.asked.length - 1, 'INTERNAL');
      await rig.store(sender, 'other lane');
      rig.context.clock.advance(30_000);
      await settle();
    }
    expect(rig.context.reported).toMatchObject([{ code: 'INTERNAL' }]);
  });

  test('a lost connection ends the waits of the client, and all items are sent on the next one', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    await rig.online(sender);
    await rig.refuse(0, 'UNAVAILABLE');
    sender.offline();
    expect(rig.context.clock.pending).toBe(0);
    sender.online();
    await settle();
    expect(rig.sent).toBe('1 1');
  });

  test.each<ErrorCode>(['RATE_LIMITED', 'UNAVAILABLE'])(
    'the wait that came with %s goes on over a lost line, without a timer while there is none',
    async (code) => {
      const sender = rig.start();
      void rig.add(sender, 1);
      await rig.online(sender);
      await rig.refuse(0, code, 60_000);
      sender.offline();
      expect(rig.context.clock.pending).toBe(0);
      rig.context.clock.advance(20_000);
      sender.online();
      await settle();
      rig.context.clock.advance(39_999);
      await settle();
      expect(rig.sent).toBe('1');
      rig.context.clock.advance(1);
      await settle();
      expect(rig.sent).toBe('1 1');
    },
  );

  test('a clock that is set back does not extend the wait that the server asked for', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    await rig.online(sender);
    await rig.refuse(0, 'RATE_LIMITED', 5_000);
    sender.offline();
    rig.context.clock.advance(-3_600_000);
    sender.online();
    rig.context.clock.advance(5_000);
    await settle();
    expect(rig.sent).toBe('1 1');
  });

  test('responses of a lost connection are ignored', async () => {
    const sender = rig.start();
    void rig.add(sender, 1);
    await rig.online(sender);
    sender.offline();
    await rig.refuse(0, 'FORBIDDEN');
    expect(rig.log).toEqual(['queued 1']);
    sender.online();
    await settle();
    expect(rig.sent).toBe('1 1');
  });
});
