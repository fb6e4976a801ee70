import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Conversation } from '../../../src/protocol/conversations.ts';
import { errorBodyOf, isCommError } from '../../../src/protocol/errors.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

/** The code with which a request is refused, or `ok`. */
async function codeOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'ok';
  } catch (error) {
    if (!isCommError(error)) throw error;
    return error.code;
  }
}

const EVERYTHING = {
  description: 'People who hike',
  avatarUrl: '/hike.png',
  metadata: { topic: { name: 'hiking' } },
  visibility: 'public',
} as const;

describe('GroupService', () => {
  let chat: Chat;
  beforeEach(async () => {
    chat = await startChat({ limits: { groupSize: 4 } });
  });
  afterEach(() => chat.sqlite.close());

  const publicGroup = async (owner: string, ...others: string[]): Promise<string> => {
    const { id } = await chat.group(owner, ...others);
    await chat.groups.update(caller(owner), { conversationId: id, visibility: 'public' });
    chat.broadcaster.take();
    return id;
  };
  const members = async (reader: string, id: string): Promise<string[]> =>
    (await chat.conversations.get(caller(reader), id)).participants.map(({ userId }) => userId).sort();

  describe('settings', () => {
    test('are set with the creation, and every reading of the group has them', async () => {
      const { conversation } = await chat.conversations.create(caller('ada'), {
        type: 'group',
        participantIds: ['bob'],
        ...EVERYTHING,
      });
      expect(conversation).toMatchObject(EVERYTHING);
      expect(await chat.conversations.get(caller('bob'), conversation.id)).toMatchObject(EVERYTHING);
      const [listed] = await chat.conversations.list(caller('bob'));
      expect(listed).toEqual(await chat.conversations.get(caller('bob'), conversation.id));
    });

    test('a change advances rev once and is pushed with all settings; null clears', async () => {
      const { id } = await chat.group('ada', 'bob');
      const change = { ...EVERYTHING, name: 'Hike', frozen: true, slowModeSeconds: 30 };
      const changed = await chat.groups.update(caller('ada'), { conversationId: id, ...change });
      expect(changed).toMatchObject({ ...change, head: { seq: 0, rev: 1 } });
      expect(chat.broadcaster.payloads('conversation:updated')).toMatchObject([{ id, ...change, head: { rev: 1 } }]);
      const cleared = await chat.groups.update(caller('ada'), {
        conversationId: id,
        description: null,
        avatarUrl: null,
        metadata: null,
        frozen: false,
        slowModeSeconds: null,
      });
      for (const field of ['description', 'avatarUrl', 'metadata', 'frozen', 'slowModeSeconds']) {
        expect(cleared).not.toHaveProperty(field);
      }
      expect(cleared).toMatchObject({ name: 'Hike', visibility: 'public', head: { rev: 2 } });
    });

    test('the same settings again change nothing and push nothing', async () => {
      const { id } = await chat.group('ada', 'bob');
      await chat.groups.update(caller('ada'), { conversationId: id, ...EVERYTHING });
      chat.broadcaster.take();
      const again = await chat.groups.update(caller('ada'), { conversationId: id, ...EVERYTHING });
      expect(again.head).toEqual({ seq: 0, rev: 1 });
      expect(chat.broadcaster.take()).toEqual([]);
    });

    test('are for owners and admins of groups only', async () => {
      const { id } = await chat.group('ada', 'bob', 'cleo');
      await chat.membership.setRole(caller('ada'), { conversationId: id, userId: 'bob', role: 'admin' });
      const set = (userId: string, conversationId = id): Promise<string> =>
        codeOf(chat.groups.update(caller(userId), { conversationId, frozen: true }));
      expect(await set('cleo')).toBe('FORBIDDEN');
      expect(await set('eve')).toBe('NOT_FOUND');
      expect(await set('eve', 'nowhere')).toBe('NOT_FOUND');
      expect(await set('bob')).toBe('ok');
      const direct = await chat.direct('ada', 'bob');
      expect(await set('ada', direct.id)).toBe('FORBIDDEN');
    });

    test('a direct conversation is not created with any', async () => {
      const create = (settings: object): Promise<string> =>
        codeOf(chat.conversations.create(caller('ada'), { type: 'direct', participantIds: ['bob'], ...settings }));
      expect(await create({ description: 'Us' })).toBe('INVALID');
      expect(await create({ visibility: 'public' })).toBe('INVALID');
      expect(await create({ visibility: 'private' })).toBe('ok');
    });

    test('contents that an app has written itself are left out if they are not valid', async () => {
      const { id } = await chat.group('ada', 'bob');
      await chat.sql("UPDATE conversations SET metadata = '[1', visibility = 'secret', slow_mode_seconds = -1");
      const read = await chat.conversations.get(caller('ada'), id);
      expect(read).toMatchObject({ visibility: 'private', head: { rev: 1 } });
      expect(read).not.toHaveProperty('metadata');
      expect(read).not.toHaveProperty('slowModeSeconds');
      expect((await chat.conversations.list(caller('ada')))[0]).toEqual(read);
    });

    test('sync returns the settings that were changed meanwhile', async () => {
      const { id } = await chat.group('ada', 'bob');
      const { inboxRev } = await chat.sync.sync(caller('bob'), { cursors: { [id]: 0 }, inboxRev: 0 });
      await chat.groups.update(caller('ada'), { conversationId: id, ...EVERYTHING });
      const { conversations } = await chat.sync.sync(caller('bob'), { cursors: { [id]: 0 }, inboxRev });
      expect(conversations).toMatchObject([{ conversationId: id, conversation: EVERYTHING, head: { rev: 1 } }]);
    });
  });

  describe('a frozen group', () => {
    let id: string;
    let ref: { conversationId: string; messageId: string };
    beforeEach(async () => {
      ({ id } = await chat.group('ada', 'bob', 'cleo'));
      await chat.membership.setRole(caller('ada'), { conversationId: id, userId: 'bob', role: 'admin' });
      const own = await chat.say('cleo', id, 'before', { clientId: 'known' });
      ref = { conversationId: id, messageId: own.id };
      await chat.groups.update(caller('ada'), { conversationId: id, frozen: true });
    });

    test('takes messages of the owner and of admins only', async () => {
      expect(await codeOf(chat.say('ada', id, 'owner'))).toBe('ok');
      expect(await codeOf(chat.say('bob', id, 'admin'))).toBe('ok');
      expect(await codeOf(chat.say('cleo', id, 'member'))).toBe('FORBIDDEN');
      expect(await codeOf(chat.say('eve', id, 'stranger'))).toBe('NOT_FOUND');
    });

    test('answers a repeated message as stored', async () => {
      expect(await chat.say('cleo', id, 'before', { clientId: 'known' })).toMatchObject({ id: ref.messageId });
    });

    test('takes no forwarded messages and edits of members, but reactions, deletions and read markers', async () => {
      const other = await chat.direct('cleo', 'dan');
      const { id: messageId } = await chat.say('cleo', other.id, 'to forward');
      const forward = { messageId, fromConversationId: other.id, toConversationId: id };
      expect(await codeOf(chat.sending.forward(caller('cleo'), forward))).toBe('FORBIDDEN');
      expect(await codeOf(chat.messages.edit(caller('cleo'), { ...ref, content: 'edited' }))).toBe('FORBIDDEN');
      expect(await codeOf(chat.messages.react(caller('cleo'), { ...ref, emoji: '👍' }))).toBe('ok');
      expect(await codeOf(chat.receipts.read(caller('cleo'), ref))).toBe('ok');
      expect(await codeOf(chat.messages.delete(caller('cleo'), ref))).toBe('ok');
    });

    test('takes messages of all again when it is not frozen any more', async () => {
      await chat.groups.update(caller('bob'), { conversationId: id, frozen: false });
      expect(await codeOf(chat.say('cleo', id, 'member'))).toBe('ok');
    });
  });

  describe('slow mode', () => {
    let id: string;
    beforeEach(async () => {
      ({ id } = await chat.group('ada', 'bob', 'cleo'));
      await chat.membership.setRole(caller('ada'), { conversationId: id, userId: 'bob', role: 'admin' });
      await chat.groups.update(caller('ada'), { conversationId: id, slowModeSeconds: 10 });
    });
    const slowed = { code: 'RATE_LIMITED', scope: 'conversation' };

    test('allows each member one message in the interval', async () => {
      await chat.say('cleo', id, 'one');
      chat.clock.advance(4_000);
      await expect(chat.say('cleo', id, 'two')).rejects.toMatchObject({ ...slowed, retryAfterMs: 6_000 });
      chat.clock.advance(5_999);
      await expect(chat.say('cleo', id, 'two')).rejects.toMatchObject({ ...slowed, retryAfterMs: 1 });
      chat.clock.advance(1);
      expect(await codeOf(chat.say('cleo', id, 'two'))).toBe('ok');
    });

    test('does not apply to the owner and admins, nor to code of the app', async () => {
      for (const userId of ['ada', 'bob']) {
        await chat.say(userId, id, 'one');
        expect(await codeOf(chat.say(userId, id, 'two'))).toBe('ok');
      }
      await chat.say('cleo', id, 'one');
      const app = { ...caller('cleo'), trusted: true } as const;
      expect(await codeOf(chat.sending.send(app, { conversationId: id, content: 'app', type: 'text' }))).toBe('ok');
    });

    test('accepts one message of a batch; a repeated one is answered as stored', async () => {
      const send = (clientId: string, afterClientId?: string) =>
        ({
          conversationId: id,
          content: clientId,
          type: 'text',
          clientId,
          ...(afterClientId && { afterClientId }),
        }) as const;
      const requests = [send('a'), send('b', 'a'), send('c', 'b')];
      const outcomes = async (): Promise<unknown[]> =>
        (await chat.sending.sendAll(caller('cleo'), requests)).map((each) =>
          each.status === 'fulfilled' ? each.value.content : (each.reason as { code: string }).code,
        );
      expect(await outcomes()).toEqual(['a', 'RATE_LIMITED', 'CONFLICT']);
      expect(await outcomes()).toEqual(['a', 'RATE_LIMITED', 'CONFLICT']);
      chat.clock.advance(10_000);
      expect(await outcomes()).toEqual(['a', 'b', 'RATE_LIMITED']);
    });

    test('counts forwarded messages, and not logs of calls', async () => {
      const other = await chat.direct('cleo', 'dan');
      const { id: messageId } = await chat.say('cleo', other.id, 'to forward');
      await chat.sending.appendServerMessage({ conversationId: id, senderId: 'cleo', type: 'call', content: '{}' });
      const forward = { messageId, fromConversationId: other.id, toConversationId: id };
      await chat.sending.forward(caller('cleo'), forward);
      await expect(chat.sending.forward(caller('cleo'), forward)).rejects.toMatchObject(slowed);
      await expect(chat.say('cleo', id, 'one')).rejects.toMatchObject(slowed);
    });

    test('never asks for more than the interval, also if the clock was set back', async () => {
      await chat.say('cleo', id, 'one');
      await chat.sql("UPDATE messages SET created_at = '2090-01-01T00:00:00.000Z'");
      await expect(chat.say('cleo', id, 'two')).rejects.toMatchObject({ ...slowed, retryAfterMs: 10_000 });
    });
  });

  describe('public groups', () => {
    test('are listed newest first, in pages that are complete', async () => {
      const ids: string[] = [];
      for (let n = 0; n < 7; n += 1) ids.push(await publicGroup('ada', `member ${n}`));
      await chat.group('ada', 'bob');
      const found: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await chat.groups.browse(caller('eve'), { limit: 3, ...(cursor !== undefined && { cursor }) });
        found.push(...page.conversations.map(({ id }) => id));
        cursor = page.cursor;
        // A group that is created meanwhile is before the page.
        if (found.length === 3) await publicGroup('ada', 'late');
      } while (cursor !== undefined);
      expect(found).toEqual(ids.toReversed());
    });

    test('show their name, description, picture and number of members, and whether the caller is one', async () => {
      const id = await publicGroup('ada', 'bob');
      await chat.groups.update(caller('ada'), { conversationId: id, name: 'Hike', ...EVERYTHING });
      const entry = { id, name: 'Hike', description: 'People who hike', avatarUrl: '/hike.png', memberCount: 2 };
      expect(await chat.groups.browse(caller('eve'), {})).toEqual({ conversations: [{ ...entry, joined: false }] });
      expect(await chat.groups.browse(caller('bob'), {})).toEqual({ conversations: [{ ...entry, joined: true }] });
    });

    test.each([
      ['hik', 'Hike'],
      ['IKE', 'Hike'],
      ['berge', 'Über Berge'],
      ['über', 'Über Berge'],
      ['50%', '50% more'],
      ['100_', undefined],
    ])('are found by "%s" in their names', async (query, found) => {
      for (const name of ['Hike', 'Über Berge', '50% more', '500 more', '1000']) {
        const id = await publicGroup('ada');
        await chat.groups.update(caller('ada'), { conversationId: id, name });
      }
      const { conversations } = await chat.groups.browse(caller('eve'), { query });
      expect(conversations.map(({ name }) => name)).toEqual(found === undefined ? [] : [found]);
    });

    test('a search that compares too many names ends the page and continues', async () => {
      await publicGroup('ada');
      const names = Array.from({ length: 5_001 }, (_, n) => [
        `z${String(n).padStart(5, '0')}`,
        n === 0 ? 'needle' : 'hay',
      ]);
      await chat.sql(
        `INSERT INTO conversations (id, type, name, visibility)
         SELECT value ->> 0, 'group', value ->> 1, 'public' FROM json_each(?)`,
        JSON.stringify(names),
      );
      const first = await chat.groups.browse(caller('eve'), { query: 'needle' });
      expect(first).toEqual({ conversations: [], cursor: 'z00001' });
      const second = await chat.groups.browse(caller('eve'), { query: 'needle', cursor: 'z00001' });
      expect(second.conversations.map(({ id }) => id)).toEqual(['z00000']);
      expect(second).not.toHaveProperty('cursor');
    });

    test('are entered once: the user becomes a member with everything read, and all are told', async () => {
      const id = await publicGroup('ada', 'bob');
      await chat.say('ada', id, 'before');
      chat.broadcaster.take();
      const entered = await chat.groups.enter(caller('eve'), { conversationId: id });
      expect(entered).toMatchObject({ id, unreadCount: 0, head: { seq: 1, rev: 3 }, visibility: 'public' });
      expect(entered.participants.find(({ userId }) => userId === 'eve')).toMatchObject({ role: 'member' });
      expect(chat.broadcaster.take()).toEqual([
        'conversation:new > user:eve',
        `conversation:updated > conversation:${id}`,
      ]);
      expect(await chat.groups.enter(caller('eve'), { conversationId: id })).toMatchObject({ head: { rev: 3 } });
      expect(chat.broadcaster.take()).toEqual([]);
      expect(await chat.history.list('eve', id)).toMatchObject([{ content: 'before' }]);
    });

    test('a group that is not public, one that bans the user and none at all are answered in the same way', async () => {
      const { id: hidden } = await chat.group('ada');
      const banned = await publicGroup('ada', 'eve');
      const { id: direct } = await chat.direct('ada', 'bob');
      await chat.groups.ban(caller('ada'), { conversationId: banned, userId: 'eve', banned: true });
      const answers = await Promise.all(
        [hidden, banned, direct, 'nowhere'].map((conversationId) =>
          chat.groups.enter(caller('eve'), { conversationId }).catch((error: unknown) => errorBodyOf(error)),
        ),
      );
      expect(answers[0]).toMatchObject({ code: 'NOT_FOUND' });
      expect(answers).toEqual(answers.map(() => answers[0]));
      expect(await chat.groups.browse(caller('eve'), {})).toEqual({ conversations: [] });
    });

    test('never become larger than the limit, whoever enters at the same time', async () => {
      const id = await publicGroup('ada', 'bob');
      const codes = await Promise.all(
        ['c', 'd', 'e', 'f'].map((userId) => codeOf(chat.groups.enter(caller(userId), { conversationId: id }))),
      );
      expect(codes.filter((code) => code === 'ok')).toHaveLength(2);
      expect(codes.filter((code) => code === 'INVALID')).toHaveLength(2);
      expect(await members('ada', id)).toHaveLength(4);
    });
  });

  describe('a ban', () => {
    let id: string;
    const ban = (by: string, userId: string, banned = true, conversationId = id): Promise<string> =>
      codeOf(chat.groups.ban(caller(by), { conversationId, userId, banned, reason: 'Spam' }));
    beforeEach(async () => {
      id = await publicGroup('ada', 'bob', 'cleo', 'dan');
      for (const userId of ['bob', 'cleo']) {
        await chat.membership.setRole(caller('ada'), { conversationId: id, userId, role: 'admin' });
      }
      chat.broadcaster.take();
    });

    test('removes the member at once, who can neither enter nor be added again until it is lifted', async () => {
      chat.broadcaster.rooms.length = 0;
      expect(await ban('bob', 'dan')).toBe('ok');
      expect(chat.broadcaster.rooms).toEqual([`dan is put out of ${id}`]);
      expect(chat.broadcaster.take()).toEqual([
        'conversation:left > user:dan',
        `conversation:left > conversation:${id}`,
        `conversation:updated > conversation:${id}`,
      ]);
      expect(await codeOf(chat.conversations.get(caller('dan'), id))).toBe('NOT_FOUND');
      expect(await codeOf(chat.groups.enter(caller('dan'), { conversationId: id }))).toBe('NOT_FOUND');
      const add = { conversationId: id, userIds: ['dan'] };
      expect(await codeOf(chat.membership.add(caller('ada'), add))).toBe('CONFLICT');
      expect(await ban('cleo', 'dan', false)).toBe('ok');
      expect(await codeOf(chat.groups.enter(caller('dan'), { conversationId: id }))).toBe('ok');
    });

    test('can be put on a user who is no member; twice is once', async () => {
      expect(await ban('ada', 'eve')).toBe('ok');
      expect(await ban('bob', 'eve')).toBe('ok');
      expect(chat.broadcaster.take()).toEqual([]);
      const { bans, hasMore } = await chat.groups.bans(caller('cleo'), id);
      expect(bans).toMatchObject([{ userId: 'eve', bannedBy: 'ada', reason: 'Spam' }]);
      expect(hasMore).toBe(false);
    });

    test('needs the role admin, and the role owner for owners and admins', async () => {
      expect(await ban('dan', 'bob')).toBe('FORBIDDEN');
      expect(await ban('dan', 'nobody')).toBe('FORBIDDEN');
      expect(await ban('bob', 'cleo')).toBe('FORBIDDEN');
      expect(await ban('bob', 'ada')).toBe('FORBIDDEN');
      expect(await ban('bob', 'bob')).toBe('INVALID');
      expect(await ban('eve', 'bob')).toBe('NOT_FOUND');
      expect(await ban('eve', 'bob', true, 'nowhere')).toBe('NOT_FOUND');
      expect(await ban('ada', 'bob')).toBe('ok');
      const { id: direct } = await chat.direct('ada', 'bob');
      expect(await ban('ada', 'bob', true, direct)).toBe('FORBIDDEN');
      expect(await members('ada', id)).toEqual(['ada', 'cleo', 'dan']);
    });

    test('of two owners by each other at once removes one of them', async () => {
      await chat.membership.setRole(caller('ada'), { conversationId: id, userId: 'bob', role: 'owner' });
      expect(await Promise.all([ban('ada', 'bob'), ban('bob', 'ada')])).toEqual(['ok', 'NOT_FOUND']);
      expect(await members('ada', id)).toEqual(['ada', 'cleo', 'dan']);
    });

    test('while the user enters leaves no member who is banned, in either order', async () => {
      await chat.membership.remove(caller('ada'), { conversationId: id, userId: 'dan' });
      const enter = (): Promise<string> => codeOf(chat.groups.enter(caller('dan'), { conversationId: id }));
      expect(await Promise.all([ban('ada', 'dan'), enter()])).toEqual(['ok', 'NOT_FOUND']);
      await ban('ada', 'dan', false);
      expect(await Promise.all([enter(), ban('ada', 'dan')])).toContain('ok');
      expect(await members('ada', id)).toEqual(['ada', 'bob', 'cleo']);
    });

    test('the list of bans is paged, and for the owner and admins only', async () => {
      for (const userId of ['x', 'y', 'z']) await ban('ada', userId);
      const first = await chat.groups.bans(caller('bob'), id, { limit: 2 });
      expect([first.bans.map(({ userId }) => userId), first.hasMore]).toEqual([['x', 'y'], true]);
      const second = await chat.groups.bans(caller('bob'), id, { limit: 2, after: 'y' });
      expect([second.bans.map(({ userId }) => userId), second.hasMore]).toEqual([['z'], false]);
      expect(await codeOf(chat.groups.bans(caller('dan'), id))).toBe('FORBIDDEN');
      expect(await codeOf(chat.groups.bans(caller('eve'), id))).toBe('NOT_FOUND');
      expect(await codeOf(chat.groups.bans(caller('eve'), 'nowhere'))).toBe('NOT_FOUND');
    });

    test('ends with the conversation', async () => {
      await ban('ada', 'eve');
      await chat.sql('DELETE FROM conversations');
      expect(await chat.sql('SELECT count(*) AS n FROM comm_bans')).toEqual([{ n: 0 }]);
    });
  });

  describe('the filtered inbox', () => {
    const named = async (name: string, ...others: string[]): Promise<string> => {
      chat.clock.advance(1_000);
      const { id } = await chat.group('ada', ...others);
      await chat.groups.update(caller('ada'), { conversationId: id, name });
      return id;
    };
    const names = (list: Conversation[]): (string | undefined)[] => list.map(({ name }) => name);

    test('has pinned conversations first; without a filter the order stays', async () => {
      const first = await named('first');
      await named('second');
      await named('third');
      await chat.conversations.setFlag(caller('ada'), first, 'pinned', true);
      expect(names(await chat.conversations.list(caller('ada')))).toEqual(['third', 'second', 'first']);
      const filtered = await chat.conversations.list(caller('ada'), { archived: false });
      expect(names(filtered)).toEqual(['first', 'third', 'second']);
      const page = await chat.conversations.page(caller('ada'), { archived: false, limit: 2, offset: 1 });
      expect(names(JSON.parse(page.conversations) as Conversation[])).toEqual(['third', 'second']);
      expect(page.hasMore).toBe(false);
      expect((await chat.conversations.page(caller('ada'), { archived: false, limit: 2 })).hasMore).toBe(true);
    });

    test('selects archived, unread and named conversations', async () => {
      const [hike, swim] = [await named('Hike', 'bob'), await named('Swim', 'cleo')];
      await chat.conversations.setFlag(caller('ada'), hike, 'archived', true);
      await chat.say('cleo', swim, 'hello');
      const list = async (filter: object): Promise<unknown> =>
        names(await chat.conversations.list(caller('ada'), filter));
      expect(await list({ archived: true })).toEqual(['Hike']);
      expect(await list({ archived: false })).toEqual(['Swim']);
      expect(await list({ unread: true })).toEqual(['Swim']);
      expect(await list({ unread: false })).toEqual(['Hike']);
      expect(await list({ query: 'swi' })).toEqual(['Swim']);
      expect(await list({ query: 'BOB' })).toEqual(['Hike']);
      expect(await list({ query: 'ada' })).toEqual([]);
      expect(await list({ query: 'bob', archived: false })).toEqual([]);
    });
  });
});
