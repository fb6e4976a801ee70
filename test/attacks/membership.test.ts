import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/services/limits/server-limits.ts';
import { allowed, MAX_DELAY_MS, MEGABYTE, startAttackedServer } from './test-bed.ts';

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

test('a victim who is put into a large group is told little about it', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  await using victim = await server.connect('victim');
  const { id: conversationId } = await mallory.request('conversation:create', {
    type: 'group',
    participantIds: names('member', 500),
  });
  let pushedBytes = 0;
  const count = async (): Promise<void> => {
    for (;;) pushedBytes += JSON.stringify(await victim.next('conversation:updated')).length;
  };
  // Ends with the process: the last push never comes.
  void count();
  const cost = await server.attack(async () => {
    const added = victim.next('conversation:new');
    const outcomes: PromiseSettledResult<unknown>[] = [];
    for (const userIds of [['victim'], names('more', 400), names('too-many', 400), ['one'], ['two']]) {
      outcomes.push(
        ...(await Promise.allSettled([mallory.request('conversation:add-participants', { conversationId, userIds })])),
      );
    }
    pushedBytes += JSON.stringify(await added).length;
    expect(outcomes.map(({ status }) => status)).toContain('rejected');
  });
  expect(pushedBytes).toBeLessThan(200_000);
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('a user cannot create thousands of groups with a victim', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  let created = 0;
  const cost = await server.attack(async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 900 }, () =>
        mallory.request('conversation:create', { type: 'group', participantIds: ['victim'] }),
      ),
    );
    created = outcomes.filter(({ status }) => status === 'fulfilled').length;
  });
  expect(created).toBeGreaterThan(0);
  expect(created).toBeLessThanOrEqual(allowed(DEFAULT_LIMITS.conversationsCreated, cost));
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('watching the presence of one id a thousand times costs one lookup', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  for (let at = 0; at < 50; at += 1) {
    await mallory.request('conversation:create', { type: 'group', participantIds: ['victim'] });
  }
  const cost = await server.attack(async () => {
    const userIds = Array.from({ length: 1_000 }, () => 'victim');
    await Promise.allSettled(Array.from({ length: 100 }, () => mallory.request('presence:watch', { userIds })));
  });
  expect(cost.served).toBeGreaterThan(0);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
