/**
 * What a reconnect costs after a long absence: `node test/faults/scale.ts [conversations] [messages]`. Prints figures;
 * fails when a message is missing or told twice. In step is after one sync; what had no room in it follows in further ones.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CommClient, memoryStorage, socketIoPort, type SocketPort } from '../../src/index.ts';
import { startServerProcess } from '../../src/testing/server-process.ts';
import { connectUser, type TestUser } from '../../src/testing/test-user.ts';

const conversations = Number(process.argv[2] ?? 10_000);
const messages = Number(process.argv[3] ?? 100_000);
const CLOCK_TICKS_MS = 10;
/** So many requests of the writer wait at once. */
const PIPELINED = 500;

interface Counted {
  requests: Record<string, number>;
  answeredBytes: number;
  largestBytes: number;
}

/** Counts what is asked and what is answered, by the length of its JSON. */
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

/** CPU of a process so far, from Linux's /proc, in milliseconds. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICKS_MS;
}

async function pipelined(count: number, run: (number: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await run(next - 1);
    }
  };
  await Promise.all(Array.from({ length: PIPELINED }, lane));
}

const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-scale-'));
const since = (start: number): number => Math.round(performance.now() - start);
try {
  await using server = await startServerProcess({ database: path.join(directory, 'comm.sqlite') });
  // A server takes 10,000 requests of one socket at once, and 1,000 a second.
  const sockets = Math.ceil((conversations + messages) / 9_000);
  const writers = await Promise.all(
    Array.from({ length: sockets }, () => connectUser({ url: server.url, userId: 'writer' })),
  );
  const writerOf = (number: number): TestUser => {
    const writer = writers[number % sockets];
    if (writer === undefined) throw new Error('No writer');
    return writer;
  };
  const ids: string[] = [];
  const making = performance.now();
  await pipelined(conversations, async (number) => {
    const create = { type: 'group', name: `group ${number}`, participantIds: ['reader'] } as const;
    ids.push((await writerOf(number).request('conversation:create', create)).id);
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

  const writing = performance.now();
  await pipelined(messages, (number) => writerOf(number).send(ids[number % ids.length] ?? '', `message ${number}`));
  console.log(`${messages} messages written in ${since(writing)} ms`);
  for (const writer of writers) writer.close();

  Object.assign(counted, { requests: {}, answeredBytes: 0, largestBytes: 0 });
  const [serverBefore, clientBefore, start] = [cpuMs(server.pid), process.cpuUsage(), performance.now()];
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
  const { user, system } = process.cpuUsage(clientBefore);
  console.log(
    [
      `all ${told.messages} messages told after ${since(start)} ms, ${told.twice} twice`,
      `requests ${JSON.stringify(counted.requests)}`,
      `${counted.answeredBytes} bytes of answers, the largest ${counted.largestBytes}`,
      `CPU: server ${cpuMs(server.pid) - serverBefore} ms, client ${Math.round((user + system) / 1_000)} ms`,
    ].join('\n'),
  );
  if (told.twice > 0) process.exitCode = 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
