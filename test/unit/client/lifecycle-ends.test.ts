import { beforeEach, describe, expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import { settle } from '../../helpers/client/fake-socket.ts';
import { BACKOFF_MS, LifecycleRig } from '../../helpers/client/lifecycle.ts';
import { rejectionOf } from '../../helpers/client/rejection.ts';

let rig: LifecycleRig;
beforeEach(() => {
  rig = new LifecycleRig();
});

describe('who this is', () => {
  test('a user that the server does not know is unauthenticated, with its words', async () => {
    const lifecycle = rig.start({ token: () => 'token' });
    const connecting = lifecycle.connect(undefined);
    const waiting = lifecycle.whenConnected(undefined);
    await settle();
    rig.socket.refuse('UNAUTHENTICATED', 'Who are you?');
    await expect(connecting).rejects.toMatchObject({ code: 'UNAUTHENTICATED', message: 'Who are you?' });
    await expect(waiting).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(lifecycle.whenConnected(undefined)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(lifecycle.status).toBe('unauthenticated');
    expect(rig.clock.pending).toBe(0);
  });

  test('after signing in anew the app is asked for its new token', async () => {
    let token = 'old';
    const lifecycle = rig.start({ token: () => token });
    const first = lifecycle.connect(undefined);
    await settle();
    rig.socket.refuse('UNAUTHENTICATED');
    await expect(first).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    token = 'new';
    void lifecycle.connect(undefined).catch(() => undefined);
    await settle();
    expect(rig.socket.attempts.map(({ auth }) => auth['token'])).toEqual(['old', 'new']);
    lifecycle.disconnect();
  });

  test('an expired token is replaced', async () => {
    let asked = 0;
    const lifecycle = rig.start({ token: () => `token ${(asked += 1)}` });
    const connecting = lifecycle.connect(undefined);
    await settle();
    rig.socket.refuse('TOKEN_EXPIRED');
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
    expect(rig.socket.attempts.map(({ auth }) => auth['token'])).toEqual(['token 1', 'token 2']);
  });

  test('so is one that expires while connected', async () => {
    let asked = 0;
    const lifecycle = await rig.connected({ token: () => `token ${(asked += 1)}` });
    lifecycle.userRefused(true);
    expect(lifecycle.status).toBe('reconnecting');
    rig.clock.advance(BACKOFF_MS);
    await settle();
    expect(rig.socket.attempts.map(({ auth }) => auth['token'])).toEqual(['token 1', 'token 2']);
    lifecycle.disconnect();
  });

  test('three expired tokens in a row sign out', async () => {
    const lifecycle = rig.start({ token: () => 'stale' });
    const rejected = rejectionOf(lifecycle.connect(undefined));
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settle();
      rig.socket.refuse('TOKEN_EXPIRED');
      rig.clock.advance(BACKOFF_MS);
    }
    expect(await rejected).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(rig.socket.attempts).toHaveLength(3);
    expect(lifecycle.status).toBe('unauthenticated');
  });

  test('a base server that hangs up on us does not know us, after three times', async () => {
    const lifecycle = rig.start();
    const rejected = rejectionOf(lifecycle.connect(undefined));
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settle();
      rig.socket.open();
      rig.socket.lose(true);
      rig.clock.advance(BACKOFF_MS);
    }
    expect(await rejected).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('a token function that fails is asked again, and the app is told', async () => {
    let asked = 0;
    const cause = new Error('no network');
    const lifecycle = rig.start({
      token: () => {
        asked += 1;
        if (asked === 1) throw cause;
        return 'token';
      },
    });
    const connecting = lifecycle.connect(undefined);
    await settle();
    expect(rig.reported).toMatchObject([{ code: 'UNAUTHENTICATED', cause }]);
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
  });
});

describe('disconnecting', () => {
  test.each(['opening', 'greeting', 'catching up', 'connected', 'waiting'])(
    'while %s, everything ends',
    async (when) => {
      const lifecycle = rig.start();
      rig.catchingUp = deferred();
      const outcome = lifecycle.connect(undefined).catch((error: unknown) => error);
      await settle();
      if (when === 'waiting') rig.socket.refuse();
      else if (when !== 'opening') {
        rig.socket.open();
        if (when !== 'greeting') rig.socket.hello();
        if (when === 'connected') rig.catchingUp.resolve();
      }
      await settle();
      lifecycle.disconnect();
      expect(lifecycle.status).toBe('disconnected');
      expect(rig.clock.pending).toBe(0);
      expect((await outcome) instanceof CommError).toBe(when !== 'connected');
      const attempts = rig.socket.attempts.length;
      rig.clock.advance(100_000);
      rig.catchingUp.resolve();
      await settle();
      expect(lifecycle.status).toBe('disconnected');
      expect(rig.socket.attempts).toHaveLength(attempts);
      await expect(lifecycle.whenConnected(undefined)).rejects.toMatchObject({ code: 'DISCONNECTED' });
    },
  );

  test('while a token is fetched, no attempt follows', async () => {
    const token = deferred<string>();
    const lifecycle = rig.start({ token: () => token.promise });
    const rejected = rejectionOf(lifecycle.connect(undefined));
    lifecycle.disconnect();
    token.resolve('token');
    expect(await rejected).toMatchObject({ code: 'DISCONNECTED' });
    await settle();
    expect(rig.socket.attempts).toEqual([]);
  });

  test('connect() works again', async () => {
    const lifecycle = await rig.connected();
    lifecycle.disconnect();
    const connecting = lifecycle.connect(undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
    expect(rig.log).toEqual(['line lost', 'disconnected', 'connecting', 'hello', 'catch up', 'connected']);
  });
});

describe('waiting for a connection', () => {
  test('nobody waits where nobody has called connect()', async () => {
    await expect(rig.start().whenConnected(undefined)).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('whoever can wait until somebody does is not disturbed by attempts that end', async () => {
    const lifecycle = rig.start();
    let arrived = false;
    const waiting = lifecycle.untilConnected(undefined).then(() => (arrived = true));
    void lifecycle.connect(undefined).catch(() => undefined);
    lifecycle.disconnect();
    void lifecycle.connect(undefined).catch(() => undefined);
    await settle();
    rig.socket.refuse('UNAUTHENTICATED');
    await settle();
    expect(arrived).toBe(false);
    void lifecycle.connect(undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    expect(await waiting).toBe(true);
  });

  test('their signal ends it', async () => {
    const controller = new AbortController();
    const waiting = rig.start().untilConnected(controller.signal);
    const reason = new Error('closed');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  test('a line that is lost while somebody is told keeps the next one waiting', async () => {
    const lifecycle = await rig.connected();
    rig.socket.lose();
    let arrived = false;
    void lifecycle.untilConnected(undefined).then(() => (arrived = true));
    await settle();
    expect(arrived).toBe(false);
    lifecycle.disconnect();
  });
});
