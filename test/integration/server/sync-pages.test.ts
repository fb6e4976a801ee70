import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SyncResult } from '../../../src/protocol/conversations.ts';
import { bytesOf } from '../../../src/server/services/chat/sync-budget.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { addConversations } from '../../helpers/server/many-conversations.ts';

const MAX_BYTES = 262_144;
const COUNT = 3_000;

describe('a user in thousands of conversations', () => {
  let chat: Chat;
  let ids: string[];
  beforeEach(async () => {
    chat = await startChat();
    ids = await addConversations(chat.db, COUNT, ['ada', 'bob']);
  });
  afterEach(() => chat.sqlite.close());

  const sync = async (cursors: Record<string, number>, inboxRev: number): Promise<SyncResult> => {
    const found = await chat.sync.sync(caller('bob'), { cursors, inboxRev });
    expect(bytesOf(found)).toBeLessThan(MAX_BYTES);
    return found;
  };
  /** Requests the pages that an answer names. */
  const pagesOf = async ({ next }: SyncResult, inboxRev: number): Promise<SyncResult[]> => {
    const pages: SyncResult[] = [];
    for (let after = next; after !== undefined; after = pages.at(-1)?.next) {
      const page = await chat.sync.sync(caller('bob'), { cursors: {}, inboxRev, after });
      expect(bytesOf(page)).toBeLessThan(MAX_BYTES);
      pages.push(page);
    }
    return pages;
  };
  const cursorsAt = (rev: number): Record<string, number> => Object.fromEntries(ids.map((id) => [id, rev]));
  /** The revision of a conversation: two members and a message. */
  const REV = 3;

  test('a first sync is bounded, and its pages list the heads of all conversations once', async () => {
    const first = await sync({}, 0);
    expect(first.next).toBe('');
    expect(first.gained[0]?.id).toBe(ids.at(-1));
    const pages = await pagesOf(first, 0);
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flatMap(({ heads }) => Object.keys(heads))).toEqual(ids);
    expect(pages.every(({ stale, joined }) => stale === undefined && Object.keys(joined ?? {}).length === 0)).toBe(
      true,
    );
  });

  test('an answer about changes everywhere is bounded: the newest are returned, then listed, and all are paged', async () => {
    const { inboxRev } = await sync({}, 0);
    const found = await sync(cursorsAt(REV - 1), inboxRev);
    const told = [...found.conversations.map(({ conversationId }) => conversationId), ...Object.keys(found.heads)];
    expect(told.toSorted()).toEqual(ids.slice(-told.length));
    expect(told.length).toBeLessThan(COUNT);
    const pages = await pagesOf(found, inboxRev);
    expect(pages.flatMap(({ heads }) => Object.keys(heads))).toEqual(ids);
  });

  test('an answer without many changes has no further pages', async () => {
    const { inboxRev } = await sync({}, 0);
    expect(await sync(cursorsAt(REV), inboxRev)).toMatchObject({ conversations: [], heads: {}, lost: [] });
    expect(await sync(cursorsAt(REV), inboxRev)).not.toHaveProperty('next');
  });

  test('pages name the conversations with changed flags and read markers, and those that were joined', async () => {
    const { inboxRev } = await sync({}, 0);
    for (const id of ids.slice(0, 300)) {
      chat.clock.advance(1);
      await chat.receipts.read(caller('bob'), { conversationId: id, messageId: String(ids.indexOf(id) + 1) });
    }
    await chat.conversations.setFlag(caller('bob'), ids[400] ?? '', 'muted', true);
    const { id: joined } = await chat.group('ada', 'bob');
    const found = await sync(cursorsAt(REV), inboxRev);
    expect(found.next).toBe('');
    expect(found.reads.length).toBeLessThan(300);
    const pages = await pagesOf(found, inboxRev);
    expect(pages.flatMap(({ stale = [] }) => stale).toSorted()).toEqual([...ids.slice(0, 300), ids[400]]);
    expect(pages.flatMap((page) => Object.keys(page.joined ?? {}))).toEqual([joined]);
  });

  test('after a restored backup a page does not say which conversations are stale', async () => {
    const found = await sync(cursorsAt(REV), 1_000_000);
    const pages = await pagesOf(found, 1_000_000);
    expect(pages.some((page) => 'stale' in page)).toBe(false);
  });

  test.each([
    ['many', 501, ''],
    ['long', 50, '€'.repeat(200)],
  ])('%s lost conversations are bounded, and the answer names pages of those that remain', async (_, count, prefix) => {
    const { inboxRev } = await sync({}, 0);
    const unknown = Array.from({ length: count }, (__, at) => `${prefix}${at}`);
    const lostOf = (lost: readonly string[]): Record<string, number> => Object.fromEntries(lost.map((id) => [id, 1]));
    const cut = await sync({ ...cursorsAt(REV), ...lostOf(unknown) }, inboxRev);
    expect(cut.next).toBe('');
    expect(cut.lost.length).toBeGreaterThan(0);
    expect(cut.lost.length).toBeLessThan(count);
    expect((await pagesOf(cut, inboxRev)).flatMap(({ heads }) => Object.keys(heads))).toEqual(ids);
    const rest = await sync({ ...cursorsAt(REV), ...lostOf(unknown.slice(cut.lost.length)) }, inboxRev);
    expect(rest.lost).toEqual(unknown.slice(cut.lost.length));
    expect(rest).not.toHaveProperty('next');
  });

  test('requests for the rest are bounded and make progress', async () => {
    const owed = cursorsAt(REV - 1);
    const { conversations, heads } = await chat.sync.sync(caller('bob'), { cursors: owed, inboxRev: 1, rest: true });
    expect(conversations.length).toBeGreaterThan(0);
    expect(Object.keys(heads).length).toBeLessThan(COUNT);
  });
});

describe('the participants of a large group', () => {
  const members = Array.from({ length: 149 }, (_, at) => `user-${at}`);
  let chat: Chat;
  let conversationId: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('owner', ...members));
    await chat.say('owner', conversationId, 'one');
    await chat.say('owner', conversationId, 'two');
  });
  afterEach(() => chat.sqlite.close());

  const sync = async (cursor: number) => {
    const { conversations } = await chat.sync.sync(caller('user-140'), {
      cursors: { [conversationId]: cursor },
      inboxRev: 2,
    });
    return conversations[0];
  };

  test('are not listed for a client that knows them: it gets its own row, the number and the revision', async () => {
    const whole = await chat.conversations.get(caller('user-140'), conversationId);
    const found = await sync(1);
    expect(found?.conversation.participants.map(({ userId }) => userId)).toEqual(['user-140']);
    expect(found?.conversation).toMatchObject({ memberCount: 150, membersRev: whole.membersRev, unreadCount: 2 });
    expect(found?.conversation.reached).toEqual({ delivered: 0, read: 0 });
    expect(found?.changes).toMatchObject([{ content: 'two', status: 'sent' }]);
  });

  test('are listed after they have changed', async () => {
    expect((await sync(0))?.conversation.participants).toHaveLength(100);
    await chat.membership.setRole(caller('owner'), { conversationId, userId: 'user-1', role: 'admin' });
    expect((await sync(2))?.conversation.participants).toHaveLength(100);
    await chat.say('owner', conversationId, 'three');
    expect((await sync(3))?.conversation.participants).toHaveLength(100);
    await chat.say('owner', conversationId, 'four');
    expect((await sync(4))?.conversation.participants).toHaveLength(1);
  });

  test('have a revision that changes with each of them, also if an app writes them', async () => {
    const revision = async (): Promise<number> =>
      (await chat.conversations.get(caller('owner'), conversationId)).membersRev ?? 0;
    const seen = [await revision()];
    await chat.membership.add(caller('owner'), { conversationId, userIds: ['new'] });
    seen.push(await revision());
    await chat.membership.remove(caller('owner'), { conversationId, userId: 'new' });
    seen.push(await revision());
    await chat.membership.setRole(caller('owner'), { conversationId, userId: 'user-1', role: 'admin' });
    seen.push(await revision());
    await chat.sql('DELETE FROM conversation_participants WHERE user_id = ?', 'user-2');
    seen.push(await revision());
    await chat.sql(
      'INSERT INTO conversation_participants (conversation_id, user_id) VALUES (?, ?)',
      conversationId,
      'user-2',
    );
    seen.push(await revision());
    expect(new Set(seen).size).toBe(seen.length);
    await chat.say('owner', conversationId, 'no change');
    expect(await revision()).toBe(seen.at(-1));
  });

  test('of a group with as many as are listed always are', async () => {
    const { id } = await chat.group('owner', ...members.slice(0, 99));
    await chat.say('owner', id, 'one');
    await chat.say('owner', id, 'two');
    const { conversations } = await chat.sync.sync(caller('user-1'), { cursors: { [id]: 1 }, inboxRev: 2 });
    expect(conversations[0]?.conversation.participants).toHaveLength(100);
  });
});
