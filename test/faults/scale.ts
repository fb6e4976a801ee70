/**
 * Measures a reconnect after a long absence: `node test/faults/scale.ts [conversations] [messages]`. Prints figures and fails
 * if a message is missing or emitted twice. The client is connected after the first sync; further ones load the rest.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CommClient, memoryStorage, socketIoPort, type SocketPort } from '../../src/index.ts';
import { connectUser, type TestUser } from '../../src/testing/connect-user.ts';
import { startProbedServer } from './probed-server.ts';

const conversations = Number(process.argv[2] ?? 10_000);
const messages = Number(process.argv[3] ?? 100_000);
/** Concurrent requests of all writers. */
const PIPELINED = 500;
/** The server has its default limits: one address may have 100 connections that are not identified yet. */
const CONNECTING = 50;
/** What one user may do at once by default: create 60 conversations and send 200 messages. */
const CREATED_AT_ONCE = 50;
const SENT_AT_ONCE = 150;

interface Counted {
  requests: Record<string, number>;
  answeredBytes: number;
  largestBytes: number;
}

/** Counts requests and answers by the length of their JSON. */
function counting(port: SocketPort, counted: Counted): SocketPort {
  return {
    listen: (listener) => port.listen(listener),
    connect: (handshake) => port.connect(handshake),
    disconnect: () => port.disconnect(),
    emit: (event, payload, acknowledge) => {
      counted.requests[event] = (counted.requests[event] ?? 0) + 1;
      port.emit(
        event,
        payload,
        acknowledge &&
          ((reply) => {
            const bytes = JSON.stringify(reply).length;
            counted.answeredBytes += bytes;
            counted.largestBytes = Math.max(counted.largestBytes, bytes);
            acknowledge(reply);
          }),
      );
    },
  };
}

async function pipelined(count: number, run: (number: number) => Promise<unknown>, lanes = PIPELINED): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await run(next - 1);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-scale-'));
const since = (start: number): number => Math.round(performance.now() - start);
try {
  await using server = await startProbedServer(directory);
  const users = Math.ceil(Math.max(conversations / CREATED_AT_ONCE, messages / SENT_AT_ONCE));
  const writers: TestUser[] = [];
  const connect = async (number: number): Promise<void> => {
    writers[number] = await connectUser({ url: server.url, userId: `writer-${number}` });
  };
  await pipelined(users, connect, CONNECTING);
  /** The writer of a conversation is its creator. */
  const writerOf = (conversation: number): TestUser => {
    const writer = writers[conversation % users];
    if (writer === undefined) throw new Error('No writer');
    return writer;
  };
  const ids: string[] = [];
  const making = performance.now();
  await pipelined(conversations, async (number) => {
    const create = { type: 'group', name: `group ${number}`, participantIds: ['reader'] } as const;
    ids[number] = (await writerOf(number).request('conversation:create', create)).id;
  });
  console.log(`${conversations} conversations made in ${since(making)} ms`);

  const counted: Counted = { requests: {}, answeredBytes: 0, largestBytes: 0 };
  const line = socketIoPort({
    url: server.url,
    namespace: '/nk/messages',
    path: '/__nk_socketio/',
    transports: ['websocket'],
  });
  await using reader = new CommClient({
    url: server.url,
    userId: 'reader',
    socket: counting(line, counted),
    storage: memoryStorage(),
  });
  reader.conversations.inbox.subscribe(() => undefined);
  const told = { messages: 0, twice: 0 };
  const seen = new Set<string>();
  reader.on('message:new', ({ id }) => {
    told.messages += 1;
    if (seen.has(id)) told.twice += 1;
    seen.add(id);
  });
  const first = performance.now();
  await reader.connect();
  console.log(`first connect in ${since(first)} ms, ${counted.answeredBytes} bytes of answers`);
  await reader.disconnect();

  await server.turns();
  const writing = performance.now();
  await pipelined(messages, (number) => {
    const conversation = number % conversations;
    return writerOf(conversation).send(ids[conversation] ?? '', `message ${number}`);
  });
  console.log(`${messages} messages written in ${since(writing)} ms`);
  for (const writer of writers) writer.close();

  Object.assign(counted, { requests: {}, answeredBytes: 0, largestBytes: 0 });
  const writingTurns = await server.turns();
  const [serverBefore, clientBefore, start] = [server.cpuMs(), process.cpuUsage(), performance.now()];
  const all = new Promise<void>((resolve) => {
    reader.on('message:new', () => {
      if (told.messages === messages) resolve();
    });
  });
  await reader.connect();
  const inStep = since(start);
  console.log(
    `in step again in ${inStep} ms: ${counted.requests['nk:sync'] ?? 0} sync, ${counted.answeredBytes} bytes of answers`,
  );
  const timer = setTimeout(() => {
    console.log(`only ${told.messages} of ${messages} told`);
    process.exit(1);
  }, 300_000);
  await all;
  clearTimeout(timer);
  const turns = await server.turns();
  const { user, system } = process.cpuUsage(clientBefore);
  console.log(
    [
      `all ${told.messages} messages told after ${since(start)} ms, ${told.twice} twice`,
      `requests ${JSON.stringify(counted.requests)}`,
      `${counted.answeredBytes} bytes of answers, the largest ${counted.largestBytes}`,
      `server turns while writing ${JSON.stringify(writingTurns)}, while reading ${JSON.stringify(turns)}`,
      `CPU: server ${server.cpuMs() - serverBefore} ms, client ${Math.round((user + system) / 1_000)} ms`,
    ].join('\n'),
  );
  if (told.twice > 0) process.exitCode = 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
