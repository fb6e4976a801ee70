import { beforeEach, describe, expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { BACKOFF_MS, ConnectionRig } from '../../../helpers/client/connection-rig.ts';
import { rejectionOf } from '../../../helpers/client/rejection.ts';

let rig: ConnectionRig;
beforeEach(() => {
  rig = new ConnectionRig();
});

describe('authentication', () => {
  test('an unknown user becomes unauthenticated, with the message of the server', async () => {
    const connection = rig.start({ token: () => 'token' });
    const connecting = connection.connect(undefined);
    const waiting = connection.whenConnected(undefined);
    await settle();
    rig.socket.refuse('UNAUTHENTICATED', 'Who are you?');
    await expect(connecting).rejects.toMatchObject({ code: 'UNAUTHENTICATED', message: 'Who are you?' });
    await expect(waiting).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(connection.whenConnected(undefined)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(connection.status).toBe('unauthenticated');
    expect(rig.clock.pending).toBe(0);
  });

  test('after a new sign-in the token function is called again', async () => {
    let token = 'old';
    const connection = rig.start({ token: () => token });
    const first = connection.connect(undefined);
    await settle();
    rig.socket.refuse('UNAUTHENTICATED');
    await expect(first).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    token = 'new';
    void connection.connect(undefined).catch(() => undefined);
    await settle();
    expect(rig.socket.attempts.map(({ auth }) => auth['token'])).toEqual(['old', 'new']);
    connection.disconnect();
  });

  test('an expired token is replaced', async () => {
    let asked = 0;
    const connection = rig.start({ token: () => `token ${(asked += 1)}` });
    const connecting = connection.connect(undefined);
    await settle();
    rig.socket.refuse('TOKEN_EXPIRED');
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
    expect(rig.socket.attempts.map(({ auth }) => auth['token'])).toEqual(['token 1', 'token 2']);
  });

  test('a token that expires while connected is replaced', async () => {
    let asked = 0;
    const connection = await rig.connected({ token: () => `token ${(asked += 1)}` });
    connection.userRejected(new CommError('TOKEN_EXPIRED', 'The token has expired'));
    expect(connection.status).toBe('reconnecting');
    rig.clock.advance(BACKOFF_MS);
    await settle();
    expect(rig.socket.attempts.map(({ auth }) => auth['token'])).toEqual(['token 1', 'token 2']);
    connection.disconnect();
  });

  test('three expired tokens in a row sign out', async () => {
    const connection = rig.start({ token: () => 'stale' });
    const rejected = rejectionOf(connection.connect(undefined));
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settle();
      rig.socket.refuse('TOKEN_EXPIRED');
      rig.clock.advance(BACKOFF_MS);
    }
    expect(await rejected).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(rig.socket.attempts).toHaveLength(3);
    expect(connection.status).toBe('unauthenticated');
  });

  test('a base server that disconnects three times during the handshake has rejected the user', async () => {
    const connection = rig.start();
    const rejected = rejectionOf(connection.connect(undefined));
    for (let attempt = 0; attempt < 3; attempt += 1) {
      await settle();
      rig.socket.open();
      rig.socket.lose(true);
      rig.clock.advance(BACKOFF_MS);
    }
    expect(await rejected).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('a token function that fails is called again, and the error is reported', async () => {
    let asked = 0;
    const cause = new Error('no network');
    const connection = rig.start({
      token: () => {
        asked += 1;
        if (asked === 1) throw cause;
        return 'token';
      },
    });
    const connecting = connection.connect(undefined);
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
  test.each(['opening', 'greeting', 'resyncing', 'connected', 'waiting'])('while %s, everything ends', async (when) => {
    const connection = rig.start();
    rig.resyncing = deferred();
    const outcome = connection.connect(undefined).catch((error: unknown) => error);
    await settle();
    if (when === 'waiting') rig.socket.refuse();
    else if (when !== 'opening') {
      rig.socket.open();
      if (when !== 'greeting') rig.socket.hello();
      if (when === 'connected') rig.resyncing.resolve();
    }
    await settle();
    connection.disconnect();
    expect(connection.status).toBe('disconnected');
    expect(rig.clock.pending).toBe(0);
    expect((await outcome) instanceof CommError).toBe(when !== 'connected');
    const attempts = rig.socket.attempts.length;
    rig.clock.advance(100_000);
    rig.resyncing.resolve();
    await settle();
    expect(connection.status).toBe('disconnected');
    expect(rig.socket.attempts).toHaveLength(attempts);
    await expect(connection.whenConnected(undefined)).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('disconnect() while a token is requested starts no attempt', async () => {
    const token = deferred<string>();
    const connection = rig.start({ token: () => token.promise });
    const rejected = rejectionOf(connection.connect(undefined));
    connection.disconnect();
    token.resolve('token');
    expect(await rejected).toMatchObject({ code: 'DISCONNECTED' });
    await settle();
    expect(rig.socket.attempts).toEqual([]);
  });

  test('connect() works again', async () => {
    const connection = await rig.connected();
    connection.disconnect();
    const connecting = connection.connect(undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
    expect(rig.log).toEqual(['connection lost', 'disconnected', 'connecting', 'hello', 'resync', 'connected']);
  });
});

describe('waiting for a connection', () => {
  test('waiting rejects if connect() was never called', async () => {
    await expect(rig.start().whenConnected(undefined)).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('untilConnected() keeps waiting when connection attempts fail', async () => {
    const connection = rig.start();
    let arrived = false;
    const waiting = connection.untilConnected(undefined).then(() => (arrived = true));
    void connection.connect(undefined).catch(() => undefined);
    connection.disconnect();
    void connection.connect(undefined).catch(() => undefined);
    await settle();
    rig.socket.refuse('UNAUTHENTICATED');
    await settle();
    expect(arrived).toBe(false);
    void connection.connect(undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    expect(await waiting).toBe(true);
  });

  test('an abort ends the wait', async () => {
    const controller = new AbortController();
    const waiting = rig.start().untilConnected(controller.signal);
    const reason = new Error('closed');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  test('untilConnected() waits after the connection is lost', async () => {
    const connection = await rig.connected();
    rig.socket.lose();
    let arrived = false;
    void connection.untilConnected(undefined).then(() => (arrived = true));
    await settle();
    expect(arrived).toBe(false);
    connection.disconnect();
  });
});
