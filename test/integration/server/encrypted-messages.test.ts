import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../src/protocol/encryption.ts';
import { isCommError } from '../../../src/protocol/errors.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { envelopeOf } from '../../helpers/server/envelopes.ts';

describe('encrypted messages', () => {
  let chat: Chat;
  let pair: string;
  let group: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: pair } = await chat.direct('ada', 'bob'));
    ({ id: group } = await chat.group('ada', 'bob', 'cleo'));
    await chat.direct('ada', 'eve');
  });
  afterEach(() => chat.sqlite.close());

  const secret = (conversationId: string, envelope: EncryptedEnvelope, clientId?: string): Promise<Message> =>
    chat.say('ada', conversationId, 'a placeholder', { encrypted: true, envelope, ...(clientId && { clientId }) });
  const outcomeOf = (sending: Promise<Message>): Promise<unknown> =>
    sending.then(
      ({ status }) => status,
      (error: unknown) => (isCommError(error) ? error.code : error),
    );
  const edit = (message: Message, envelope?: EncryptedEnvelope, userId = 'ada', content = 'a placeholder') =>
    chat.messages.edit(caller(userId), {
      conversationId: message.conversationId,
      messageId: message.id,
      content,
      envelope,
    });

  test.each<[to: string, outcome: string]>([
    ['bob', 'sent'],
    ['ada', 'INVALID'],
    ['eve', 'INVALID'],
    ['unknown', 'INVALID'],
    ['the conversation', 'INVALID'],
  ])('an envelope in a direct conversation must be for the other user: to %s, %s', async (to, outcome) => {
    const sent = secret(pair, envelopeOf('ada', to === 'the conversation' ? pair : to));
    expect(await outcomeOf(sent)).toBe(outcome);
  });

  test.each<[to: string, outcome: string]>([
    ['the conversation', 'sent'],
    ['cleo', 'sent'],
    ['ada', 'INVALID'],
    ['eve', 'INVALID'],
    ['another conversation', 'INVALID'],
  ])('an envelope in a group must be for the group or a member: to %s, %s', async (to, outcome) => {
    const recipient = { 'the conversation': group, 'another conversation': pair }[to] ?? to;
    expect(await outcomeOf(secret(group, envelopeOf('ada', recipient)))).toBe(outcome);
  });

  test('a rejected envelope consumes no seq', async () => {
    await expect(secret(pair, envelopeOf('ada', 'eve'))).rejects.toMatchObject({ code: 'INVALID' });
    expect((await secret(pair, envelopeOf('ada', 'bob'))).seq).toBe(1);
  });

  test("a user who isn't a member can't find out who is", async () => {
    const attempts = ['bob', 'unknown'].map((to) =>
      chat.say('eve', pair, 'x', { encrypted: true, envelope: envelopeOf('eve', to) }).catch((error: unknown) => error),
    );
    const [known, unknown] = await Promise.all(attempts);
    expect(known).toEqual(unknown);
    expect(known).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a repeated send returns the stored message, also if the recipient has left', async () => {
    const envelope = envelopeOf('ada', 'cleo');
    const first = await secret(group, envelope, 'c-1');
    await chat.membership.remove(caller('ada'), { conversationId: group, userId: 'cleo' });
    expect((await secret(group, envelope, 'c-1')).id).toBe(first.id);
    await expect(secret(group, envelope, 'c-2')).rejects.toMatchObject({ code: 'INVALID' });
  });

  test('every read returns the envelope', async () => {
    const envelope = envelopeOf('ada', 'bob');
    const sent = await secret(pair, envelope);
    const whole = { content: '', encrypted: true, envelope };
    expect(chat.broadcaster.payloads('message:new').at(-1)).toMatchObject(whole);
    expect(await chat.history.get('bob', sent.id)).toMatchObject(whole);
    expect((await chat.history.list('bob', pair))[0]).toMatchObject(whole);
    expect((await chat.sync.changes(caller('bob'), pair, { after: 0 })).changes.at(-1)).toMatchObject(whole);
    const synced = await chat.sync.sync(caller('bob'), { cursors: { [pair]: 0 }, inboxRev: 0 });
    expect(synced.conversations.find(({ conversationId }) => conversationId === pair)?.changes[0]).toMatchObject(whole);
    const { gained } = await chat.sync.sync(caller('bob'), { cursors: {}, inboxRev: 0 });
    expect(gained.find(({ id }) => id === pair)?.lastMessage).toMatchObject(whole);
    const inbox = await chat.conversations.list(caller('bob'));
    expect(inbox.find(({ id }) => id === pair)?.lastMessage).toMatchObject(whole);
    expect((await chat.conversations.get(caller('bob'), pair)).lastMessage).toMatchObject(whole);
  });

  test('an edit replaces the envelope and is pushed like any edit', async () => {
    const sent = await secret(pair, envelopeOf('ada', 'bob', 'before'));
    const envelope = envelopeOf('ada', 'bob', 'after');
    chat.broadcaster.take();
    const edited = await edit(sent, envelope);
    expect(edited).toMatchObject({ content: '', encrypted: true, envelope, seq: sent.seq, rev: (sent.rev ?? 0) + 1 });
    expect(chat.broadcaster.payloads('message:updated')).toEqual([{ ...edited, messageId: sent.id, editedBy: 'ada' }]);
    expect(await chat.history.get('bob', sent.id)).toEqual(edited);
    chat.broadcaster.take();
    // Repeating it changes nothing, whatever placeholder comes along.
    expect(await edit(sent, { ...envelope }, 'ada', 'another placeholder')).toEqual(edited);
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test('only an envelope edits an encrypted message, and it edits no other', async () => {
    const sent = await secret(pair, envelopeOf('ada', 'bob'));
    await expect(edit(sent)).rejects.toMatchObject({ code: 'CONFLICT' });
    const plain = await chat.say('ada', pair, 'plain');
    await expect(edit(plain, envelopeOf('ada', 'bob'))).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await chat.history.get('bob', plain.id)).toEqual(plain);
    expect(await chat.history.get('bob', sent.id)).toEqual(sent);
  });

  test('the envelope of an edit is validated like a new one', async () => {
    const sent = await secret(pair, envelopeOf('ada', 'bob'));
    await expect(edit(sent, envelopeOf('bob', 'ada'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(edit(sent, envelopeOf('ada', 'eve'))).rejects.toMatchObject({ code: 'INVALID' });
    await expect(edit(sent, envelopeOf('bob', 'ada'), 'bob')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(edit(sent, envelopeOf('eve', 'bob'), 'eve')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await chat.messages.delete(caller('ada'), { conversationId: pair, messageId: sent.id });
    await expect(edit(sent, envelopeOf('ada', 'bob', 'again'))).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test("search doesn't find the placeholder, the envelope or its edits", async () => {
    const sent = await secret(pair, envelopeOf('ada', 'bob', 'findable'));
    await chat.store.indexed();
    await edit(sent, envelopeOf('ada', 'bob', 'findable again'));
    await chat.store.indexed();
    const base64 = Buffer.from('findable').toString('base64');
    for (const q of ['placeholder', 'ciphertext', 'senderIdentityKey', base64, 's1', 'prekey', 'bob']) {
      expect(await chat.history.search('ada', { q })).toEqual([]);
    }
  });

  test('a deletion removes the envelope', async () => {
    const sent = await secret(pair, envelopeOf('ada', 'bob'));
    await chat.messages.delete(caller('ada'), { conversationId: pair, messageId: sent.id });
    const tombstone = await chat.history.get('bob', sent.id);
    expect(tombstone).not.toHaveProperty('envelope');
    expect(await chat.sql("SELECT 1 FROM messages WHERE content <> ''")).toEqual([]);
  });
});
