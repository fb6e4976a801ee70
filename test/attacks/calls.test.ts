import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/services/limits/server-limits.ts';
import { allowed, MAX_DELAY_MS, MEGABYTE, startAttackedServer } from './test-bed.ts';

test("a stranger's calls neither keep friends out nor fill the conversation", async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  await using victim = await server.connect('victim');
  await using friend = await server.connect('friend');
  const direct = { type: 'direct', participantIds: ['victim'] } as const;
  const strange = await mallory.request('conversation:create', direct);
  const known = await friend.request('conversation:create', direct);
  const call = { type: 'audio', calleeIds: ['victim'] } as const;
  const started: string[] = [];
  const cost = await server.attack(async () => {
    for (let at = 0; at < 500; at += 1) {
      const outcome = await mallory
        .request('call:initiate', { ...call, conversationId: strange.id })
        .catch(() => undefined);
      if (outcome === undefined) continue;
      started.push(outcome.id);
      // A caller who is in a call can't start another one.
      await mallory.request('call:hangup', { callId: outcome.id, reason: 'cancelled' });
    }
  });
  expect(started.length).toBeGreaterThanOrEqual(DEFAULT_LIMITS.callsPerPair.burst);
  expect(started.length).toBeLessThanOrEqual(allowed(DEFAULT_LIMITS.callsPerPair, cost));
  await using stranger = await server.connect('stranger');
  const { id: conversationId } = await stranger.request('conversation:create', direct);
  await stranger.request('call:initiate', { ...call, conversationId });
  const answered = await friend.request('call:initiate', { ...call, conversationId: known.id });
  expect(answered.state).toBe('ringing');
  const accepted = await victim.request('call:respond', { callId: answered.id, action: 'accept' });
  expect(accepted.state).toBe('connecting');
  const history = (await (await server.rest('victim', `/conversations/${strange.id}/messages`)).json()) as unknown[];
  expect(history.length).toBeLessThanOrEqual(started.length);
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
