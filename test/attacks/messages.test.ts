import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/services/limits/server-limits.ts';
import { allowed, MAX_DELAY_MS, MEGABYTE, startAttackedServer } from './test-bed.ts';

test('a user who sends from many sockets stores no more than from one', async () => {
  await using server = await startAttackedServer();
  const sockets = await Promise.all(Array.from({ length: 20 }, () => server.connect('mallory')));
  const [first] = sockets;
  const { id } = (await first?.request('conversation:create', { type: 'group', participantIds: [] })) ?? { id: '' };
  let stored = 0;
  const cost = await server.attack(async () => {
    const content = 'x'.repeat(9_000);
    const outcomes = await Promise.allSettled(
      sockets.flatMap((socket) => Array.from({ length: 40 }, () => socket.send(id, content))),
    );
    stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
  });
  for (const socket of sockets) socket.close();
  expect(stored).toBeGreaterThan(0);
  expect(stored).toBeLessThanOrEqual(allowed(DEFAULT_LIMITS.messages, cost));
  expect(cost.peakBytes).toBeLessThan(200 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('pages of large messages are small enough, also if many are requested', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  const { id } = await mallory.request('conversation:create', { type: 'group', participantIds: [] });
  for (let sent = 0; sent < 150; sent += 1) await mallory.send(id, 'x'.repeat(9_900));
  const sizes: number[] = [];
  const cost = await server.attack(async () => {
    const pages = Array.from({ length: 60 }, async () => {
      const response = await server.rest('mallory', `/conversations/${id}/messages?limit=201&paged=true`);
      if (response.ok) sizes.push((await response.text()).length);
    });
    await Promise.all(pages);
  });
  expect(sizes.length).toBeGreaterThan(0);
  expect(Math.max(...sizes)).toBeLessThan(1.1 * MEGABYTE);
  expect(cost.peakBytes).toBeLessThan(200 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
