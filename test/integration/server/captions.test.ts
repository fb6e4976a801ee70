import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { Changes, Conversation } from '../../../src/protocol/conversations.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import { createCommunicationApiHandlers, type CommServerOptions } from '../../../src/server/index.ts';
import type { CheckedClient } from '../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../helpers/server/comm-server.ts';

const NAME = 'quarterly figures.png';
const attachment = { url: '/files/1', mimeType: 'image/png', fileName: NAME, fileSize: 10 };
const other = { url: '/files/2', mimeType: 'image/png', fileName: 'second.png', fileSize: 20 };

interface Room {
  readonly server: TestServer;
  readonly conversationId: string;
  readonly ada: CheckedClient;
  readonly bob: CheckedClient;
  /** A base client, which is in the room. */
  readonly base: CheckedClient;
  send(as: CheckedClient, content: string, more?: object): Promise<Message>;
}

async function startRoom(options: CommServerOptions = {}): Promise<Room & AsyncDisposable> {
  const server = await startServer(options);
  const [ada, bob, base] = [await server.connect('ada'), await server.connect('bob'), await server.connectBase('old')];
  const participantIds = ['bob', 'old'];
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', name: 'g', participantIds });
  await base.ask('conversation:join', { conversationId });
  return {
    server,
    conversationId,
    ada,
    bob,
    base,
    send: (as, content, more = {}) =>
      as.ask('message:send', { conversationId, content, type: 'image', attachments: [attachment, other], ...more }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const json = async <T>(response: Promise<Response>): Promise<T> => (await (await response).json()) as T;

test('a file without a caption has an empty content for our clients, and its name for base clients', async () => {
  await using room = await startRoom();
  const { conversationId, ada, bob, base } = room;
  expect((await room.send(ada, '')).content).toBe('');
  expect(await bob.next('message:new')).toMatchObject({ content: '', attachment, attachments: [attachment, other] });
  expect(await base.next('message:new')).toMatchObject({ content: NAME, attachment });
  await ada.ask('batch', {
    requests: [
      {
        name: 'message:send',
        payload: { conversationId, content: '', type: 'image', attachments: [other], clientId: 'c-1' },
      },
    ],
  });
  expect(await bob.next('message:new')).toMatchObject({ content: '', attachment: other });
  expect(await base.next('message:new')).toMatchObject({ content: 'second.png' });
  await room.send(ada, 'a real caption');
  expect(await bob.next('message:new')).toMatchObject({ content: 'a real caption' });
  expect(await base.next('message:new')).toMatchObject({ content: 'a real caption' });
});

test('what a base client sends in place of a caption is no caption', async () => {
  await using room = await startRoom();
  const { conversationId, bob, base } = room;
  base.emit('message:send', { conversationId, content: NAME, type: 'image', attachment });
  expect(await base.next('message:new')).toMatchObject({ content: NAME });
  expect(await bob.next('message:new')).toMatchObject({ content: '', attachment });
  base.emit('message:send', { conversationId, content: 'look at this', type: 'image', attachment });
  expect(await bob.next('message:new')).toMatchObject({ content: 'look at this' });
});

test('a change of a file without a caption is pushed in the form of each client', async () => {
  await using room = await startRoom();
  const { conversationId, ada, bob, base } = room;
  const { id: messageId } = await room.send(ada, 'caption');
  await ada.ask('message:edit', { conversationId, messageId, content: 'changed' });
  expect(await base.next('message:updated')).toMatchObject({ content: 'changed' });
  const uncaptioned = await room.send(ada, '');
  const { id: target } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob', 'old'] });
  await base.ask('conversation:join', { conversationId: target });
  const request = { messageId: uncaptioned.id, fromConversationId: conversationId, toConversationId: target };
  expect(await ada.ask('message:forward', request)).toMatchObject({ content: '' });
  expect(await bob.next('message:forwarded')).toMatchObject({ content: '', attachment });
  expect(await base.next('message:forwarded')).toMatchObject({ content: NAME, attachment });
  await ada.ask('message:delete', { conversationId, messageId: uncaptioned.id });
  expect(await base.next('message:updated', ({ id }) => id === uncaptioned.id)).toMatchObject({ content: '' });
});

test('a member who is added receives the last message in the form of the client', async () => {
  await using room = await startRoom();
  const { server, conversationId, ada } = room;
  await room.send(ada, '');
  const [neu, alt] = [await server.connect('eve'), await server.connectBase('eve')];
  await ada.ask('conversation:add-participants', { conversationId, userIds: ['eve'] });
  const lastOf = async (client: CheckedClient): Promise<string | undefined> =>
    (await client.next('conversation:new')).lastMessage?.content;
  expect([await lastOf(neu), await lastOf(alt)]).toEqual(['', NAME]);
});

test('sync and joins answer in the form of the client', async () => {
  await using room = await startRoom();
  const { conversationId, ada, base } = room;
  await room.send(ada, '');
  const contents = async (client: CheckedClient): Promise<(string | undefined)[]> => {
    const { conversations } = await client.ask('sync', { cursors: { [conversationId]: 0 }, inboxRev: 1 });
    const { gained } = await client.ask('sync', { cursors: {}, inboxRev: 0 });
    const { conversation } = await client.ask('conversation:join', { conversationId });
    return [
      conversations[0]?.changes[0]?.content,
      conversations[0]?.conversation.lastMessage?.content,
      gained[0]?.lastMessage?.content,
      conversation.lastMessage?.content,
    ];
  };
  expect(await contents(ada)).toEqual(['', '', '', '']);
  expect(await contents(base)).toEqual([NAME, NAME, NAME, NAME]);
});

test('REST answers with names, and with captions where they are asked for', async () => {
  await using room = await startRoom();
  const { server, conversationId, ada } = room;
  const { id } = await room.send(ada, '');
  const contents = async (caps: string): Promise<(string | undefined)[]> => {
    const get = <T>(path: string): Promise<T> =>
      json<T>(server.rest(`${path}${path.includes('?') ? '&' : '?'}${caps}`, 'bob'));
    const [listed] = await get<Conversation[]>('/conversations');
    const [newest] = await get<Message[]>(`/conversations/${conversationId}/messages`);
    const { messages } = await get<{ messages: Message[] }>(`/conversations/${conversationId}/messages?paged=true`);
    const { changes, conversation } = await get<Changes>(`/conversations/${conversationId}/changes?after=0`);
    const one = await get<Message>(`/messages/${id}`);
    const [found] = await get<Message[]>('/messages/search?q=quarterly');
    return [
      listed?.lastMessage?.content,
      newest?.content,
      messages[0]?.content,
      changes[0]?.content,
      conversation.lastMessage?.content,
      one.content,
      found?.content,
    ];
  };
  expect(new Set(await contents('caps=batch'))).toEqual(new Set(['']));
  expect(new Set(await contents('caps=rev'))).toEqual(new Set([NAME]));
});

test('a file without a caption is found by its name until it is deleted', async () => {
  await using room = await startRoom();
  const { server, conversationId, ada } = room;
  const { id } = await room.send(ada, '');
  await room.send(ada, 'with words of its own');
  const found = async (q: string): Promise<string[]> =>
    (await json<Message[]>(server.rest(`/messages/search?q=${q}`, 'bob'))).map((each) => each.id);
  expect(await found('figures')).toEqual([id]);
  await ada.ask('message:delete', { conversationId, messageId: id });
  expect(await found('figures')).toEqual([]);
});

test("LumenJS's own operations return names", async () => {
  const db = new DatabaseSync(':memory:');
  await using room = await startRoom({ db });
  const { conversationId, ada } = room;
  const { id } = await room.send(ada, '');
  const api = createCommunicationApiHandlers(db);
  expect((await api.getMessages(conversationId))[0]?.content).toBe(NAME);
  expect((await api.getMessage(id))?.content).toBe(NAME);
  expect((await api.searchMessages('figures'))[0]?.content).toBe(NAME);
  expect((await api.getConversations('bob'))[0]?.lastMessage?.content).toBe(NAME);
});
