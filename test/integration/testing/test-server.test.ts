import { expect, test } from 'vitest';
import { CommClient, isCommError, socketIoPort } from '../../../src/index.ts';
import { faultySocket } from '../../../src/testing/faulty-socket.ts';
import { startFaultProxy } from '../../../src/testing/fault-proxy.ts';
import { startServerProcess } from '../../../src/testing/server-process.ts';
import { startTestServer } from '../../../src/testing/start-test-server.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { fastClock } from '../../faults/actor.ts';

/** Quick to try again, in no hurry for an answer: what gets lost here gets lost with its connection. */
const patient = { clock: fastClock, requestTimeoutMs: 60_000 };

test('a client chats with somebody that the test plays', async () => {
  await using server = await startTestServer();
  const { id } = await server.conversation({ between: ['ann', 'bob'] });
  await using client = new CommClient({ url: server.url, userId: 'ann' });
  await client.connect();
  const bob = await server.user('bob');
  const heard = bob.next('message:new');
  await client.messages.send({ conversationId: id, content: 'Hello, Bob' });
  expect(await heard).toMatchObject({ content: 'Hello, Bob', senderId: 'ann' });
  const told = new Promise((resolve) => {
    client.once('message:new', resolve);
  });
  await bob.send(id, 'Hello, Ann');
  expect(await told).toMatchObject({ content: 'Hello, Ann', senderId: 'bob' });
});

test('a conversation is direct for two and a group for more, unless it is said', async () => {
  await using server = await startTestServer();
  expect(await server.conversation({ between: ['ann', 'bob'] })).toMatchObject({ type: 'direct' });
  expect(await server.conversation({ between: ['ann', 'bob', 'cat'], name: 'All' })).toMatchObject({
    type: 'group',
    name: 'All',
  });
  expect(await server.conversation({ between: ['ann', 'bob'], type: 'group' })).toMatchObject({ type: 'group' });
});

test('refusals come as the errors they are', async () => {
  await using server = await startTestServer();
  const bob = await server.user('bob');
  const error: unknown = await bob.send('nowhere', 'Hello').catch((reason: unknown) => reason);
  expect(isCommError(error) && error.code).toBe('NOT_FOUND');
});

test('an app survives a line that loses, doubles, shuffles and cuts', async () => {
  await using server = await startTestServer();
  const { id } = await server.conversation({ between: ['ann', 'bob'] });
  const [namespace, path] = ['/nk/messages', '/__nk_socketio/'];
  const plain = socketIoPort({ url: server.url, namespace, path, transports: ['websocket'] });
  const socket = faultySocket(plain, { seed: 7, duplicate: 0.1, reorder: 0.1, delay: 0.2, cut: 0.03 });
  await using client = new CommClient({ url: server.url, userId: 'ann', socket, ...patient });
  await client.connect();
  const contents = Array.from({ length: 40 }, (_, number) => `message ${number}`);
  await Promise.all(contents.map((content) => client.messages.send({ conversationId: id, content })));
  socket.heal();
  await client.connect();
  const { messages } = await client.messages.list({ conversationId: id, limit: 100 });
  expect(messages.map(({ content }) => content)).toEqual(contents);
  expect(socket.figures.cut).toBeGreaterThan(0);
}, 120_000);

test('an app survives a server that is killed', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServerProcess({ database: `${directory.path}/comm.sqlite` });
  await using proxy = await startFaultProxy({ target: server.url, seed: 7, split: 0.5 });
  await using client = new CommClient({ url: proxy.url, userId: 'ann', ...patient });
  await client.connect();
  const { id } = await client.conversations.create({ type: 'group', participantIds: ['bob'] });
  await client.messages.send({ conversationId: id, content: 'before' });
  await server.kill();
  const sent = client.messages.send({ conversationId: id, content: 'after' });
  await server.restart();
  await sent;
  const { messages } = await client.messages.list({ conversationId: id });
  expect(messages.map(({ content }) => content)).toEqual(['before', 'after']);
});

test('a server process that can’t start says why', async () => {
  await expect(startServerProcess({ database: '/nowhere/at/all.sqlite' })).rejects.toThrow(/database/);
});
