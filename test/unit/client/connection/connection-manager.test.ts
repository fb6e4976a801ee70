import { beforeEach, describe, expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { VERSION } from '../../../../src/lib/version.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { PLAIN_CAPABILITIES } from '../../../../src/protocol/constants.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { BACKOFF_MS, ConnectionRig } from '../../../helpers/client/connection-rig.ts';

let rig: ConnectionRig;
beforeEach(() => {
  rig = new ConnectionRig();
});

describe('connecting', () => {
  test('nothing happens before connect()', () => {
    const connection = rig.start();
    expect({ status: connection.status, attempts: rig.socket.attempts, pending: rig.clock.pending }).toEqual({
      status: 'idle',
      attempts: [],
      pending: 0,
    });
  });

  test('connects in the order open, hello, resync, connected', async () => {
    const connection = rig.start({ userId: 'alice' });
    const connecting = connection.connect(undefined);
    await settle();
    expect(rig.socket.attempts).toEqual([
      { auth: { caps: PLAIN_CAPABILITIES, clientVersion: VERSION }, query: { userId: 'alice' } },
    ]);
    rig.socket.open();
    rig.socket.hello();
    await connecting;
    expect(rig.log).toEqual(['connecting', 'hello', 'resync', 'connected']);
    expect(rig.clock.pending).toBe(0);
  });

  test('a token is sent in the auth payload, and no user id in the query', async () => {
    await rig.connected({ token: () => 'secret', userId: 'alice' });
    expect(rig.socket.attempts).toMatchObject([{ auth: { token: 'secret' }, query: {} }]);
  });

  test('a server that sends no hello within a second is a base server', async () => {
    const connection = rig.start();
    const connecting = connection.connect(undefined);
    await settle();
    rig.socket.open();
    rig.clock.advance(999);
    expect(rig.log).toEqual(['connecting']);
    rig.clock.advance(1);
    await connecting;
    expect(rig.log).toEqual(['connecting', 'no hello', 'resync', 'connected']);
  });

  test.each(['while resyncing', 'after that'])('a hello that arrives late, %s, ends the base mode', async (when) => {
    const connection = rig.start();
    if (when === 'while resyncing') rig.resyncing = deferred();
    const connecting = connection.connect(undefined);
    await settle();
    rig.socket.open();
    rig.clock.advance(1_000);
    await settle();
    const stale = rig.resyncing;
    rig.resyncing = undefined;
    rig.socket.hello();
    await connecting;
    stale?.reject(new CommError('DISCONNECTED', 'what was begun as with a base server'));
    await settle();
    expect(rig.log.slice(rig.log.indexOf('connection lost'))).toEqual([
      'connection lost',
      'hello',
      ...(when === 'after that' ? ['resync', 'reconnecting', 'connected'] : ['resync', 'connected']),
    ]);
    expect(connection.status).toBe('connected');
    expect(rig.reported).toEqual([]);
  });

  test('a second hello has no effect', async () => {
    await rig.connected();
    rig.socket.hello();
    expect(rig.log).toEqual([]);
  });

  test('connect() is idempotent', async () => {
    const connection = rig.start();
    const both = Promise.all([connection.connect(undefined), connection.connect(undefined)]);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await both;
    await connection.connect(undefined);
    expect(rig.socket.attempts).toHaveLength(1);
  });

  test('an abort rejects connect() with the reason of the signal, and an aborted signal starts no attempt', async () => {
    const connection = rig.start();
    const controller = new AbortController();
    const reason = { why: 'enough' };
    const connecting = connection.connect(controller.signal);
    controller.abort(reason);
    await expect(connecting).rejects.toBe(reason);
    const other = rig.start();
    await expect(other.connect(AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(other.status).toBe('idle');
  });

  test('an error that the transport throws for wrong options rejects connect() and ends the connecting', async () => {
    const connection = rig.start();
    rig.socket.broken = new TypeError('give the url of the server');
    await expect(connection.connect(undefined)).rejects.toBe(rig.socket.broken);
    expect(connection.status).toBe('disconnected');
    expect(rig.clock.pending).toBe(0);
    expect(rig.reported).toEqual([]);
    rig.socket.broken = undefined;
    const again = connection.connect(undefined);
    connection.disconnect();
    await expect(again).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test("after connect(), disconnect() and connect(), as by React's StrictMode, only the second call connects", async () => {
    const connection = rig.start();
    const first = connection.connect(undefined);
    connection.disconnect();
    const second = connection.connect(undefined);
    await expect(first).rejects.toMatchObject({ code: 'DISCONNECTED' });
    await settle();
    expect(rig.socket.attempts).toHaveLength(1);
    rig.socket.open();
    rig.socket.hello();
    await second;
    expect(connection.status).toBe('connected');
  });
});

describe('failing', () => {
  test('a failed attempt is repeated after a wait', async () => {
    const connection = rig.start();
    const connecting = connection.connect(undefined);
    await settle();
    rig.socket.refuse();
    expect(rig.socket.attempts).toHaveLength(1);
    expect(connection.status).toBe('connecting');
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
    expect(rig.socket.attempts).toHaveLength(2);
  });

  test('an unanswered connection attempt times out', async () => {
    const connection = rig.start();
    void connection.connect(undefined).catch(() => undefined);
    await settle();
    rig.clock.advance(20_000);
    expect(rig.socket.closed).toBe(1);
    rig.clock.advance(BACKOFF_MS);
    await settle();
    expect(rig.socket.attempts).toHaveLength(2);
  });

  test('a failed resync is followed by another attempt, and a permanent error is reported', async () => {
    const connection = rig.start();
    rig.resyncing = deferred();
    const connecting = connection.connect(undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    const error = new CommError('INVALID', 'x');
    rig.resyncing.reject(error);
    await settle();
    expect(connection.status).toBe('connecting');
    expect(rig.reported).toEqual([error]);
    rig.resyncing = undefined;
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await connecting;
  });

  test('a connection that is lost during a resync is not reported', async () => {
    const connection = rig.start();
    rig.resyncing = deferred();
    void connection.connect(undefined).catch(() => undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    rig.socket.lose();
    rig.resyncing.reject(new CommError('INVALID', 'of a connection that is gone'));
    await settle();
    expect(rig.reported).toEqual([]);
    expect(rig.log.at(-1)).toBe('connection lost');
    connection.disconnect();
  });

  test('a lost connection is replaced, which changes the status and notifies the handler', async () => {
    const connection = await rig.connected();
    rig.socket.lose();
    expect(rig.log).toEqual(['connection lost', 'reconnecting']);
    const waiting = connection.whenConnected(undefined);
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await waiting;
    expect(rig.log).toEqual(['connection lost', 'reconnecting', 'hello', 'resync', 'connected']);
  });

  test('lost pushes make a connected client resynchronize, and its status stays', async () => {
    const connection = await rig.connected();
    rig.resyncing = deferred();
    rig.socket.push('comm:resync', {});
    await connection.whenConnected(undefined);
    expect([connection.online, connection.status]).toEqual([true, 'connected']);
    rig.resyncing.resolve();
    await settle();
    expect(rig.log).toEqual(['refresh', 'refreshed']);
    expect(rig.socket.closed).toBe(0);
  });

  test('pushes that are lost during a resynchronization start it again', async () => {
    await rig.connected();
    const first = (rig.resyncing = deferred());
    rig.socket.push('comm:resync', {});
    rig.resyncing = undefined;
    rig.socket.push('comm:resync', {});
    await settle();
    first.resolve();
    await settle();
    expect(rig.log).toEqual(['refresh', 'refresh', 'refreshed']);
  });

  test('pushes that are lost before the client is in step start the resync again', async () => {
    const connection = rig.start();
    rig.resyncing = deferred();
    const connecting = connection.connect(undefined);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    rig.resyncing = undefined;
    rig.socket.push('comm:resync', {});
    await connecting;
    expect(rig.log).toEqual(['connecting', 'hello', 'resync', 'connection lost', 'resync', 'connected']);
    connection.disconnect();
  });

  test('a resynchronization that fails ends the connection, and the client connects again', async () => {
    const connection = await rig.connected();
    rig.resyncing = deferred();
    rig.socket.push('comm:resync', {});
    rig.resyncing.reject(new CommError('UNAVAILABLE', 'The database is away'));
    await settle();
    expect(rig.log).toEqual(['refresh', 'connection lost', 'reconnecting']);
    const waiting = connection.whenConnected(undefined);
    rig.resyncing = undefined;
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.socket.hello();
    await waiting;
    expect(connection.status).toBe('connected');
  });

  test('a slow server that has sent a hello before does not count as a base server', async () => {
    await rig.connected();
    rig.socket.lose();
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.clock.advance(19_000);
    await settle();
    expect(rig.log).toEqual(['connection lost', 'reconnecting']);
    rig.socket.hello();
    await settle();
    expect(rig.log).toEqual(['connection lost', 'reconnecting', 'hello', 'resync', 'connected']);
  });

  test('a base server that replaces a server with a hello is accepted after the longer timeout', async () => {
    await rig.connected();
    rig.socket.lose();
    rig.clock.advance(BACKOFF_MS);
    await settle();
    rig.socket.open();
    rig.clock.advance(20_000);
    await settle();
    expect(rig.log).toEqual(['connection lost', 'reconnecting', 'no hello', 'resync', 'connected']);
  });

  test('invalid frames are dropped', async () => {
    await rig.connected();
    for (const frame of [null, undefined, 1, 'x', [], {}, { event: 1 }, { event: null, data: 1 }])
      rig.socket.pushFrame(frame);
    rig.socket.pushFrame({ event: 'typing:update' });
    expect(rig.log).toEqual(['pushed typing:update']);
  });
});
