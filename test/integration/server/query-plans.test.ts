import { CommunicationStore } from '../../../src/server/cluster/memory-ephemera.ts';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { KeyLimits } from '../../../src/server/services/e2ee/key-limits.ts';
import { KeyService } from '../../../src/server/services/e2ee/key-service.ts';
import { ContactPolicy } from '../../../src/server/services/people/contact-policy.ts';
import {
  fileSecret,
  findFile,
  forgetFile,
  insertFile,
  markCancelled,
  markRejected,
  markStored,
  openUploads,
  readableFile,
  referToFile,
  takeExpired,
} from '../../../src/server/store/queries/files.ts';
import { storeIdempotencyKey } from '../../../src/server/store/queries/idempotency-keys.ts';
import { baseCaller, caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { envelopeOf, sessionInit } from '../../helpers/server/envelopes.ts';
import { keyBundle } from '../../helpers/server/keys.ts';
import { mailboxOf } from '../../helpers/server/mailbox.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';

/**
 * A database with a million messages must answer like one with a hundred: so no statement of a request may read a table
 * from end to end. Every statement that really runs is explained.
 */
describe('no request scans a whole table', () => {
  let db: DatabaseSync;
  let chat: Chat;
  let conversationId: string;
  let messageId: string;
  const ran = new Set<string>();
  beforeAll(async () => {
    db = new DatabaseSync(':memory:');
    watchStatements(db, (sql) => ran.add(sql));
    chat = await startChat({ db });
    ({ id: conversationId } = await chat.group('ada', 'bob'));
    for (let index = 0; index < 5; index += 1) await chat.direct('ada', `friend-${index}`);
    ({ id: messageId } = await chat.say('ada', conversationId, 'hello'));
    ran.clear();
  });
  afterAll(() => db.close());

  const ref = () => ({ conversationId, messageId });
  const requests: Record<string, () => Promise<unknown>> = {
    send: () =>
      chat
        .say('ada', conversationId, 'hi', { clientId: 'c-1', afterClientId: 'c-1', replyTo: messageId })
        .catch(() => 0),
    'send to base clients': () => {
      chat.broadcaster.base.set(conversationId, ['bob']);
      return chat.sending.send(baseCaller('ada', 's1'), { conversationId, content: 'hi', type: 'text' });
    },
    'change settings': () =>
      chat.groups.update(caller('ada'), { conversationId, visibility: 'public', slowModeSeconds: 9 }),
    'send in slow mode': () => chat.say('bob', conversationId, 'slow'),
    browse: () => chat.groups.browse(caller('eve'), {}),
    'browse by name': async () => {
      await chat.groups.browse(caller('eve'), { query: 'über' });
      await chat.groups.browse(caller('eve'), { query: 'friends', cursor: conversationId });
    },
    enter: () => chat.groups.enter(caller('eve'), { conversationId }),
    'ban, list and lift': async () => {
      await chat.groups.ban(caller('ada'), { conversationId, userId: 'eve', banned: true });
      await chat.groups.bans(caller('ada'), conversationId, { after: 'a' });
      await chat.groups.ban(caller('ada'), { conversationId, userId: 'eve', banned: false });
      await chat.groups.update(caller('ada'), { conversationId, slowModeSeconds: null });
    },
    'filter the inbox': async () => {
      await chat.conversations.list(caller('ada'), { archived: false, unread: true });
      await chat.conversations.list(caller('ada'), { query: 'friend' });
    },
    edit: () => chat.messages.edit(caller('ada'), { ...ref(), content: 'edited', clientId: 'change-1' }),
    'edit by its client id': async () => {
      await chat.say('ada', conversationId, 'mine', { clientId: 'c-2' });
      await chat.messages.edit(caller('ada'), { conversationId, messageId: 'c-2', content: 'edited' });
    },
    'answer by its client id': () => chat.say('ada', conversationId, 'and', { replyTo: 'c-2' }),
    'edit once more': () => chat.messages.edit(caller('ada'), { ...ref(), content: 'edited', clientId: 'change-1' }),
    pin: () => chat.messages.pin(caller('ada'), { ...ref(), pinned: true }),
    'list pins': () => chat.history.pinned('ada', conversationId, {}),
    unpin: () => chat.messages.pin(caller('ada'), { ...ref(), pinned: false }),
    'report, list and resolve': async () => {
      await chat.reports.report(caller('bob'), { ...ref(), reason: 'spam' });
      await chat.reports.list();
      await chat.reports.list({ state: 'all' });
      await chat.reports.resolve('1', { by: 'mod' });
    },
    react: () => chat.messages.react(caller('ada'), { ...ref(), emoji: '👍', clientId: 'change-2' }),
    'forget what was changed': () =>
      chat.store.write(() =>
        storeIdempotencyKey(
          { userId: 'ada', clientId: 'change-3', messageId: 1, appliedAt: '2026' },
          { before: '2026', each: 1 },
        ),
      ),
    read: () => chat.receipts.read(caller('bob'), ref()),
    delivered: () => chat.receipts.delivered(caller('bob'), { conversationId, seq: 1 }),
    forward: () =>
      chat.sending.forward(caller('ada'), {
        messageId,
        fromConversationId: conversationId,
        toConversationId: conversationId,
      }),
    newest: () => chat.history.list('ada', conversationId),
    before: () => chat.history.list('ada', conversationId, { before: messageId }),
    after: () => chat.history.list('ada', conversationId, { after: messageId }),
    around: () => chat.history.list('ada', conversationId, { around: messageId }),
    'before a time': () => chat.history.list('ada', conversationId, { before: '2024-01-01T00:00:00Z' }),
    get: () => chat.history.get('ada', messageId),
    'get a call': () => chat.history.get('ada', 'call-1').catch(() => undefined),
    search: () => chat.history.search('ada', { q: 'hello' }),
    'search one': () => chat.history.search('ada', { q: 'hello', conversationId }),
    'search all': () => chat.history.search(undefined, { q: 'hello' }),
    inbox: () => chat.conversations.list(caller('ada')),
    changes: () => chat.sync.changes(caller('ada'), conversationId, { after: 0 }),
    'changes from far behind': async () => {
      db.exec(`UPDATE conversations SET rev = rev + ${LIMITS.catchUpChanges} WHERE name IS NULL`);
      await chat.sync.changes(caller('ada'), conversationId, { after: 0 });
    },
    sync: () => chat.sync.sync(caller('bob'), { cursors: { [conversationId]: 1 }, inboxRev: 1 }),
    create: () => chat.conversations.create(caller('ada'), { type: 'direct', participantIds: ['zoe'] }),
    'reply in a thread': () => chat.say('ada', conversationId, 'reply', { threadId: messageId, mentions: ['bob'] }),
    'reply again': () => chat.say('bob', conversationId, 'again', { threadId: messageId, alsoInConversation: true }),
    'delete a reply': async () => {
      const { id } = await chat.say('ada', conversationId, 'reply', { threadId: messageId, mentions: ['bob'] });
      await chat.messages.delete(caller('ada'), { conversationId, messageId: id });
    },
    'page of a thread': () => chat.history.list('ada', conversationId, { threadId: messageId, after: messageId }),
    'page of the main timeline': () =>
      chat.history.list('ada', conversationId, { timeline: 'main', around: messageId }),
    'read a thread': () => chat.threads.read(caller('bob'), { ...ref(), threadId: messageId }),
    'mark as unread': () => chat.threads.markUnread(caller('bob'), ref()),
    'read again': () => chat.receipts.read(caller('bob'), ref()),
    flag: () => chat.conversations.setFlag(caller('ada'), conversationId, 'pinned', true),
    add: () => chat.membership.add(caller('ada'), { conversationId, userIds: ['cleo'] }),
    role: () => chat.membership.setRole(caller('ada'), { conversationId, userId: 'cleo', role: 'admin' }),
    remove: () => chat.membership.remove(caller('ada'), { conversationId, userId: 'cleo' }),
    'send encrypted': () =>
      chat.say('ada', conversationId, 'x', { encrypted: true, envelope: envelopeOf('ada', conversationId) }),
    'publish keys': async () => {
      for (let upload = 0; upload < 2; upload += 1) await keys().upload(caller('bob', 's1'), keyBundle(2));
    },
    'ask for keys': () => keys().request(caller('ada'), { recipientId: 'bob' }),
    'connect without prekeys': () => keys().connected(caller('bob', 's1')),
    'begin a session': async () => {
      await mailboxOf(chat).send(caller('ada', 's1'), sessionInit('ada', 'bob'));
      await chat.store.drain();
    },
    'collect and acknowledge': async () => {
      const mailbox = mailboxOf(chat);
      mailbox.connected(caller('bob', 's1'));
      await mailbox.acknowledge(caller('bob'), { mailboxIds: ['1', '2'] });
    },
    'upload, read and remove files': async () => {
      await chat.store.write(function* () {
        const row = { conversation_id: conversationId, uploader_id: 'ada', file_name: 'a', mime_type: 'text/plain' };
        const upload = { ...row, size: 1, key_digest: '', state: 'uploading', created_at: '2026', expires_at: '2026' };
        yield* insertFile({ ...upload, id: 'f-1' });
        yield* insertFile({ ...upload, id: 'f-2' });
        yield* openUploads('ada');
        yield* markStored('f-1', '2027');
        yield* referToFile('f-1', 1);
        yield* findFile('f-1');
        yield* readableFile('f-1', 'bob');
        yield* fileSecret();
        yield* takeExpired('2027', 10);
        yield* forgetFile('f-2');
        yield* markRejected('f-1');
        yield* markCancelled('f-1');
      });
    },
    delete: () => chat.messages.delete(caller('ada'), ref()),
  };
  const keys = (): KeyService => {
    const { store, broadcaster, clock } = chat;
    const limits = new KeyLimits(clock);
    return new KeyService({
      store,
      broadcaster,
      clock,
      contacts: new ContactPolicy({}, clock, silentLogger),
      logger: silentLogger,
      limits,
      bundles: new CommunicationStore(),
    });
  };

  const plan = (sql: string): string[] =>
    db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row['detail']));

  test.each(Object.keys(requests))('%s', async (name) => {
    ran.clear();
    await requests[name]?.();
    const statements = [...ran].filter((sql) => !/^(?:BEGIN|COMMIT|ROLLBACK)/.test(sql));
    expect(statements).not.toEqual([]);
    for (const sql of statements) {
      // Lists that came as a parameter are read whole, the full-text index by its own order, and what it has yet to
      // do is a short list.
      const scans = plan(sql).filter(
        (detail) =>
          /\bSCAN\b/.test(detail) &&
          !/VIRTUAL TABLE|CONSTANT ROW|SCAN \(subquery|comm_search_sta(?:te|le)/.test(detail),
      );
      expect({ sql, scans }).toEqual({ sql, scans: [] });
      // A list decides what is read; looked through for each row of something else it would multiply.
      const list = plan(sql).findIndex((detail) => /SCAN (?:mine|wanted) /.test(detail));
      expect({ sql, list }).toEqual({ sql, list: list === -1 ? -1 : 0 });
    }
  });

  test('pages use the order of their index without sorting', async () => {
    ran.clear();
    await chat.history.list('ada', conversationId);
    await chat.sync.changes(caller('ada'), conversationId, { after: 0 });
    const pages = [...ran].filter((sql) => /order by (?:"messages"|seq desc limit)/.test(sql));
    expect(pages).toHaveLength(2);
    for (const sql of pages) expect(plan(sql).join()).not.toMatch(/TEMP B-TREE/);
  });

  test('an inbox sorts only the conversations of the hours of its page, which an index finds', async () => {
    ran.clear();
    await chat.conversations.list(caller('ada'));
    const hours = [...ran].filter((sql) => sql.includes('active_hour'));
    expect(hours).toHaveLength(2);
    for (const sql of hours) {
      const uses = plan(sql).filter(
        (detail) => detail.includes('conversation_participants') || detail.includes(' p USING'),
      );
      expect(uses).not.toEqual([]);
      for (const use of uses) expect(use).toContain('USING COVERING INDEX comm_participants_active');
    }
  });
});
