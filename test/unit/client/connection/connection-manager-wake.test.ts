import { beforeEach, describe, expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import type { ConnectionManager } from '../../../../src/client/connection/connection-manager.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { ConnectionRig } from '../../../helpers/client/connection-rig.ts';

let rig: ConnectionRig;
beforeEach(() => {
  rig = new ConnectionRig();
});

test('a wake-up ends the wait before the next attempt', async () => {
  const connection = await rig.connected();
  rig.socket.lose();
  connection.wake();
  await settle();
  expect(rig.socket.attempts).toHaveLength(2);
  connection.disconnect();
});

test('a wake-up pings the server, and closes the connection without a response', async () => {
  const connection = await rig.connected();
  connection.wake();
  rig.clock.advance(5_000);
  await settle();
  expect(connection.status).toBe('reconnecting');
  connection.disconnect();
});

test.each([
  ['a response', { ok: true, data: { serverTime: '' } }],
  ['an error', { ok: false, error: { code: 'RATE_LIMITED', message: 'x' } }],
])('%s shows that the connection works', async (_title, reply) => {
  const connection = await rig.connected();
  connection.wake();
  rig.socket.last('comm:ping').reply?.(reply);
  rig.clock.advance(60_000);
  await settle();
  expect(connection.status).toBe('connected');
});

test('a ping of an earlier connection does not close a later one', async () => {
  const connection = await rig.connected();
  connection.wake();
  connection.disconnect();
  const connecting = connection.connect(undefined);
  await settle();
  rig.socket.open();
  rig.socket.hello();
  await connecting;
  rig.clock.advance(60_000);
  await settle();
  expect(connection.status).toBe('connected');
});

test('a base server is not pinged, because it does not respond', async () => {
  const connection = rig.start();
  const connecting = connection.connect(undefined);
  await settle();
  rig.socket.open();
  rig.clock.advance(1_000);
  await connecting;
  connection.wake();
  expect(rig.socket.sent).toEqual([]);
});

test('a wake-up before connect() has no effect', () => {
  rig.start().wake();
  expect(rig.socket.attempts).toEqual([]);
});

describe('a wake-up during an attempt that hangs', () => {
  const STAGES = ['opening', 'greeting', 'resyncing'] as const;

  async function hangs(stage: (typeof STAGES)[number]): Promise<ConnectionManager> {
    const connection = await rig.connected();
    rig.resyncing = deferred();
    rig.socket.lose();
    connection.wake();
    await settle();
    if (stage !== 'opening') rig.socket.open();
    if (stage === 'resyncing') rig.socket.hello();
    await settle();
    return connection;
  }

  test.each(STAGES)('%s, replaces it by a new one and leaves nothing of the old one', async (stage) => {
    const connection = await hangs(stage);
    rig.clock.advance(5_000);
    const stale = rig.resyncing;
    connection.wake();
    await settle();
    expect(rig.socket.attempts).toHaveLength(3);
    expect(connection.status).toBe('reconnecting');
    rig.resyncing = undefined;
    rig.socket.open();
    rig.socket.hello();
    await settle();
    expect(connection.status).toBe('connected');
    stale?.reject(new Error('of the lost connection'));
    await settle();
    expect(rig.reported).toEqual([]);
    expect(rig.clock.pending).toBe(0);
  });

  test.each(STAGES)('%s, keeps a recent attempt, also at repeated wake-ups', async (stage) => {
    const connection = await hangs(stage);
    rig.clock.advance(1_900);
    connection.wake();
    connection.wake();
    await settle();
    expect(rig.socket.attempts).toHaveLength(2);
    connection.disconnect();
  });

  test('keeps an old attempt that still receives data', async () => {
    const connection = await hangs('resyncing');
    for (let second = 0; second < 60; second += 4) {
      rig.clock.advance(4_000);
      rig.socket.push('typing:update', {});
      connection.wake();
    }
    await settle();
    expect(rig.socket.attempts).toHaveLength(2);
    expect(rig.log).not.toContain('connected');
    rig.resyncing?.resolve();
    await settle();
    expect(connection.status).toBe('connected');
  });

  test('pings during a resync that has received data recently', async () => {
    const connection = await hangs('resyncing');
    rig.clock.advance(3_000);
    connection.wake();
    expect(rig.socket.names()).toEqual(['nk:comm:ping']);
    rig.clock.advance(5_000);
    await settle();
    expect(rig.log.at(-1)).toBe('connection lost');
    connection.disconnect();
  });
});
