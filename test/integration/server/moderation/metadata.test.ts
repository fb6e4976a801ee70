import { expect, test } from 'vitest';
import type { JsonObject } from '../../../../src/protocol/metadata.ts';
import { caller, startChat } from '../../../helpers/server/chat.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { envelopeOf } from '../../../helpers/server/envelopes.ts';

const CARD: JsonObject = { card: { kind: 'poll', options: ['a', 1, null, true] }, __proto: 'x' };

test('metadata of a message reaches members by push, history, sync and search, one by one and in batches', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  await bob.ask('conversation:join', { conversationId });
  const sent = await ada.ask('message:send', { conversationId, content: 'vote now', type: 'text', metadata: CARD });
  expect(sent.metadata).toEqual(CARD);
  expect((await bob.next('message:new')).metadata).toEqual(CARD);
  const requests = ['one', 'two'].map((content) => ({
    name: 'message:send',
    payload: { conversationId, content, type: 'text', metadata: { content } },
  }));
  expect(await ada.ask('batch', { requests })).toMatchObject([
    { ok: true, data: { metadata: { content: 'one' } } },
    { ok: true, data: { metadata: { content: 'two' } } },
  ]);
  const read = async (path: string): Promise<unknown> => (await server.rest(path, 'bob')).json();
  expect(await read(`/conversations/${conversationId}/messages`)).toMatchObject([
    { metadata: { content: 'two' } },
    { metadata: { content: 'one' } },
    { metadata: CARD },
  ]);
  expect(await read(`/messages/search?q=vote`)).toMatchObject([{ metadata: CARD }]);
  expect(await bob.ask('sync', { cursors: { [conversationId]: 0 }, inboxRev: 1 })).toMatchObject({
    conversations: [{ changes: [{ metadata: CARD }, {}, {}] }],
  });
});

test('an edit replaces metadata that it names, keeps it otherwise, and removes it with an empty object', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.direct('ada', 'bob');
  const { id: messageId, rev = 0 } = await chat.say('ada', conversationId, 'x', { metadata: { a: 1 } });
  const edit = (more: { content: string; metadata?: JsonObject }) =>
    chat.messages.edit(caller('ada'), { conversationId, messageId, ...more });
  expect(await edit({ content: 'y' })).toMatchObject({ content: 'y', metadata: { a: 1 } });
  expect(await edit({ content: 'y', metadata: { b: 2 } })).toMatchObject({ metadata: { b: 2 }, rev: rev + 2 });
  // Nothing changes.
  expect(await edit({ content: 'y', metadata: { b: 2 } })).toMatchObject({ rev: rev + 2 });
  expect(await edit({ content: 'y', metadata: {} })).not.toHaveProperty('metadata');
  expect(await chat.say('ada', conversationId, 'z', { metadata: {} })).not.toHaveProperty('metadata');
  chat.sqlite.close();
});

test('metadata is copied when a message is forwarded, and goes when it is deleted', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.direct('ada', 'bob');
  const { id: toConversationId } = await chat.group('ada', 'cleo');
  const { id: messageId } = await chat.say('ada', conversationId, 'x', { metadata: CARD });
  const forward = { messageId, fromConversationId: conversationId, toConversationId };
  expect((await chat.sending.forward(caller('ada'), forward)).metadata).toEqual(CARD);
  expect(await chat.messages.delete(caller('ada'), { conversationId, messageId })).not.toHaveProperty('metadata');
  const [row] = await chat.sql('SELECT metadata FROM messages WHERE id = ?', messageId);
  expect(row?.['metadata']).toBeNull();
  chat.sqlite.close();
});

const nested = (levels: number): JsonObject => (levels === 1 ? {} : { a: nested(levels - 1) });

test('metadata that is too large, too deep or no object is refused', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const message = { conversationId, content: 'x', type: 'text' } as const;
  const { id: messageId } = await ada.ask('message:send', { ...message, metadata: nested(8) });
  await ada.ask('message:send', { ...message, metadata: { text: 'ü'.repeat(2_000) } });
  const refused = [nested(9), { text: 'x'.repeat(4_096) }, { text: 'ü'.repeat(2_043) }, [], 'text', 1, null];
  for (const metadata of refused as JsonObject[]) {
    expect(await ada.refused('message:send', { ...message, metadata })).toMatchObject({ code: 'INVALID' });
    expect(await ada.refused('message:edit', { conversationId, messageId, content: 'y', metadata })).toMatchObject({
      code: 'INVALID',
    });
  }
});

test('metadata beside an envelope is refused', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.direct('ada', 'bob');
  const envelope = envelopeOf('ada', 'bob');
  const sealed = { encrypted: true, envelope };
  const beside = chat.say('ada', conversationId, 'x', { ...sealed, metadata: { a: 1 } });
  await expect(beside).rejects.toMatchObject({ code: 'INVALID' });
  const { id: messageId } = await chat.say('ada', conversationId, 'x', sealed);
  const edit = { conversationId, messageId, content: 'x', envelope, metadata: { a: 1 } };
  await expect(chat.messages.edit(caller('ada'), edit)).rejects.toMatchObject({ code: 'INVALID' });
  chat.sqlite.close();
});
