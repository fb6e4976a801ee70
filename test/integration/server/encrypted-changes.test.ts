import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../src/protocol/encryption.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { deleteMessageSchema, reactSchema, type Message } from '../../../src/protocol/messages.ts';
import * as v from 'valibot';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { envelopeOf } from '../../helpers/server/envelopes.ts';

describe('deletions of and reactions to encrypted messages', () => {
  let chat: Chat;
  let conversationId: string;
  let message: Message;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('ada', 'bob', 'cleo'));
    message = await chat.say('ada', conversationId, 'a placeholder', {
      encrypted: true,
      envelope: envelopeOf('ada', conversationId, 'text'),
    });
    chat.broadcaster.take();
  });
  afterEach(() => chat.sqlite.close());

  const remove = (envelope?: EncryptedEnvelope, messageId = message.id) =>
    chat.messages.delete(caller('ada'), { conversationId, messageId, envelope });
  const react = (userId: string, envelope?: EncryptedEnvelope, on = true, messageId = message.id) =>
    chat.messages.react(caller(userId), { conversationId, messageId, emoji: '👍', on, envelope });
  const pushed = (event: string) =>
    chat.broadcaster.pushes
      .splice(0)
      .filter((each) => each.event === event)
      .map(({ data }) => data);

  test('a tombstone keeps the envelope of the deletion in place of that of the message', async () => {
    const envelope = envelopeOf('ada', conversationId, 'deletion');
    const tombstone = await remove(envelope);
    expect(tombstone).toMatchObject({ encrypted: true, content: '', envelope });
    expect(tombstone.deletedAt).toBeDefined();
    expect(pushed('message:updated')).toMatchObject([{ id: message.id, envelope }]);
    expect(await chat.history.get('cleo', message.id)).toEqual(tombstone);
  });

  test('a deletion without an envelope leaves none', async () => {
    expect((await remove()).envelope).toBeUndefined();
  });

  test('a repeated deletion does not replace the envelope of the first', async () => {
    const envelope = envelopeOf('ada', conversationId, 'first');
    await remove(envelope);
    expect(await remove(envelopeOf('ada', conversationId, 'second'))).toMatchObject({ envelope });
  });

  test('the envelope of a reaction is pushed, and kept with the message for later readers', async () => {
    const envelope = envelopeOf('bob', conversationId, 'reaction');
    await react('bob', envelope);
    expect(pushed('message:reaction-update')).toMatchObject([{ messageId: message.id, envelope }]);
    expect(await chat.history.get('cleo', message.id)).toMatchObject({
      reactions: [{ emoji: '👍', users: ['bob'] }],
      reactionEnvelopes: [envelope],
      envelope: envelopeOf('ada', conversationId, 'text'),
    });
  });

  test('the newest envelope of each user is kept, also after the reaction was removed', async () => {
    const ofCleo = envelopeOf('cleo', conversationId, 'of cleo');
    const removed = envelopeOf('bob', conversationId, 'removed');
    await react('bob', envelopeOf('bob', conversationId, 'added'));
    await react('cleo', ofCleo);
    await react('bob', removed, false);
    const read = await chat.history.get('ada', message.id);
    expect(read).toMatchObject({ reactions: [{ users: ['cleo'] }], reactionEnvelopes: [ofCleo, removed] });
  });

  test('an envelope for a reaction that is set already is stored and pushed', async () => {
    await react('bob');
    const { rev = 0 } = await chat.history.get('bob', message.id);
    chat.broadcaster.take();
    const envelope = envelopeOf('bob', conversationId, 'reaction');
    expect(await react('bob', envelope)).toMatchObject({ rev: rev + 1, reactionEnvelopes: [envelope] });
    expect(pushed('message:reaction-update')).toMatchObject([{ reactions: [{ count: 1 }], envelope }]);
  });

  test('a deletion removes the envelopes of reactions', async () => {
    await react('bob', envelopeOf('bob', conversationId, 'reaction'));
    expect((await remove()).reactionEnvelopes).toBeUndefined();
  });

  test('the envelopes of 100 users are kept; a further reaction is stored without its envelope', async () => {
    const envelopes = Array.from({ length: 100 }, (_, at) => envelopeOf(`u${at}`, conversationId));
    await chat.sql('UPDATE messages SET reaction_envelopes = ?', JSON.stringify(envelopes));
    await react('bob', envelopeOf('bob', conversationId));
    expect(await chat.history.get('bob', message.id)).toMatchObject({
      reactions: [{ users: ['bob'] }],
      reactionEnvelopes: envelopes,
    });
    expect(pushed('message:reaction-update')).toMatchObject([{ envelope: { senderId: 'bob' } }]);
  });

  test.each<[title: string, envelope: () => EncryptedEnvelope, code: string]>([
    ['another sender', () => envelopeOf('cleo', conversationId), 'FORBIDDEN'],
    ['a recipient outside the conversation', () => envelopeOf('ada', 'eve'), 'INVALID'],
  ])('an envelope of %s is refused', async (_title, envelope, code) => {
    await expect(remove(envelope())).rejects.toMatchObject({ code });
    await expect(react('ada', envelope())).rejects.toMatchObject({ code });
    const stored = await chat.history.get('ada', message.id);
    expect(stored).toEqual(message);
  });

  test('an envelope for a message that is not encrypted is refused', async () => {
    const { id } = await chat.say('ada', conversationId, 'readable');
    const envelope = envelopeOf('ada', conversationId);
    await expect(remove(envelope, id)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(react('ada', envelope, true, id)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test.each([
    ['deletion', deleteMessageSchema, {}],
    ['reaction', reactSchema, { emoji: '👍' }],
  ])('the ciphertext of a %s is limited', (_what, schema, extra) => {
    const isValid = (length: number): boolean => {
      const envelope = { ...envelopeOf('ada', 'bob'), ciphertext: 'A'.repeat(length) };
      return v.safeParse(schema, { conversationId: 'c', messageId: '1', ...extra, envelope }).success;
    };
    expect(isValid(LIMITS.changeCiphertextLength)).toBe(true);
    expect(isValid(LIMITS.changeCiphertextLength + 4)).toBe(false);
  });

  test('the envelopes of reactions count towards the size of a page', async () => {
    const large = await startChat({ limits: { restAnswerBytes: 3_000 } });
    const { id } = await large.group('ada', 'bob');
    for (let at = 0; at < 4; at += 1) {
      const { id: messageId } = await large.say('ada', id, 'x', { encrypted: true, envelope: envelopeOf('ada', id) });
      const envelope = envelopeOf('bob', id, 'x'.repeat(1_000));
      await large.messages.react(caller('bob'), { conversationId: id, messageId, emoji: '👍', envelope });
    }
    const { messages, hasMore } = await large.history.page('ada', id, { limit: 10 });
    large.sqlite.close();
    expect([(JSON.parse(messages) as unknown[]).length, hasMore]).toEqual([1, true]);
  });
});
