import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Conversation } from '../../../src/protocol/conversations.ts';
import type { Message, SendMessage } from '../../../src/protocol/messages.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';

describe('threads', () => {
  let chat: Chat;
  let id: string;
  let root: Message;
  beforeEach(async () => {
    chat = await startChat();
    ({ id } = await chat.group('ada', 'bob', 'eve'));
    root = await chat.say('ada', id, 'the root');
    chat.broadcaster.take();
  });
  afterEach(() => chat.sqlite.close());

  const reply = (userId: string, content: string, more: Partial<SendMessage> = {}): Promise<Message> =>
    chat.say(userId, id, content, { threadId: root.id, ...more });
  const page = async (query: Parameters<Chat['history']['page']>[2], reader = 'bob'): Promise<string[]> => {
    const { messages } = await chat.history.page(reader, id, query);
    return (JSON.parse(messages) as Message[]).map(({ content }) => content);
  };
  const seenBy = (userId: string): Promise<Conversation> => chat.conversations.get(caller(userId), id);
  const thread = async (): Promise<Message['thread']> => (await chat.history.get('bob', root.id)).thread;

  test('a reply has positions, and the root counts it and is pushed before it, in the order of the revisions', async () => {
    const sent = await reply('bob', 'a reply');
    expect(sent).toMatchObject({ threadId: root.id, threadSeq: 1, seq: 2, rev: 3 });
    expect(sent).not.toHaveProperty('timelineSeq');
    const pushed = chat.broadcaster.pushes.map(({ event, data }) => [
      event,
      (data as Message).id,
      (data as Message).rev,
    ]);
    expect(pushed).toEqual([
      ['message:updated', root.id, 2],
      ['message:new', sent.id, 3],
    ]);
    expect(await thread()).toEqual({ replyCount: 1, lastReplyAt: sent.createdAt, participantIds: ['bob'] });
    expect(await chat.say('eve', id, 'later')).toMatchObject({ seq: 3, timelineSeq: 2 });
  });

  test('a reply to a reply belongs to the same root', async () => {
    const first = await reply('bob', 'first');
    expect(await reply('eve', 'second', { threadId: first.id })).toMatchObject({ threadId: root.id, threadSeq: 2 });
    expect(await thread()).toMatchObject({ replyCount: 2, participantIds: ['eve', 'bob'] });
  });

  test('a thread names five users, those who replied last, each once', async () => {
    const many = ['u1', 'u2', 'u3', 'u4', 'u5', 'u6'];
    await chat.membership.add(caller('ada'), { conversationId: id, userIds: many });
    for (const userId of [...many, 'u2']) await reply(userId, 'a reply');
    expect(await thread()).toMatchObject({ replyCount: 7, participantIds: ['u2', 'u6', 'u5', 'u4', 'u3'] });
  });

  test.each<[title: string, threadId: () => Promise<string>]>([
    ['an unknown message', async () => '999'],
    [
      'a message of another conversation',
      async () => (await chat.say('bob', (await chat.direct('bob', 'eve')).id, 'x')).id,
    ],
  ])('a reply to %s is rejected', async (_title, threadId) => {
    await expect(reply('bob', 'x', { threadId: await threadId() })).rejects.toMatchObject({ code: 'INVALID' });
  });

  test('strangers and removed members can neither reply nor read, as if there were no conversation', async () => {
    await reply('bob', 'a reply');
    await chat.membership.remove(caller('ada'), { conversationId: id, userId: 'bob' });
    for (const userId of ['bob', 'mallory']) {
      await expect(reply(userId, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(page({ threadId: root.id }, userId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      for (const threadId of [root.id, '999']) {
        const request = { conversationId: id, threadId, messageId: root.id };
        await expect(chat.threads.read(caller(userId), request)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }
      const marked = chat.threads.markUnread(caller(userId), { conversationId: id, messageId: root.id });
      await expect(marked).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  test('the pages of the main timeline and of a thread each have their own messages; a page of a base client has all', async () => {
    const sent: Record<string, Message> = {};
    for (const name of ['r1', 'r2', 'r3', 'r4']) sent[name] = await reply('bob', name);
    for (const name of ['m1', 'm2']) sent[name] = await chat.say('eve', id, name);
    sent['r5'] = await reply('ada', 'r5', { alsoInConversation: true });
    expect(await page({})).toEqual(['r5', 'm2', 'm1', 'r4', 'r3', 'r2', 'r1', 'the root']);
    expect(await page({ timeline: 'main' })).toEqual(['r5', 'm2', 'm1', 'the root']);
    const idOf = (name: string): string => sent[name]?.id ?? '';
    expect(await page({ timeline: 'main', before: idOf('m2'), limit: 1 })).toEqual(['m1']);
    expect(await page({ timeline: 'main', before: idOf('m1') })).toEqual(['the root']);
    expect(await page({ timeline: 'main', after: root.id, limit: 2 })).toEqual(['m2', 'm1']);
    expect(await page({ timeline: 'main', around: idOf('m1'), limit: 3 })).toEqual(['m2', 'm1', 'the root']);
    expect(await page({ threadId: root.id })).toEqual(['r5', 'r4', 'r3', 'r2', 'r1']);
    expect(await page({ threadId: idOf('r2'), before: idOf('r3') })).toEqual(['r2', 'r1']);
    expect(await page({ threadId: root.id, after: idOf('r3'), limit: 1 })).toEqual(['r4']);
    expect(await page({ threadId: root.id, around: idOf('r3'), limit: 3 })).toEqual(['r4', 'r3', 'r2']);
    expect((await seenBy('bob')).lastMessage).toMatchObject({ content: 'r5', timelineSeq: 4 });
  });

  test('replies count as unread in their thread only, unless they are in the main timeline too', async () => {
    await chat.receipts.read(caller('bob'), { conversationId: id, messageId: root.id });
    await reply('bob', 'mine');
    await reply('ada', 'side');
    expect(await seenBy('bob')).toMatchObject({
      unreadCount: 0,
      unreadThreads: 1,
      followedThreads: [{ id: root.id, unread: true }],
      lastMessage: { content: 'the root' },
    });
    const both = await reply('eve', 'both', { alsoInConversation: true });
    await chat.say('bob', id, 'own');
    await chat.say('eve', id, 'main');
    expect(await seenBy('bob')).toMatchObject({ unreadCount: 2, firstUnreadId: both.id, unreadThreads: 1 });
    const [listed] = await chat.conversations.list(caller('bob'));
    expect(listed).toEqual(await seenBy('bob'));
  });

  test('the author of the root, those who reply and those who are mentioned follow a thread, and nobody else', async () => {
    await chat.membership.add(caller('ada'), { conversationId: id, userIds: ['dan'] });
    const other = await chat.say('ada', id, 'for dan', { mentions: ['dan'] });
    await chat.say('bob', id, 'hello', { threadId: other.id });
    expect((await seenBy('ada')).followedThreads).toEqual([{ id: other.id, unread: true }]);
    expect((await seenBy('bob')).followedThreads).toEqual([{ id: other.id, unread: false }]);
    expect((await seenBy('dan')).followedThreads).toEqual([{ id: other.id, unread: true }]);
    expect((await seenBy('eve')).unreadThreads).toBe(0);
    await chat.say('bob', id, 'eve?', { threadId: other.id, mentions: ['eve'] });
    expect(await seenBy('eve')).toMatchObject({ unreadThreads: 1, unreadMentions: 1 });
  });

  test('thread:read clears the thread and its mentions on all devices of the user, and moves no receipt', async () => {
    const sent = await reply('bob', 'hello', { mentions: ['eve'] });
    chat.broadcaster.take();
    await chat.threads.read(caller('eve'), { conversationId: id, threadId: root.id, messageId: sent.id });
    expect(chat.broadcaster.pushes).toMatchObject([
      {
        event: 'conversation:updated',
        data: { id, unreadThreads: 0, unreadMentions: 0, unreadCount: 1 },
        to: 'user:eve',
      },
    ]);
    expect(await seenBy('eve')).toMatchObject({ unreadThreads: 0, unreadMentions: 0, unreadCount: 1 });
    chat.broadcaster.take();
    // Nothing has changed, so nothing is pushed.
    await chat.threads.read(caller('eve'), { conversationId: id, threadId: root.id, messageId: sent.id });
    expect(chat.broadcaster.take()).toEqual([]);
    await reply('bob', 'again');
    expect(await seenBy('eve')).toMatchObject({ unreadThreads: 1 });
  });

  test('an own reply leaves earlier replies of others unread', async () => {
    await reply('bob', 'one');
    expect((await seenBy('ada')).unreadThreads).toBe(1);
    await reply('ada', 'answer');
    expect((await seenBy('ada')).unreadThreads).toBe(1);
    expect((await seenBy('bob')).unreadThreads).toBe(1);
  });

  test('deleting replies and the root keeps all counts right', async () => {
    const first = await reply('bob', 'first');
    const second = await reply('eve', 'second', { mentions: ['ada'] });
    await chat.say('bob', id, 'main');
    expect(await seenBy('ada')).toMatchObject({ unreadCount: 1, unreadThreads: 1, unreadMentions: 1 });
    chat.broadcaster.take();
    await chat.messages.delete(caller('eve'), { conversationId: id, messageId: second.id });
    expect(chat.broadcaster.pushes.map(({ event }) => event)).toEqual([
      'message:deleted',
      'message:updated',
      'message:updated',
    ]);
    expect(await thread()).toEqual({ replyCount: 1, lastReplyAt: first.createdAt, participantIds: ['bob'] });
    expect(await seenBy('ada')).toMatchObject({ unreadCount: 1, unreadThreads: 1, unreadMentions: 0 });
    await chat.messages.delete(caller('bob'), { conversationId: id, messageId: first.id });
    expect(await thread()).toMatchObject({ replyCount: 0, participantIds: [] });
    expect(await seenBy('ada')).toMatchObject({ unreadCount: 1, unreadThreads: 0 });
    await chat.messages.delete(caller('ada'), { conversationId: id, messageId: root.id });
    expect(await reply('bob', 'third')).toMatchObject({ threadSeq: 3 });
    expect(await thread()).toMatchObject({ replyCount: 1 });
    expect(await seenBy('bob')).toMatchObject({ unreadCount: 0 });
  });

  test('a batch may contain a root and replies to it, and stores each once', async () => {
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => `00000000-0000-7000-8000-00000000000${name}`);
    const request = (clientId: string | undefined, content: string, threadId?: string): SendMessage => ({
      conversationId: id,
      content,
      type: 'text',
      clientId,
      ...(threadId !== undefined && { threadId }),
    });
    const requests = [request(a, 'root'), request(b, 'one', a), request(c, 'main'), request(d, 'two', b)];
    const sent = (await chat.sending.sendAll(caller('bob'), requests)).map((each) =>
      each.status === 'fulfilled' ? each.value : undefined,
    );
    const [first] = sent;
    expect(sent[1]).toMatchObject({ threadId: first?.id, threadSeq: 1 });
    expect(sent[2]).toMatchObject({ timelineSeq: 3 });
    expect(sent[3]).toMatchObject({ threadId: first?.id, threadSeq: 2 });
    const revs = chat.broadcaster.pushes.map(({ data }) => (data as Message).rev);
    chat.broadcaster.take();
    expect(revs).toEqual(revs.map((_, at) => 2 + at));
    expect((await chat.sending.sendAll(caller('bob'), requests)).map((each) => each.status)).toEqual(
      Array(4).fill('fulfilled'),
    );
    expect(chat.broadcaster.take()).toEqual([]);
    expect(await chat.history.get('bob', first?.id ?? '')).toMatchObject({ thread: { replyCount: 2 } });
  });
});

/** The chat services on a database whose statements are counted. */
async function startCounted(): Promise<{ chat: Chat; db: DatabaseSync; count: () => number }> {
  const db = new DatabaseSync(':memory:');
  let statements = 0;
  watchStatements(db, () => (statements += 1));
  const chat = await startChat({ db });
  chat.sqlite.close();
  return { chat, db, count: () => statements };
}

test('a reply costs the same number of statements and rows, however many users follow the thread', async () => {
  const costOf = async (followers: number): Promise<[statements: number, rows: number]> => {
    const { chat, db, count } = await startCounted();
    const users = Array.from({ length: 300 }, (_, at) => `user-${at}`);
    const { id } = await chat.group('ada', 'bob', ...users);
    const { id: threadId } = await chat.say('ada', id, 'a root');
    for (const userId of users.slice(0, followers)) await chat.say(userId, id, 'I follow', { threadId });
    await chat.say('bob', id, 'first', { threadId });
    const rows = (): number => Number(db.prepare('select total_changes() as changes').get()?.['changes']);
    const before = { statements: count(), rows: rows() };
    await chat.say('bob', id, 'again', { threadId });
    const cost: [number, number] = [count() - before.statements, rows() - before.rows];
    db.close();
    return cost;
  };
  const few = await costOf(6);
  expect(few[0]).toBeGreaterThan(5);
  expect(await costOf(300)).toEqual(few);
});

test('an inbox with threads and mentions takes as many statements as one without', async () => {
  const costOf = async (isFull: boolean): Promise<number> => {
    const { chat, db, count } = await startCounted();
    for (let at = 0; at < 50; at += 1) {
      const { id } = await chat.group('ada', 'bob');
      const { id: threadId } = await chat.say('ada', id, 'a root');
      if (isFull) await chat.say('bob', id, 'a reply', { threadId, mentions: ['ada'] });
    }
    const before = count();
    const listed = await chat.conversations.list(caller('ada'));
    const statements = count() - before;
    expect(listed).toHaveLength(50);
    expect(listed.every(({ unreadMentions: mentions, unreadThreads }) => mentions === 1 && unreadThreads === 1)).toBe(
      isFull,
    );
    db.close();
    return statements;
  };
  const without = await costOf(false);
  expect(without).toBeGreaterThan(3);
  expect(await costOf(true)).toBe(without);
});

describe('mentions', () => {
  let chat: Chat;
  let id: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id } = await chat.group('ada', 'bob', 'eve'));
  });
  afterEach(() => chat.sqlite.close());

  const seenBy = (userId: string): Promise<Conversation> => chat.conversations.get(caller(userId), id);

  test('are stored with the message and counted apart, but not for the sender', async () => {
    const sent = await chat.say('ada', id, 'hello', { mentions: ['bob', 'ada'] });
    expect(sent.mentions).toEqual(['bob', 'ada']);
    expect(await chat.history.get('eve', sent.id)).toMatchObject({ mentions: ['bob', 'ada'] });
    expect(await seenBy('ada')).toMatchObject({ unreadMentions: 0 });
    expect(await seenBy('eve')).toMatchObject({ unreadMentions: 0, unreadCount: 1 });
    expect(await seenBy('bob')).toMatchObject({ unreadMentions: 1, unreadCount: 1 });
    await chat.receipts.read(caller('bob'), { conversationId: id, messageId: sent.id });
    expect(await seenBy('bob')).toMatchObject({ unreadMentions: 0, unreadCount: 0 });
  });

  test('of users who are no participants are rejected', async () => {
    const attempt = chat.say('ada', id, 'hello', { mentions: ['bob', 'mallory'] });
    await expect(attempt).rejects.toMatchObject({ code: 'INVALID' });
    await expect(chat.say('mallory', id, 'hello', { mentions: ['bob'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('change with an edit, and are removed with the message', async () => {
    const { id: messageId } = await chat.say('ada', id, 'hello', { mentions: ['bob'] });
    const ref = { conversationId: id, messageId };
    const edited = await chat.messages.edit(caller('ada'), { ...ref, content: 'hello', mentions: ['eve'] });
    expect(edited).toMatchObject({ mentions: ['eve'], rev: 2 });
    expect([(await seenBy('bob')).unreadMentions, (await seenBy('eve')).unreadMentions]).toEqual([0, 1]);
    expect(await chat.messages.edit(caller('ada'), { ...ref, content: 'hi' })).toMatchObject({ mentions: ['eve'] });
    const invalid = chat.messages.edit(caller('ada'), { ...ref, content: 'hi', mentions: ['mallory'] });
    await expect(invalid).rejects.toMatchObject({ code: 'INVALID' });
    expect(await chat.messages.delete(caller('ada'), ref)).not.toHaveProperty('mentions');
    expect(await seenBy('eve')).toMatchObject({ unreadMentions: 0, unreadCount: 0 });
  });
});

describe('conversation:mark-unread', () => {
  let chat: Chat;
  let id: string;
  let sent: Message[];
  beforeEach(async () => {
    chat = await startChat();
    ({ id } = await chat.group('ada', 'bob', 'eve'));
    sent = [];
    for (const content of ['one', 'two', 'three']) sent.push(await chat.say('ada', id, content, { mentions: ['bob'] }));
    await chat.receipts.read(caller('bob'), { conversationId: id, messageId: sent[2]?.id ?? '' });
    chat.broadcaster.take();
  });
  afterEach(() => chat.sqlite.close());

  const seenBy = (userId: string): Promise<Conversation> => chat.conversations.get(caller(userId), id);
  const mark = (at: number): Promise<unknown> =>
    chat.threads.markUnread(caller('bob'), { conversationId: id, messageId: sent[at]?.id ?? '' });
  const markOf = ({ participants }: Conversation): number | undefined =>
    participants.find(({ userId }) => userId === 'bob')?.lastReadSeq;

  test('moves the own position back, tells all devices of the user, and leaves what others see', async () => {
    expect(await mark(1)).toMatchObject({ unreadCount: 2, unreadMentions: 2, firstUnreadId: sent[1]?.id, readSeq: 1 });
    const pushes = [...chat.broadcaster.pushes];
    chat.broadcaster.take();
    expect(pushes.map(({ to }) => to)).toEqual(['user:bob']);
    expect(pushes[0]?.data).toMatchObject({ id, unreadCount: 2, unreadMentions: 2, firstUnreadId: sent[1]?.id });
    expect(await seenBy('bob')).toMatchObject({ unreadCount: 2, firstUnreadId: sent[1]?.id });
    expect(markOf(await seenBy('ada'))).toBe(3);
    // Already unread.
    await mark(2);
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test('reading again ends it, in part or as a whole, without receipts', async () => {
    await mark(0);
    chat.broadcaster.take();
    const read = (at: number): Promise<unknown> =>
      chat.receipts.read(caller('bob'), { conversationId: id, messageId: sent[at]?.id ?? '' });
    expect(await read(1)).toMatchObject({ unreadCount: 1, firstUnreadId: sent[2]?.id, lastReadSeq: 3 });
    expect(await read(2)).toMatchObject({ unreadCount: 0 });
    expect(chat.broadcaster.pushes.map(({ to }) => to)).toEqual(['user:bob', 'user:bob']);
    expect(await seenBy('bob')).toMatchObject({ unreadCount: 0, unreadMentions: 0 });
    await mark(0);
    await chat.say('ada', id, 'four');
    expect(await seenBy('bob')).toMatchObject({ unreadCount: 4 });
    await chat.receipts.read(caller('bob'), { conversationId: id, messageId: sent[1]?.id ?? '' });
    expect(await seenBy('bob')).toMatchObject({ unreadCount: 2 });
  });

  test('reaches devices that were offline with the next sync', async () => {
    const { inboxRev } = await chat.sync.sync(caller('bob'), { cursors: {}, inboxRev: 0 });
    await mark(2);
    const { reads } = await chat.sync.sync(caller('bob'), { cursors: { [id]: 3 }, inboxRev });
    expect(reads).toEqual([
      expect.objectContaining({ conversationId: id, unreadCount: 1, firstUnreadId: sent[2]?.id }),
    ]);
  });
});
