import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../../src/protocol/messages.ts';
import { baseCaller, caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { untilSettled } from '../../helpers/server/until-settled.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';

/** Time in which the receipts of a conversation are collected. */
const COLLECTED_MS = 250;

const NOTHING_UNREAD = { unreadMentions: 0, unreadThreads: 0 };

describe('ReceiptService', () => {
  let chat: Chat;
  let conversationId: string;
  let sent: Message[];
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('ada', 'bob', 'cleo'));
    sent = [];
    for (const sender of ['ada', 'ada', 'bob', 'ada']) sent.push(await chat.say(sender, conversationId, 'hi'));
    chat.broadcaster.take();
    chat.clock.advance(1_000);
  });
  afterEach(() => chat.sqlite.close());

  const read = (userId: string, seq: number, socketId?: string) =>
    chat.receipts.read(caller(userId, socketId), { conversationId, messageId: sent[seq - 1]?.id ?? '' });
  const delivered = async (userId: string, seq: number) => {
    // The first confirmation of an interval is stored at once, the others at its end.
    await untilSettled(chat.clock, chat.receipts.delivered(caller(userId), { conversationId, seq }));
  };
  const statuses = async () =>
    (await chat.history.list('ada', conversationId)).toReversed().map(({ status }) => status);
  const told = () => chat.broadcaster.payloads('message:status').map(({ status, seq }) => `${status} ${seq}`);

  test('a message is delivered when all other members have it', async () => {
    await delivered('bob', 4);
    expect(await statuses()).toEqual(['sent', 'sent', 'sent', 'sent']);
    await delivered('cleo', 2);
    expect(await statuses()).toEqual(['delivered', 'delivered', 'sent', 'sent']);
    expect(chat.broadcaster.pushes.map(({ to }) => to)).toEqual(['user:ada', 'user:ada']);
    expect(told()).toEqual(['delivered 1', 'delivered 2']);
  });

  test('status changes are pushed once, and markers never move back', async () => {
    await delivered('bob', 4);
    await delivered('cleo', 4);
    chat.broadcaster.take();
    await delivered('cleo', 4);
    await delivered('cleo', 1);
    expect(chat.broadcaster.take()).toEqual([]);
    expect(await statuses()).toEqual(['delivered', 'delivered', 'sent', 'delivered']);
  });

  test('a delivery marker never exceeds the newest message', async () => {
    await delivered('bob', 1_000_000);
    await delivered('cleo', 1_000_000);
    expect((await chat.say('ada', conversationId, 'new')).status).toBe('sent');
    expect((await statuses()).at(-1)).toBe('sent');
  });

  test("the status of a slow member's own messages is determined by the other members", async () => {
    await delivered('ada', 4);
    await delivered('cleo', 4);
    // Bob is behind, which is no matter for what bob wrote.
    expect(told()).toEqual(['delivered 3']);
    expect(chat.broadcaster.pushes[0]?.to).toBe('user:bob');
  });

  test("reading a message reads all earlier ones and pushes to the room, the senders and the reader's devices", async () => {
    await read('cleo', 4);
    chat.clock.advance(COLLECTED_MS);
    chat.broadcaster.take();
    const readAt = new Date(chat.clock.now()).toISOString();
    expect(await read('bob', 2, 's1')).toEqual({
      conversationId,
      lastReadSeq: 2,
      unreadCount: 1,
      ...NOTHING_UNREAD,
      firstUnreadId: sent[3]?.id,
      readSeq: 2,
    });
    expect(chat.broadcaster.pushes).toEqual([
      ...['without', 'with'].map((which) => ({
        event: 'read-receipt:update',
        data: { conversationId, messageId: sent[1]?.id, readBy: { userId: 'bob', readAt }, seq: 2 },
        to: `conversation:${conversationId} ${which} batch`,
      })),
      ...[1, 2].map((seq) => ({
        event: 'message:status',
        data: { messageId: sent[seq - 1]?.id, status: 'read', conversationId, seq },
        to: 'user:ada',
      })),
      {
        event: 'conversation:updated',
        data: {
          id: conversationId,
          unreadCount: 1,
          ...NOTHING_UNREAD,
          followedThreads: [],
          firstUnreadId: sent[3]?.id,
          readSeq: 2,
          head: { seq: 4, rev: 4 },
        },
        to: 'user:bob',
      },
    ]);
    expect(await statuses()).toEqual(['read', 'read', 'sent', 'sent']);
  });

  test('a read message counts as delivered', async () => {
    await delivered('cleo', 4);
    await read('bob', 4);
    expect(await statuses()).toEqual(['delivered', 'delivered', 'sent', 'delivered']);
    expect(told()).toEqual(['delivered 1', 'delivered 2', 'delivered 4']);
  });

  test('reading an earlier message changes and pushes nothing', async () => {
    await read('bob', 4);
    chat.broadcaster.take();
    expect(await read('bob', 1)).toEqual({
      conversationId,
      lastReadSeq: 4,
      unreadCount: 0,
      ...NOTHING_UNREAD,
      readSeq: 4,
    });
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test('readers are listed with the time, without the sender', async () => {
    await read('bob', 2);
    chat.clock.advance(5_000);
    await read('bob', 4);
    await read('ada', 4);
    const [first, second, third, fourth] = (await chat.history.list('cleo', conversationId)).toReversed();
    const at = (ms: number) => new Date(chat.clock.now() - ms).toISOString();
    expect(second?.readBy).toEqual([{ userId: 'bob', readAt: at(5_000) }]);
    // No receipt names the first one: it was passed when the mark last moved.
    expect(first?.readBy).toEqual([{ userId: 'bob', readAt: at(0) }]);
    expect(third?.readBy).toEqual([{ userId: 'ada', readAt: at(0) }]);
    expect(fourth?.readBy).toEqual([{ userId: 'bob', readAt: at(0) }]);
  });

  test('the LumenJS receipt is written for the named message', async () => {
    await read('bob', 2);
    const rows = await chat.sql('SELECT message_id, user_id FROM read_receipts');
    expect(rows).toEqual([{ message_id: Number(sent[1]?.id), user_id: 'bob' }]);
  });

  test('participants carry their markers', async () => {
    await read('bob', 2);
    const lastReadAt = new Date(chat.clock.now()).toISOString();
    await delivered('bob', 3);
    const { participants } = await chat.conversations.get(caller('ada'), conversationId);
    expect(participants.find(({ userId }) => userId === 'bob')).toMatchObject({
      lastReadSeq: 2,
      lastReadAt,
      lastDeliveredSeq: 3,
    });
  });

  test('at most fifty status changes per sender are pushed, the newest ones', async () => {
    const { id } = await chat.direct('ada', 'bob');
    await Promise.all(Array.from({ length: 70 }, () => chat.say('ada', id, 'hi')));
    chat.broadcaster.take();
    await chat.receipts.delivered(caller('bob'), { conversationId: id, seq: 70 });
    const seqs = chat.broadcaster.payloads('message:status').map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 50 }, (_, index) => index + 21));
  });

  test('messages that are read one by one at the same moment all become read, and each reading is pushed', async () => {
    const { id } = await chat.direct('ada', 'bob');
    const messages = await Promise.all(Array.from({ length: 60 }, () => chat.say('ada', id, 'hi')));
    chat.broadcaster.take();
    await Promise.all(
      messages.map((message) =>
        chat.receipts.read(baseCaller('bob', 's1'), { conversationId: id, messageId: message.id }),
      ),
    );
    const seqs = messages.map(({ seq }) => seq);
    expect(chat.broadcaster.payloads('message:status').map(({ status, seq }) => `${status} ${seq}`)).toEqual(
      seqs.map((seq) => `read ${seq}`),
    );
    const single = chat.broadcaster.pushes.filter(({ to }) => to === `conversation:${id} without batch`);
    expect(single.map(({ data }) => data)).toMatchObject(seqs.map((seq) => ({ seq, readBy: { userId: 'bob' } })));
  });

  test('jumps that are written together have the status changes of each jump', async () => {
    const { id } = await chat.direct('ada', 'bob');
    const messages = await Promise.all(Array.from({ length: 200 }, () => chat.say('ada', id, 'hi')));
    chat.broadcaster.take();
    const named = [100, 200].map((seq) => messages.find((message) => message.seq === seq)?.id ?? '');
    await Promise.all(named.map((messageId) => chat.receipts.read(caller('bob'), { conversationId: id, messageId })));
    const seqs = chat.broadcaster.payloads('message:status').map(({ seq }) => seq);
    const range = (from: number) => Array.from({ length: 50 }, (_, index) => from + index);
    expect(seqs).toEqual([...range(51), ...range(151)]);
  });

  test('a tombstone has no status', async () => {
    await chat.messages.delete(caller('ada'), { conversationId, messageId: sent[1]?.id ?? '' });
    chat.broadcaster.take();
    await delivered('bob', 4);
    await delivered('cleo', 4);
    expect(told()).toEqual(['delivered 1', 'delivered 4']);
  });

  test('a message without other members stays sent', async () => {
    const { id } = await chat.group('ada');
    const { id: messageId } = await chat.say('ada', id, 'note');
    await chat.receipts.read(caller('ada'), { conversationId: id, messageId });
    expect((await chat.history.get('ada', messageId)).status).toBe('sent');
  });

  test('markers require membership and a message of the same conversation', async () => {
    await expect(read('eve', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(delivered('eve', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    // Also while the confirmations of the members are collected: a user who isn't one would learn of them by the delay.
    await chat.receipts.delivered(caller('bob'), { conversationId, seq: 1 });
    await expect(chat.receipts.delivered(caller('eve'), { conversationId, seq: 1 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const other = await chat.direct('bob', 'ada');
    const ref = { conversationId: other.id, messageId: sent[0]?.id ?? '' };
    await expect(chat.receipts.read(caller('bob'), ref)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('receipts in a large group', () => {
  const MEMBERS = 200;
  const members = Array.from({ length: MEMBERS }, (_, index) => `member-${index}`);
  let db: DatabaseSync;
  let chat: Chat;
  let conversationId: string;
  let messageId: string;
  let statements: string[];
  beforeEach(async () => {
    db = new DatabaseSync(':memory:');
    statements = [];
    watchStatements(db, (sql) => statements.push(sql));
    chat = await startChat({ db });
    ({ id: conversationId } = await chat.group('ada', ...members));
    ({ id: messageId } = await chat.say('ada', conversationId, 'hello'));
    chat.broadcaster.take();
    statements = [];
  });
  afterEach(() => db.close());

  const readAll = (userIds: readonly string[]) =>
    Promise.all(userIds.map((userId) => chat.receipts.read(caller(userId), { conversationId, messageId })));
  /** The pushes of receipts to the conversation. Each is a frame for every member. */
  const frames = (which: 'with' | 'without') =>
    chat.broadcaster.pushes.filter(({ to }) => to === `conversation:${conversationId} ${which} batch`);
  const readers = () =>
    frames('with').flatMap(({ event, data }) => {
      if (event === 'read-receipt:update') return [data.readBy.userId];
      return event === 'read-receipt:collected' ? data.receipts.flatMap(({ userIds }) => userIds) : [];
    });

  test('all members read a message at the same moment: two frames each, and a few statements in all', async () => {
    expect(await readAll(members)).toHaveLength(MEMBERS);
    chat.clock.advance(COLLECTED_MS);
    expect(frames('with')).toHaveLength(2);
    expect(readers()).toEqual(members);
    expect(statements.length).toBeLessThan(MEMBERS / 4);
    expect((await chat.history.get('ada', messageId)).status).toBe('read');
    expect(chat.broadcaster.payloads('message:status')).toEqual([
      { messageId, status: 'read', conversationId, seq: 1 },
    ]);
    expect(chat.broadcaster.payloads('conversation:updated')).toHaveLength(MEMBERS);
  });

  test('members read a message one after the other: a frame for each interval', async () => {
    for (const [index, userId] of members.entries()) {
      await readAll([userId]);
      if (index % 50 === 49) chat.clock.advance(COLLECTED_MS);
    }
    expect(frames('with').map(({ event }) => event)).toEqual([
      'read-receipt:update',
      ...Array.from({ length: 4 }, () => 'read-receipt:collected'),
    ]);
    expect(readers()).toEqual(members);
  });

  test('clients without batches receive the receipts of fifty readers at once, and of fifty more at the end', async () => {
    const { id: second } = await chat.say('ada', conversationId, 'second');
    chat.broadcaster.take();
    const single = () =>
      frames('without').map(({ event, data }) =>
        event === 'read-receipt:update' ? `${data.readBy.userId} ${data.seq}` : event,
      );
    const expected = (from: number, to: number, seq: number) => members.slice(from, to).map((each) => `${each} ${seq}`);
    await readAll(members.slice(0, 20));
    expect(single()).toEqual(expected(0, 20, 1));
    await readAll(members.slice(20));
    const atOnce = expected(0, 50, 1);
    expect(single()).toEqual(atOnce);
    // One of the first fifty readers reads on, and one of the others.
    for (const userId of ['member-49', 'member-50']) {
      await chat.receipts.read(caller(userId), { conversationId, messageId: second });
    }
    expect(single()).toEqual([...atOnce, 'member-49 2']);
    chat.clock.advance(COLLECTED_MS);
    expect(single()).toEqual([...atOnce, 'member-49 2', 'member-50 2', ...expected(51, 100, 1)]);
    // Nothing is pushed twice.
    chat.clock.advance(COLLECTED_MS);
    expect(single()).toHaveLength(101);
  });

  test('of each reader the furthest receipt is collected', async () => {
    const { id } = await chat.say('ada', conversationId, 'second');
    chat.broadcaster.take();
    const read = (userId: string, named: string) =>
      chat.receipts.read(caller(userId), { conversationId, messageId: named });
    await read('member-0', messageId);
    await read('member-1', messageId);
    await read('member-2', messageId);
    await read('member-1', id);
    chat.clock.advance(COLLECTED_MS);
    const readAt = new Date(chat.clock.now() - COLLECTED_MS).toISOString();
    expect(frames('with').map(({ data }) => data)).toEqual([
      { conversationId, messageId, readBy: { userId: 'member-0', readAt }, seq: 1 },
      {
        conversationId,
        receipts: [
          { messageId: id, seq: 2, readAt, userIds: ['member-1'] },
          { messageId, seq: 1, readAt, userIds: ['member-2'] },
        ],
      },
    ]);
  });

  test('confirmations of an interval are stored in few transactions, and acknowledged when they are', async () => {
    const [first = '', ...others] = members;
    await chat.receipts.delivered(caller(first), { conversationId, seq: 1 });
    const writes = () => statements.filter((sql) => sql.includes('do update set last_delivered_seq')).length;
    expect(writes()).toBe(1);
    let acknowledged = 0;
    const waiting: Promise<unknown>[] = [];
    for (const userId of others) {
      waiting.push(chat.receipts.delivered(caller(userId), { conversationId, seq: 1 }).then(() => (acknowledged += 1)));
      // Another transaction, which a confirmation that did not wait would join.
      await chat.store.write(function* () {});
    }
    expect([acknowledged, writes()]).toEqual([0, 1]);
    chat.clock.advance(COLLECTED_MS);
    await Promise.all(waiting);
    expect(writes()).toBeLessThanOrEqual(3);
    expect((await chat.history.get('ada', messageId)).status).toBe('delivered');
  });

  test('no statement visits all members, or the list of readers for each of them', async () => {
    const deliver = (userId: string) => chat.receipts.delivered(caller(userId), { conversationId, seq: 1 });
    await untilSettled<unknown>(chat.clock, readAll(members.slice(0, 5)), ...members.slice(5, 9).map(deliver));
    const visited = [...new Set(statements)].flatMap((sql) => {
      // The lowest markers are the first entries of an index.
      if (!sql.includes('participants') || sql.includes('limit 2')) return [];
      const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...Array.from(sql.matchAll(/\?/g), () => '[]'));
      const steps = plan.map(({ detail }) => String(detail));
      return steps.filter((step) => /(?:SCAN|SEARCH) (?:p|conversation_participants) (?!.*user_id=)/.test(step));
    });
    expect(visited).toEqual([]);
  });

  test('a request that is rejected does not affect those that are written with it', async () => {
    const results = await Promise.allSettled([
      chat.receipts.read(caller('member-0'), { conversationId, messageId }),
      chat.receipts.read(caller('eve'), { conversationId, messageId }),
      chat.receipts.read(caller('member-1'), { conversationId, messageId: '4711' }),
      chat.receipts.read(caller('member-2'), { conversationId, messageId: 'client-id' }),
      chat.receipts.read(caller('member-3'), { conversationId, messageId }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'NOT_FOUND' } });
  });

  test('a receipt for a message that was sent in the same moment is stored', async () => {
    const first = chat.receipts.read(caller('member-1'), { conversationId, messageId });
    const sending = chat.say('member-0', conversationId, 'mine', { clientId: 'mine' });
    const second = chat.receipts.read(caller('member-0'), { conversationId, messageId: 'mine' });
    await Promise.all([first, sending]);
    expect(await second).toMatchObject({ lastReadSeq: 2, unreadCount: 0 });
  });

  test('the database rejects the receipt of one reader: those of the others are stored', async () => {
    db.exec(`CREATE TRIGGER no_receipt BEFORE INSERT ON read_receipts WHEN NEW.user_id = 'member-1'
      BEGIN SELECT RAISE(ABORT, 'no'); END`);
    const results = await Promise.allSettled(
      members.slice(0, 3).map((userId) => chat.receipts.read(caller(userId), { conversationId, messageId })),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    const { participants } = await chat.conversations.get(caller('member-0'), conversationId);
    const marks = ['member-0', 'member-1'].map((id) => participants.find(({ userId }) => userId === id)?.lastReadSeq);
    expect(marks).toEqual([1, 0]);
  });
});
