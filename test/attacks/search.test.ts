import { expect, test } from 'vitest';
import { eventually } from '../helpers/eventually.ts';
import { MAX_DELAY_MS, MEGABYTE, startAttackedServer } from './test-bed.ts';

test('searches for long phrases in long messages of the same word delay no other user', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  const { id } = await mallory.request('conversation:create', { type: 'group', participantIds: [] });
  for (let sent = 0; sent < 150; sent += 1) await mallory.send(id, 'a '.repeat(4_900));
  const statuses: number[] = [];
  const cost = await server.attack(async () => {
    const searches = Array.from({ length: 100 }, async (_, index) => {
      // Even: the longest phrase that is allowed. Odd: one of 99 words.
      const words = Array.from({ length: index % 2 === 0 ? 7 : 98 }, () => 'a').join('.');
      statuses.push((await server.rest('mallory', `/messages/search?q=${words}.b`)).status);
    });
    await Promise.all(searches);
  });
  expect(statuses.filter((status) => ![200, 400, 429, 503].includes(status))).toEqual([]);
  expect(statuses).toContain(400);
  expect(statuses).toContain(429);
  expect(cost.served).toBeGreaterThan(0);
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

// That its work doesn't tell either is tested by its statements: `test/integration/server/search.test.ts`.
test('a search is answered as if words in messages of others stood nowhere, also in many conversations', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  await using accomplice = await server.connect('accomplice');
  // More conversations than one statement of the search covers.
  for (const [user, other] of [[mallory, accomplice] as const, [accomplice, mallory] as const]) {
    for (let created = 0; created < 40; created += 1) {
      await user.request('conversation:create', { type: 'group', participantIds: [other.userId] });
    }
  }
  await using other = await server.connect('other');
  const { id } = await other.request('conversation:create', { type: 'group', participantIds: [] });
  await Promise.all(Array.from({ length: 150 }, () => other.send(id, 'confidential')));
  for (const word of ['confidential', 'nowhere', 'confid', 'confidential nowhere']) {
    // A busy machine may exceed the deadline of a search.
    await eventually(async () => {
      const answer = await server.rest('mallory', `/messages/search?q=${encodeURIComponent(word)}&paged=true`);
      expect([answer.status, await answer.json()]).toEqual([200, { messages: [], hasMore: false }]);
    });
  }
});
