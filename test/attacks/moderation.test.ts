import { expect, test } from 'vitest';
import type { Conversation } from '../../src/protocol/conversations.ts';
import type { JsonObject } from '../../src/protocol/metadata.ts';
import { DEFAULT_LIMITS } from '../../src/server/services/limits/server-limits.ts';
import { allowed, countRows, MAX_DELAY_MS, MEGABYTE, outcome, startAttackedServer } from './test-bed.ts';

const accepted = (outcomes: readonly string[]): number => outcomes.filter((each) => each === 'ok').length;

test('pinning and unpinning is charged by the number of members who are told', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  const participantIds = Array.from({ length: 399 }, (_, at) => `member-${at}`);
  const { id: conversationId } = await mallory.request('conversation:create', { type: 'group', participantIds });
  const { id: messageId } = await mallory.send(conversationId, 'pinned');
  let outcomes: string[] = [];
  const cost = await server.attack(async () => {
    outcomes = await Promise.all(
      Array.from({ length: 400 }, (_, at) =>
        outcome(mallory.request('message:pin', { conversationId, messageId, pinned: at % 2 === 0 })),
      ),
    );
  });
  expect(new Set(outcomes)).toEqual(new Set(['ok', 'RATE_LIMITED']));
  // Read by another user: the budget of the attacker is used up.
  const conversation = (await (
    await server.rest('member-0', `/conversations/${conversationId}`)
  ).json()) as Conversation;
  const changes = (conversation.head?.rev ?? 0) - 1;
  expect(changes).toBeGreaterThan(0);
  // 20 units for 400 members. Requests that change nothing cost one.
  expect(changes * 20).toBeLessThanOrEqual(allowed(DEFAULT_LIMITS.requests, cost));
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('metadata that is too large or too deep is refused everywhere, and costs no other user anything', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  const { id: conversationId } = await mallory.request('conversation:create', {
    type: 'group',
    participantIds: ['reader'],
  });
  let deep: JsonObject = {};
  for (let depth = 0; depth < 20; depth += 1) deep = { a: deep };
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`k${at}`, at]));
  const long = { a: 'x'.repeat(200_000) };
  let outcomes: string[] = [];
  const cost = await server.attack(async () => {
    const requests = Array.from({ length: 10 }, () =>
      [deep, wide, long].map((metadata) => [
        outcome(mallory.request('message:send', { conversationId, content: 'x', type: 'text', metadata })),
        outcome(mallory.request('conversation:update', { conversationId, metadata })),
        outcome(mallory.request('user:update', { metadata })),
      ]),
    );
    outcomes = await Promise.all(requests.flat(2));
  });
  // The bytes of the requests have a budget too.
  expect(accepted(outcomes)).toBe(0);
  expect(outcomes.filter((each) => each !== 'INVALID' && each !== 'RATE_LIMITED')).toEqual([]);
  const read = await server.rest('reader', `/conversations/${conversationId}`);
  expect(await read.json()).toMatchObject({ head: { seq: 0, rev: 0 } });
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('a user who reports every message stores few reports, and each once', async () => {
  await using server = await startAttackedServer();
  await using mallory = await server.connect('mallory');
  await using victim = await server.connect('victim');
  const { id: conversationId } = await victim.request('conversation:create', {
    type: 'direct',
    participantIds: ['mallory'],
  });
  const ids: string[] = [];
  for (let at = 0; at < 60; at += 1) ids.push((await victim.send(conversationId, `message ${at}`)).id);
  let outcomes: string[] = [];
  const cost = await server.attack(async () => {
    const comment = 'x'.repeat(2_000);
    const report = (messageId: string) =>
      outcome(mallory.request('message:report', { conversationId, messageId, reason: 'spam', comment }));
    outcomes = await Promise.all([...ids, ...ids, ...ids].map(report));
  });
  expect(new Set(outcomes)).toEqual(new Set(['ok', 'RATE_LIMITED']));
  const stored = countRows(server, 'comm_reports');
  expect(countRows(server, '(SELECT DISTINCT message_id FROM comm_reports)')).toBe(stored);
  expect(stored).toBeGreaterThan(0);
  // A burst of 20 and one a minute.
  expect(stored).toBeLessThanOrEqual(allowed({ burst: 20, perSecond: 1 / 60 }, cost));
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
