import { beforeEach, describe, expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import type { Lifecycle } from '../../../src/client/lifecycle.ts';
import { settle } from '../../helpers/client/fake-socket.ts';
import { LifecycleRig } from '../../helpers/client/lifecycle.ts';

let rig: LifecycleRig;
beforeEach(() => {
  rig = new LifecycleRig();
});

test('cuts the wait for the next attempt short', async () => {
  const lifecycle = await rig.connected();
  rig.socket.lose();
  lifecycle.wake();
  await settle();
  expect(rig.socket.attempts).toHaveLength(2);
  lifecycle.disconnect();
});

test('asks a line that should stand, and gives it up without an answer', async () => {
  const lifecycle = await rig.connected();
  lifecycle.wake();
  rig.clock.advance(5_000);
  await settle();
  expect(lifecycle.status).toBe('reconnecting');
  lifecycle.disconnect();
});

test.each([
  ['an answer', { ok: true, data: { serverTime: '' } }],
  ['a refusal', { ok: false, error: { code: 'RATE_LIMITED', message: 'x' } }],
])('%s shows that the line stands', async (_title, reply) => {
  const lifecycle = await rig.connected();
  lifecycle.wake();
  rig.socket.last('comm:ping').reply?.(reply);
  rig.clock.advance(60_000);
  await settle();
  expect(lifecycle.status).toBe('connected');
});

test('a ping of an earlier connection ends no later one', async () => {
  const lifecycle = await rig.connected();
  lifecycle.wake();
  lifecycle.disconnect();
  const connecting = lifecycle.connect(undefined);
  await settle();
  rig.socket.open();
  rig.socket.hello();
  await connecting;
  rig.clock.advance(60_000);
  await settle();
  expect(lifecycle.status).toBe('connected');
});

test('a base server is not asked: it would not answer', async () => {
  const lifecycle = rig.start();
  const connecting = lifecycle.connect(undefined);
  await settle();
  rig.socket.open();
  rig.clock.advance(1_000);
  await connecting;
  lifecycle.wake();
  expect(rig.socket.sent).toEqual([]);
});

test('before connect() it does nothing', () => {
  rig.start().wake();
  expect(rig.socket.attempts).toEqual([]);
});

describe('while an attempt hangs', () => {
  const STAGES = ['opening', 'greeting', 'catching up'] as const;

  async function hangs(stage: (typeof STAGES)[number]): Promise<Lifecycle> {
    const lifecycle = await rig.connected();
    rig.catchingUp = deferred();
    rig.socket.lose();
    lifecycle.wake();
    await settle();
    if (stage !== 'opening') rig.socket.open();
    if (stage === 'catching up') rig.socket.hello();
    await settle();
    return lifecycle;
  }

  test.each(STAGES)('%s, it is begun afresh, and nothing is left of the old one', async (stage) => {
    const lifecycle = await hangs(stage);
    rig.clock.advance(5_000);
    const stale = rig.catchingUp;
    lifecycle.wake();
    await settle();
    expect(rig.socket.attempts).toHaveLength(3);
    expect(lifecycle.status).toBe('reconnecting');
    rig.catchingUp = undefined;
    rig.socket.open();
    rig.socket.hello();
    await settle();
    expect(lifecycle.status).toBe('connected');
    stale?.reject(new Error('of a line that is gone'));
    await settle();
    expect(rig.reported).toEqual([]);
    expect(rig.clock.pending).toBe(0);
  });

  test.each(STAGES)('%s, one that is young goes on, however often there is a wake', async (stage) => {
    const lifecycle = await hangs(stage);
    rig.clock.advance(1_900);
    lifecycle.wake();
    lifecycle.wake();
    await settle();
    expect(rig.socket.attempts).toHaveLength(2);
    lifecycle.disconnect();
  });

  test('one that brings something goes on, however old it is', async () => {
    const lifecycle = await hangs('catching up');
    for (let second = 0; second < 60; second += 4) {
      rig.clock.advance(4_000);
      rig.socket.push('typing:update', {});
      lifecycle.wake();
    }
    await settle();
    expect(rig.socket.attempts).toHaveLength(2);
    expect(rig.log).not.toContain('connected');
    rig.catchingUp?.resolve();
    await settle();
    expect(lifecycle.status).toBe('connected');
  });

  test('catching up on a line of which one has heard a moment ago, the line is asked', async () => {
    const lifecycle = await hangs('catching up');
    rig.clock.advance(3_000);
    lifecycle.wake();
    expect(rig.socket.names()).toEqual(['nk:comm:ping']);
    rig.clock.advance(5_000);
    await settle();
    expect(rig.log.at(-1)).toBe('line lost');
    lifecycle.disconnect();
  });
});
