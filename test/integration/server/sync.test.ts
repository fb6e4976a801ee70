import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

describe('SyncService', () => {
  let chat: Chat;
  let conversationId: string;
  beforeEach(async () => {
    chat = await startChat({ config: { pageSize: 3 } });
    ({ id: conversationId } = await chat.group('ada', 'bob'));
  });
  afterEach(() => chat.sqlite.close());

  const changes = (after: number, limit?: number) => chat.sync.changes(caller('bob'), conversationId, { after, limit });
  const sync = (cursors: Record<string, number>, inboxRev: number, userId = 'bob') =>
    chat.sync.sync(caller(userId), { cursors, inboxRev });
  const say = async (count: number) => {
    await Promise.all(Array.from({ length: count }, (_, n) => chat.say('ada', conversationId, `m${n}`)));
  };

  describe('changes of one conversation', () => {
    test('returns current rows ordered by rev, each once, tombstones included', async () => {
      await say(3);
      const [third, second, first] = await chat.history.list('ada', conversationId);
      const ref = (id = '') => ({ conversationId, messageId: id });
      await chat.messages.edit(caller('ada'), { ...ref(first?.id), content: 'edited' });
      await chat.messages.delete(caller('ada'), ref(second?.id));
      await chat.messages.react(caller('bob'), { ...ref(first?.id), emoji: '👍' });
      const found = await changes(2);
      expect(found.changes.map(({ id, rev }) => [id, rev])).toEqual([
        [third?.id, 3],
        [second?.id, 5],
        [first?.id, 6],
      ]);
      expect(found.changes[1]).toHaveProperty('deletedAt');
      expect(found.changes[2]).toMatchObject({ content: 'edited', reactions: [{ emoji: '👍' }] });
      expect(found).toMatchObject({ head: { seq: 3, rev: 6 }, hasMore: false, tooLong: false });
    });

    test('a truncated page says hasMore, and the following pages end at the head', async () => {
      await say(7);
      const seen: (number | undefined)[] = [];
      let after = 0;
      for (;;) {
        const page = await changes(after);
        seen.push(...page.changes.map(({ rev }) => rev));
        after = page.changes.at(-1)?.rev ?? page.head.rev;
        if (!page.hasMore) break;
      }
      expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
    });

    test('a page that ends at the head says no hasMore', async () => {
      await say(3);
      expect(await changes(0, 3)).toMatchObject({ hasMore: false });
      expect(await changes(3)).toMatchObject({ changes: [], hasMore: false });
    });

    test('changes of members and name are contained in the conversation', async () => {
      await say(1);
      await chat.groups.update(caller('ada'), { conversationId, name: 'New' });
      await chat.membership.add(caller('ada'), { conversationId, userIds: ['cleo'] });
      const found = await changes(1);
      expect(found).toMatchObject({ changes: [], head: { seq: 1, rev: 3 }, hasMore: false });
      expect(found.conversation).toMatchObject({ name: 'New', participants: [{}, {}, { userId: 'cleo' }] });
    });

    test('too many changed rows are tooLong', async () => {
      await say(LIMITS.catchUpChanges + 1);
      expect(await changes(0)).toMatchObject({ changes: [], tooLong: true, head: { seq: LIMITS.catchUpChanges + 1 } });
      expect(await changes(1)).toMatchObject({ tooLong: false, hasMore: true });
    });

    test('many changes of few rows are not tooLong', async () => {
      await say(1);
      const [message] = await chat.history.list('ada', conversationId);
      await chat.sql('UPDATE conversations SET rev = 5000 WHERE id = ?', conversationId);
      await chat.sql('UPDATE messages SET rev = 5000 WHERE id = ?', message?.id ?? '');
      expect(await changes(0)).toMatchObject({ tooLong: false, changes: [{ rev: 5000 }] });
    });

    test('a cursor after the head, as after a restored backup, is tooLong', async () => {
      await say(1);
      expect(await changes(9)).toMatchObject({ tooLong: true, changes: [] });
    });

    test("users who aren't members get NOT_FOUND", async () => {
      const attempt = chat.sync.changes(caller('eve'), conversationId, { after: 0 });
      await expect(attempt).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });
  });

  describe('sync of all conversations', () => {
    test('without changes it returns nothing', async () => {
      await say(2);
      const { inboxRev } = await sync({}, 0);
      expect(await sync({ [conversationId]: 2 }, inboxRev)).toEqual({
        inboxRev,
        conversations: [],
        gained: [],
        heads: {},
        joined: {},
        lost: [],
        reads: [],
      });
    });

    test('an empty account is distinguished from a client that has never synced', async () => {
      const never = await sync({}, 0, 'zoe');
      await chat.say('ada', (await chat.direct('ada', 'zoe')).id, 'hi');
      const [one] = (await sync({}, 0, 'zoe')).gained;
      expect(await sync({}, 0, 'zoe')).toMatchObject({ joined: {} });
      expect(await sync({}, never.inboxRev, 'zoe')).toMatchObject({
        gained: [{ id: one?.id, head: { seq: 1 } }],
        joined: { [one?.id ?? '']: { seq: 0, rev: 0 } },
      });
    });

    test('a user who was added to a conversation gets its current head', async () => {
      const { id } = await chat.group('ada', 'dan');
      await chat.say('ada', id, 'before');
      const { inboxRev } = await sync({}, 0);
      await chat.membership.add(caller('ada'), { conversationId: id, userIds: ['bob'] });
      await chat.say('ada', id, 'after');
      expect((await sync({ [conversationId]: 0 }, inboxRev)).joined).toEqual({ [id]: { seq: 1, rev: 2 } });
    });

    test('a first sync returns the newest conversations whole and the heads of the others', async () => {
      const ids = [conversationId];
      for (let index = 0; index < 4; index += 1) {
        chat.clock.advance(1_000);
        ids.push((await chat.direct('bob', `friend-${index}`)).id);
      }
      const found = await sync({}, 0);
      expect(found.gained.map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 3));
      expect(found.heads).toEqual(Object.fromEntries(ids.slice(0, 2).map((id) => [id, { seq: 0, rev: 0 }])));
      expect(found.lost).toEqual([]);
    });

    test('one reply contains missed messages, gained and lost conversations, read markers and flags', async () => {
      const { id: read } = await chat.direct('bob', 'cleo');
      const { id: flagged } = await chat.direct('bob', 'dan');
      const { id: left } = await chat.group('ada', 'bob');
      const unread = await chat.say('cleo', read, 'hi');
      const before = await sync({}, 0);
      await say(2);
      await chat.receipts.read(caller('bob'), { conversationId: read, messageId: unread.id });
      await chat.conversations.setFlag(caller('bob'), flagged, 'pinned', true);
      await chat.membership.remove(caller('ada'), { conversationId: left, userId: 'bob' });
      const { id: gained } = await chat.group('ada', 'bob');
      const cursors = { [conversationId]: 0, [read]: 1, [flagged]: 0, [left]: 0 };
      const found = await sync(cursors, before.inboxRev);
      expect(found.conversations.map(({ conversationId: id, changes: rows }) => [id, rows.length])).toEqual([
        [conversationId, 2],
        [flagged, 0],
      ]);
      expect(found.conversations[1]).toMatchObject({ conversation: { pinned: true }, hasMore: false });
      expect(found.gained.map(({ id }) => id)).toEqual([gained]);
      expect(found.lost).toEqual([left]);
      const readAt = new Date(chat.clock.now()).toISOString();
      expect(found.reads).toEqual([
        {
          conversationId: read,
          lastReadSeq: 1,
          readAt,
          unreadCount: 0,
          unreadMentions: 0,
          unreadThreads: 0,
          readSeq: 1,
        },
      ]);
      expect(found.heads).toEqual({});
      expect(await sync({ ...cursors, [conversationId]: 2, [gained]: 0 }, found.inboxRev)).toMatchObject({
        conversations: [],
        gained: [],
        reads: [],
      });
    });

    test('foreign and unknown cursors are lost, without a difference', async () => {
      const { id: foreign } = await chat.direct('ada', 'eve');
      await chat.say('ada', foreign, 'psst');
      const { inboxRev } = await sync({}, 0);
      const found = await sync({ [foreign]: 0, nowhere: 0, [conversationId]: 0 }, inboxRev);
      expect(found.lost.toSorted()).toEqual([foreign, 'nowhere'].toSorted());
      expect(found.conversations).toEqual([]);
    });

    test('conversations without a cursor are returned as heads', async () => {
      const { id } = await chat.direct('bob', 'cleo');
      await chat.say('cleo', id, 'hi');
      const { inboxRev } = await sync({}, 0);
      expect((await sync({ [conversationId]: 0 }, inboxRev)).heads).toEqual({ [id]: { seq: 1, rev: 1 } });
    });

    test('a conversation has at most one page, with hasMore', async () => {
      await say(LIMITS.syncChanges + 1);
      const [found] = (await sync({ [conversationId]: 0 }, 1)).conversations;
      expect(found?.changes.map(({ rev }) => rev)).toEqual(Array.from({ length: LIMITS.syncChanges }, (_, n) => n + 1));
      expect(found).toMatchObject({ hasMore: true, tooLong: false });
    });

    test("what doesn't fit in the reply is listed in heads and returned on request", async () => {
      const owed: Record<string, number> = {};
      for (let index = 0; index < 12; index += 1) {
        chat.clock.advance(1_000);
        const { id } = await chat.direct('bob', `friend-${index}`);
        await Promise.all(Array.from({ length: 90 }, (_, n) => chat.say('bob', id, `m${n}`)));
        owed[id] = 0;
      }
      let found = await sync(owed, 1);
      const sizes = [JSON.stringify(found).length];
      const brought: string[] = [];
      for (;;) {
        for (const { conversationId: id, changes: rows, hasMore } of found.conversations) {
          expect([rows.length, hasMore]).toEqual([90, false]);
          brought.push(id);
          delete owed[id];
        }
        expect(Object.keys(found.heads).filter((id) => id !== conversationId)).toEqual(Object.keys(owed).toReversed());
        if (Object.keys(owed).length === 0) break;
        found = await chat.sync.sync(caller('bob'), { cursors: owed, inboxRev: 1, rest: true });
        sizes.push(JSON.stringify(found).length);
      }
      expect(new Set(brought).size).toBe(12);
      expect(Math.max(...sizes)).toBeLessThan(135_000);
    });

    test('a request for the rest returns only what was requested', async () => {
      const { id } = await chat.direct('bob', 'cleo');
      await chat.say('cleo', id, 'hi');
      const cursors = { [conversationId]: 0, nowhere: 0 };
      expect(await chat.sync.sync(caller('bob'), { cursors, inboxRev: 0, rest: true })).toMatchObject({
        conversations: [{ conversationId, changes: [], hasMore: false }],
        gained: [],
        heads: {},
        lost: ['nowhere'],
        reads: [],
      });
    });

    test('a page of long messages is trimmed by size, with at least one message', async () => {
      const long = 'x'.repeat(10_000);
      await Promise.all(Array.from({ length: 30 }, () => chat.say('ada', conversationId, long)));
      const first = (await sync({ [conversationId]: 0 }, 1)).conversations[0];
      expect(first).toMatchObject({ hasMore: true, tooLong: false });
      const revs = first?.changes.map(({ rev }) => rev) ?? [];
      while (revs.length < 30) {
        const page = await changes(revs.at(-1) ?? 0, 200);
        expect(page.changes.length).toBeGreaterThan(0);
        expect(JSON.stringify(page).length).toBeLessThan(135_000);
        revs.push(...page.changes.map(({ rev }) => rev));
        expect(page.hasMore).toBe(revs.length < 30);
      }
      expect(revs).toEqual(Array.from({ length: 30 }, (_, n) => n + 1));
    });

    test("tooLong of one conversation doesn't affect the others", async () => {
      const { id } = await chat.direct('bob', 'cleo');
      await chat.say('cleo', id, 'hi');
      await say(LIMITS.catchUpChanges + 1);
      const found = (await sync({ [conversationId]: 0, [id]: 0 }, 1)).conversations;
      expect(found.find((each) => each.conversationId === conversationId)).toMatchObject({
        tooLong: true,
        changes: [],
      });
      expect(found.find((each) => each.conversationId === id)).toMatchObject({ tooLong: false, changes: [{ seq: 1 }] });
    });

    test('an inboxRev of another database starts a full sync', async () => {
      await say(1);
      const found = await sync({ [conversationId]: 99 }, 1_000);
      expect(found.inboxRev).toBe(2);
      expect(found.conversations).toMatchObject([{ tooLong: true, head: { rev: 1 } }]);
    });

    test('a full sync with cursors returns the followed conversations with markers and flags', async () => {
      await say(1);
      await chat.conversations.setFlag(caller('bob'), conversationId, 'muted', true);
      const found = await sync({ [conversationId]: 1 }, 0);
      expect(found.conversations).toMatchObject([
        { changes: [], hasMore: false, tooLong: false, conversation: { muted: true, unreadCount: 1 } },
      ]);
    });

    test('a conversation that was left and rejoined is returned as it is', async () => {
      const { inboxRev } = await sync({}, 0);
      await chat.membership.remove(caller('ada'), { conversationId, userId: 'bob' });
      await chat.membership.add(caller('ada'), { conversationId, userIds: ['bob'] });
      const found = await sync({ [conversationId]: 0 }, inboxRev);
      expect(found).toMatchObject({ lost: [], gained: [] });
      expect(found.conversations).toMatchObject([{ conversationId, head: { rev: 2 } }]);
    });

    test('ids such as __proto__ or numbers are ordinary ids', async () => {
      for (const id of ['__proto__', '10', '2']) {
        await chat.sql("INSERT INTO conversations (id, type) VALUES (?, 'group')", id);
        await chat.sql('INSERT INTO conversation_participants (conversation_id, user_id) VALUES (?, ?)', id, 'bob');
        await chat.say('bob', id, 'hi');
      }
      const cursors = JSON.parse('{"__proto__":1,"10":1,"2":1}') as Record<string, number>;
      const { inboxRev } = await sync({}, 0, 'bob');
      const found = await sync(cursors, inboxRev - 3);
      expect(found.conversations.map((each) => each.conversationId).toSorted()).toEqual(['10', '2', '__proto__']);
      expect(found.lost).toEqual([]);
      expect(Object.keys(found.heads)).toEqual([conversationId]);
    });
  });
});
