import { beforeEach, describe, expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import { VERSION } from '../../../src/lib/version.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import { PLAIN_CAPABILITIES } from '../../../src/protocol/vocabulary.ts';
import { settle } from '../../helpers/client/fake-socket.ts';
import { BACKOFF_MS, LifecycleRig } from '../../helpers/client/lifecycle.ts';

let rig: LifecycleRig;
beforeEach(() => {
  rig = new LifecycleRig();
});

describe('connecting', () => {
  test('nothing happens before connect()', () => {
    const lifecycle = rig.start();
    expect({ status: lifecycle.status, attempts: rig.socket.attempts, pending: rig.clock.pending }).toEqual({
      status: 'idle',
      attempts: [],
      pending: 0,
    });
  });

  test('open, hello, catch up, connected', async () => {
    const lifecycle = rig.start({ userId: 'alice' });
    const connecting = lifecycle.connect(undefined);
    await settle();
    expect(rig.socket.attempts).toEqual([
      { auth: { caps: PLAIN_CAPABILITIES, clientVersion: VERSION }, query: { userId: 'alice' } },
    ]);
    rig.socket.open();
    rig.socket.hello();
    await connecting;
    expect(rig.log).toEqual(['connecting', 'hello', 'catch up', 'connected']);
    expect(rig.clock.pending).toBe(0);
  });

  test('a token goes into the auth payload, and then no user id into the query', async () => {
    await rig.connected({ token: () => 'secret', userId: 'alice' });
    expect(rig.socket.attempts).toMatchObject([{ auth: { token: 'secret' }, query: {} }]);
  });

  test('a server that says no hello within a second is a base server', async () => {
    const lifecycle = rig.start();
    const connecting = lifecycle.connect(undefined);
    await settle();
    rig.socket.open();
    rig.clock.advance(999);
    expect(rig.log).toEqual(['connecting']);
    rig.clock.advance(1);
    await connecting;
    expect(rig.log).toEqual(['connecting', 'no hello', 'catch up', 'connected']);
  });

  test.each(['while catching up', 'after that'])(
    'a hello that comes late, %s, makes it our server after all',
    async (when) => {
      const lifecycle = rig.start();
      if (when === 'while catching up') rig.catchingUp = deferred();
      const connecting = lifecycle.connect(undefined);
      await settle();
      rig.socket.open();
      rig.clock.advance(1_000);
      await settle();
      const stale = rig.catchingUp;
      rig.catchingUp = undefined;
      rig.socket.hello();
      await connecting;
      stale?.reject(new CommError('DISCONNECTED', 'what was begun as with a base server'));
      await settle();
      expect(rig.log.slice(rig.log.indexOf('line lost'))).toEqual([
        'line lost',
        'hello',
        ...(when === 'after that' ? ['catch up', 'reconnecting', 'connected'] : ['catch up', 'connected']),
      ]);
      expect(lifecycle.status).toBe('connected');
      expect(rig.reported).toEqual([]);
    },
  );

  test('a second hello changes nothing', async () => {
    await rig.connected();
    rig.socket.hello();
    expect(rig.log).toEqual([]);
  });

  test('connecting twice is connecting once', async () => {
    const lifecycle = rig.start();
    const both = Promise.all([lifecycle.connect(undefined), lifecycle.connect(undefined)]);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await both;
    await lifecycle.connect(undefined);
    expect(rig.socket.attempts).toHaveLength(1);
  });

  test('an abort rejects the waiting with the reason of the signal, and no attempt is made for an aborted one', async () => {
    const lifecycle = rig.start();
    const controller = new AbortController();
    const reason = { why: 'enough' };
    const connecting = lifecycle.connect(controller.signal);
    controller.abort(reason);
    await expect(connecting).rejects.toBe(reason);
    const other = rig.start();
    await expect(other.connect(AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(other.status).toBe('idle');
  });

  test('what a transport throws because of wrong options rejects connect(), and it is over', async () => {
    const lifecycle = rig.start();
    rig.socket.broken = new TypeError('give the url of the server');
    await expect(lifecycle.connect(undefined)).rejects.toBe(rig.socket.broken);
    expect(lifecycle.status).toBe('disconnected');
    expect(rig.clock.pending).toBe(0);
    expect(rig.reported).toEqual([]);
    rig.socket.broken = undefined;
    const again = lifecycle.connect(undefined);
    lifecycle.disconnect();
    await expect(again).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('React mounts twice: the first connect() ends, the second one connects', async () => {
    const lifecycle = rig.start();
    const first = lifecycle.connect(undefined);
    lifecycle.disconnect();
    const second = lifecycle.connect(undefined);
    await expect(first).rejects.toMatchObject({ code: 'DISCONNECTED' });
    await settle();
    expect(rig.socket.attempts).toHaveLength(1);
    rig.socket.open();
    rig.socket.hello();
    await second;
    expect(lifecycle.status).toBe('connected');
  });
});

describe('failing', () => {
  test('an attempt that fails is followed by another one after a wait', async () => {
    const lifecycle = rig.start();
    const connecting = lifecycle.connect(undefined);
    await settle();
    rig.socket.refuse();
    expect(rig.socket.attempts).toHaveLength(1);
    expect(lifecycle.status).toBe('connecting');
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
    expect(rig.socket.attempts).toHaveLength(2);
  });

  test('an attempt that nobody answers is given up', async () => {
    const lifecycle = rig.start();
    void lifecycle.connect(undefined).catch(() => undefined);
    await settle();
    rig.clock.advance(20_000);
    expect(rig.socket.closed).toBe(1);
    rig.clock.advance(BACKOFF_MS);
    await settle();
    expect(rig.socket.attempts).toHaveLength(2);
  });

  test('catching up that fails is followed by another attempt; what is no matter of the moment is reported', async () => {
    const lifecycle = rig.start();
    rig.catchingUp = deferred();
    const connecting = lifecycle.connect(undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    const error = new CommError('INVALID', 'x');
    rig.catchingUp.reject(error);
    await settle();
    expect(lifecycle.status).toBe('connecting');
    expect(rig.reported).toEqual([error]);
    rig.catchingUp = undefined;
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
  });

  test('a line that is lost while catching up is not reported', async () => {
    const lifecycle = rig.start();
    rig.catchingUp = deferred();
    void lifecycle.connect(undefined).catch(() => undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    rig.socket.lose();
    rig.catchingUp.reject(new CommError('INVALID', 'of a connection that is gone'));
    await settle();
    expect(rig.reported).toEqual([]);
    expect(rig.log.at(-1)).toBe('line lost');
    lifecycle.disconnect();
  });

  test('a lost line is found again: the status says so, and what waits is told', async () => {
    const lifecycle = await rig.connected();
    rig.socket.lose();
    expect(rig.log).toEqual(['line lost', 'reconnecting']);
    const waiting = lifecycle.whenConnected(undefined);
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await waiting;
    expect(rig.log).toEqual(['line lost', 'reconnecting', 'hello', 'catch up', 'connected']);
  });

  test('a server that has said hello before is not taken for a base server because it is slow', async () => {
    await rig.connected();
    rig.socket.lose();
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.clock.advance(19_000);
    await settle();
    expect(rig.log).toEqual(['line lost', 'reconnecting']);
    rig.socket.hello();
    await settle();
    expect(rig.log).toEqual(['line lost', 'reconnecting', 'hello', 'catch up', 'connected']);
  });

  test('an app that has another server since is not kept waiting for ever', async () => {
    await rig.connected();
    rig.socket.lose();
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.clock.advance(20_000);
    await settle();
    expect(rig.log).toEqual(['line lost', 'reconnecting', 'no hello', 'catch up', 'connected']);
  });

  test('frames that make no sense are dropped', async () => {
    await rig.connected();
    for (const frame of [null, undefined, 1, 'x', [], {}, { event: 1 }, { event: null, data: 1 }])
      rig.socket.pushFrame(frame);
    rig.socket.pushFrame({ event: 'typing:update' });
    expect(rig.log).toEqual(['pushed typing:update']);
  });
});
