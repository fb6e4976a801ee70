import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/server/services/limits/server-limits.ts';
import type { TestUser } from '../../src/testing/connect-user.ts';
import { allowed, countRows, MAX_DELAY_MS, MEGABYTE, startAttackedServer, type AttackedServer } from './test-bed.ts';

const MEMBERS = 400;
const MENTIONS = 50;

interface Group {
  readonly mallory: TestUser;
  readonly conversationId: string;
  readonly members: readonly string[];
}

/** A group of mallory's with a victim, who is connected, and many others. */
async function startGroup(server: AttackedServer): Promise<Group> {
  const mallory = await server.connect('mallory');
  const members = ['victim', ...Array.from({ length: MEMBERS - 1 }, (_, at) => `member-${at}`)];
  const { id } = await mallory.request('conversation:create', { type: 'group', participantIds: members });
  return { mallory, conversationId: id, members };
}

test('replies in a thread that the whole group follows write nothing for each follower', async () => {
  await using server = await startAttackedServer();
  const { mallory, conversationId, members } = await startGroup(server);
  const message = { conversationId, content: 'a reply', type: 'text' } as const;
  const root = await mallory.send(conversationId, 'the root');
  for (let at = 0; at < members.length; at += MENTIONS) {
    const mentions = members.slice(at, at + MENTIONS);
    await mallory.request('message:send', { ...message, threadId: root.id, mentions });
  }
  expect(countRows(server, 'comm_thread_follows')).toBe(MEMBERS + 1);
  const mentioned = countRows(server, 'comm_mentions');
  let stored = 0;
  const cost = await server.attack(async () => {
    const replies = Array.from({ length: 500 }, () =>
      mallory.request('message:send', { ...message, threadId: root.id }),
    );
    stored = (await Promise.allSettled(replies)).filter(({ status }) => status === 'fulfilled').length;
  });
  expect(stored).toBeGreaterThan(0);
  expect(stored).toBeLessThanOrEqual(allowed(DEFAULT_LIMITS.messages, cost));
  expect(countRows(server, 'comm_thread_follows')).toBe(MEMBERS + 1);
  expect(countRows(server, 'comm_mentions')).toBe(mentioned);
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('messages that mention many users are charged for each, and the inbox of a victim stays readable', async () => {
  await using server = await startAttackedServer();
  const { mallory, conversationId, members } = await startGroup(server);
  const mentions = members.slice(0, MENTIONS);
  let stored = 0;
  const cost = await server.attack(async () => {
    const sends = Array.from({ length: 300 }, () =>
      mallory.request('message:send', { conversationId, content: 'you', type: 'text', mentions }),
    );
    stored = (await Promise.allSettled(sends)).filter(({ status }) => status === 'fulfilled').length;
  });
  expect(stored).toBeGreaterThan(0);
  // 1 for the request and 10 for its mentions.
  expect(stored * 11).toBeLessThanOrEqual(allowed(DEFAULT_LIMITS.requests, cost));
  expect(countRows(server, 'comm_mentions')).toBe(stored * MENTIONS);
  const inbox = await server.rest('victim', '/conversations');
  expect(await inbox.json()).toMatchObject([{ id: conversationId, unreadMentions: stored }]);
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
