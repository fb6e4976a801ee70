/**
 * Measures a reconnect storm: all members of one group connect and sync at once after a message they missed.
 * `node test/faults/storm.ts [members]`. Prints the CPU time and the longest turn of the server, and the bytes of the answers.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../../src/lib/clock.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { retry } from '../../src/lib/retry.ts';
import type { Message } from '../../src/protocol/messages.ts';
import { connectUser, type TestUser } from '../../src/testing/connect-user.ts';
import { startProbedServer } from './probed-server.ts';

/** One user may send 200 messages at once. */
const SENT_AT_ONCE = 100;
const members = Number(process.argv[2] ?? 1_000);
/** Waits besides the time that the server asks for. */
const BACKOFF = { baseMs: 10, maxMs: 100 };

const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-storm-'));
try {
  await using server = await startProbedServer(directory);
  const connect = (number: number): Promise<TestUser> => connectUser({ url: server.url, userId: `member-${number}` });
  const owner = await connect(0);
  /** Creating the group takes all requests that its owner may send at once: as an outbox, this waits as it is told. */
  const send = (conversationId: string, content: string): Promise<Message> =>
    retry(
      () => owner.send(conversationId, content),
      { clock: systemClock, random: systemRandom },
      { backoff: BACKOFF },
    );
  const participantIds = Array.from({ length: members - 1 }, (_, at) => `member-${at + 1}`);
  // Without the start of the server.
  await server.turns();
  const { id } = await owner.request('conversation:create', { type: 'group', name: 'all', participantIds });
  console.log(`a group of ${members} created:`, await server.turns());
  const { rev = 0 } = await send(id, 'seen by all');
  await send(id, 'missed by all');
  const users = [owner];
  const connectAll = async (): Promise<void> => {
    while (users.length < members) users.push(await connect(users.length));
  };
  const [connectCpu, connecting] = [server.cpuMs(), performance.now()];
  await server.turns();
  await connectAll();
  const connectTurns = await server.turns();
  console.log(
    `${members} connects: ${Math.round(performance.now() - connecting)} ms, server CPU ${server.cpuMs() - connectCpu} ms`,
    connectTurns,
  );
  let bytes = 0;
  const [cpu, start] = [server.cpuMs(), performance.now()];
  await Promise.all(
    users.map(async (user) => {
      const answer = await user.request('sync', { cursors: { [id]: rev }, inboxRev: 2 });
      bytes += JSON.stringify(answer).length;
      const { conversations } = answer;
      if (conversations[0]?.changes.length !== 1)
        throw new Error(`A member got ${JSON.stringify(answer).slice(0, 500)}`);
    }),
  );
  const turns = await server.turns();
  console.log(
    `${members} syncs: ${Math.round(performance.now() - start)} ms, server CPU ${server.cpuMs() - cpu} ms,`,
    `${Math.round(bytes / members)} bytes per answer, ${bytes} in total`,
    turns,
  );
  const [sendingCpu, sending] = [server.cpuMs(), performance.now()];
  await Promise.all(Array.from({ length: SENT_AT_ONCE }, (_, at) => send(id, `${at + 1} of ${SENT_AT_ONCE}`)));
  // Pushes are written before the sender is answered.
  console.log(
    `${SENT_AT_ONCE} messages to all: ${Math.round(performance.now() - sending)} ms, server CPU`,
    `${server.cpuMs() - sendingCpu} ms,`,
    await server.turns(),
  );
  for (const user of users) user.close();
} finally {
  await rm(directory, { recursive: true, force: true });
}
