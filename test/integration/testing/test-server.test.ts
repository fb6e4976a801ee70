import { expect, test } from 'vitest';
import { CommClient, isCommError, socketIoPort } from '../../../src/index.ts';
import { jwtAuth } from '../../../src/server/auth/jwt.ts';
import { faultySocket } from '../../../src/testing/faulty-socket.ts';
import { startFaultProxy } from '../../../src/server/testing/fault-proxy.ts';
import { startServerProcess } from '../../../src/server/testing/server-process.ts';
import { startTestServer } from '../../../src/server/testing/start-test-server.ts';
import { connectUser } from '../../../src/testing/connect-user.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { fastClock } from '../../faults/actor.ts';

/** Reconnects quickly and waits long for answers: requests only fail when their connection is lost. */
const patient = { clock: fastClock, requestTimeoutMs: 60_000 };

test('a client exchanges messages with a test user', async () => {
  await using server = await startTestServer();
  const { id } = await server.conversation({ between: ['ann', 'bob'] });
  await using client = new CommClient({ url: server.url, userId: 'ann', clock: patientClock() });
  await client.connect();
  await using bob = await connectUser({ url: server.url, userId: 'bob' });
  const pushed = bob.next('message:new');
  await client.messages.send({ conversationId: id, content: 'Hello, Bob' });
  expect(await pushed).toMatchObject({ content: 'Hello, Bob', senderId: 'ann' });
  const received = new Promise((resolve) => {
    client.once('message:new', resolve);
  });
  await bob.send(id, 'Hello, Ann');
  expect(await received).toMatchObject({ content: 'Hello, Ann', senderId: 'bob' });
});

test('conversation() creates a direct conversation for two users and a group for more, unless a type is given', async () => {
  await using server = await startTestServer();
  expect(await server.conversation({ between: ['ann', 'bob'] })).toMatchObject({ type: 'direct' });
  expect(await server.conversation({ between: ['ann', 'bob', 'cat'], name: 'All' })).toMatchObject({
    type: 'group',
    name: 'All',
    participants: [
      { userId: 'ann', role: 'owner' },
      { userId: 'bob', role: 'member' },
      { userId: 'cat', role: 'member' },
    ],
  });
  expect(await server.conversation({ between: ['ann', 'bob'], type: 'group' })).toMatchObject({ type: 'group' });
});

test('conversation() announces the conversation to connected participants', async () => {
  await using server = await startTestServer();
  await using bob = await connectUser({ url: server.url, userId: 'bob' });
  const pushed = bob.next('conversation:new');
  const { id } = await server.conversation({ between: ['ann', 'bob'] });
  expect(await pushed).toMatchObject({ id });
});

test('conversation() works on a server that requires tokens', async () => {
  await using server = await startTestServer({ auth: jwtAuth({ secret: 'a secret of thirty-two characters' }) });
  expect(await server.conversation({ between: ['ann', 'bob'] })).toMatchObject({ type: 'direct' });
  await expect(connectUser({ url: server.url, userId: 'ann' })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

test('a server with a database file keeps its data across restarts', async () => {
  await using directory = await temporaryDirectory();
  const database = `${directory.path}/comm.sqlite`;
  const first = await startTestServer({ database });
  const { id } = await first.conversation({ between: ['ann', 'bob'] });
  await first.close();
  await using second = await startTestServer({ database });
  expect(await second.conversation({ between: ['ann', 'bob'] })).toMatchObject({ id });
});

test('request() rejects with the code of the server', async () => {
  await using server = await startTestServer();
  await using bob = await connectUser({ url: server.url, userId: 'bob' });
  const error: unknown = await bob.send('unknown-conversation', 'Hello').catch((reason: unknown) => reason);
  expect(isCommError(error) && error.code).toBe('NOT_FOUND');
});

test('a client delivers all messages in order over a connection that duplicates, reorders, delays and cuts', async () => {
  await using server = await startTestServer();
  const { id } = await server.conversation({ between: ['ann', 'bob'] });
  const [namespace, path] = ['/nk/messages', '/__nk_socketio/'];
  const plain = socketIoPort({ url: server.url, namespace, path, transports: ['websocket'] });
  const socket = faultySocket(plain, { seed: 7, duplicate: 0.1, reorder: 0.1, delay: 0.2, cut: 0.1 });
  await using client = new CommClient({ url: server.url, userId: 'ann', socket, ...patient });
  await client.connect();
  const contents: string[] = [];
  const sends: Promise<unknown>[] = [];
  // Which frame is cut depends on how many there are, and messages of one turn share a frame.
  while (contents.length < 40 || (socket.figures.cut === 0 && contents.length < 2_000)) {
    contents.push(`message ${contents.length}`);
    sends.push(client.messages.send({ conversationId: id, content: contents.at(-1) ?? '' }));
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await Promise.all(sends);
  socket.heal();
  await client.connect();
  const { messages } = await client.messages.list({ conversationId: id, limit: 100 });
  expect(messages.map(({ content }) => content)).toEqual(contents.slice(-100));
  expect(socket.figures.cut).toBeGreaterThan(0);
}, 120_000);

test('a client delivers its messages after the server was killed and restarted', async () => {
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

test('startServerProcess rejects with the output of a process that fails to start', async () => {
  await expect(startServerProcess({ database: '/nowhere/at/all.sqlite' })).rejects.toThrow(/database/);
});
