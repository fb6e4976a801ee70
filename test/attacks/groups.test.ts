import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/services/limits/server-limits.ts';
import { allowed, MAX_DELAY_MS, MEGABYTE, outcome, startAttackedServer } from './test-bed.ts';

test('searches for groups and conversations share one budget', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  for (let at = 0; at < 50; at += 1) {
    await mallory.request('conversation:create', {
      type: 'group',
      name: `${'a'.repeat(90)} ${at}`,
      participantIds: [],
      visibility: 'public',
    });
  }
  let outcomes: string[] = [];
  const cost = await server.attack(async () => {
    const query = `${'a'.repeat(50)}b`;
    const rest = async (path: string): Promise<string> => {
      const { status } = await server.rest('mallory', path);
      return status === 429 ? 'RATE_LIMITED' : status === 200 ? 'ok' : String(status);
    };
    const searches = Array.from({ length: 60 }, () => [
      outcome(mallory.request('conversation:browse', { query, limit: 50 })),
      rest(`/conversations?query=${query}`),
    ]);
    outcomes = await Promise.all(searches.flat());
  });
  expect(new Set(outcomes)).toEqual(new Set(['ok', 'RATE_LIMITED']));
  const found = outcomes.filter((each) => each === 'ok').length;
  expect(found).toBeLessThanOrEqual(allowed(DEFAULT_LIMITS.searches, cost));
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
