import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Call, CallLog } from '../../../src/protocol/calls.ts';
import type { CommServerOptions } from '../../../src/server/index.ts';
import { eventually } from '../../helpers/eventually.ts';
import { startPostgres, type PostgresProcess } from '../../helpers/postgres/postgres-process.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';
import { connectClient, type CheckedClient } from '../../helpers/server/checked-client.ts';
import { LARGE_BUDGETS, startServer } from '../../helpers/server/comm-server.ts';
import { startChild, type Child } from '../../helpers/child-process.ts';
import pg from 'pg';

/** A busy machine takes long to start processes. */
const TIMEOUT_MS = 120_000;

let postgres: PostgresProcess;
let redis: RedisProcess;
let options: CommServerOptions;
let databases = 0;
const open: (() => Promise<void>)[] = [];

beforeAll(async () => {
  [postgres, redis] = [await startPostgres(), await startRedis()];
}, TIMEOUT_MS);
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});
beforeEach(async () => {
  databases += 1;
  await postgres.execute(`CREATE DATABASE calls_${databases}`);
  options = { database: postgres.url(`calls_${databases}`), redis: redis.url, limits: LARGE_BUDGETS };
});
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** Starts servers with one database and one Redis in this process. Returns their URLs. */
async function processes(count: number, more: CommServerOptions = {}): Promise<string[]> {
  const urls: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const server = await startServer({ ...options, ...more });
    open.push(async () => await server[Symbol.asyncDispose]());
    urls.push(server.url);
  }
  return urls;
}

async function connect(url: string | undefined, userId: string, caps?: null): Promise<CheckedClient> {
  if (url === undefined) throw new Error('No such process');
  const client = await connectClient(url, { userId, caps });
  open.push(() => Promise.resolve(client.close()));
  return client;
}

async function groupOf(creator: CheckedClient, participantIds: string[]): Promise<string> {
  const { id } = await creator.ask('conversation:create', { type: 'group', name: 'calls', participantIds });
  return id;
}

/** The code of a refusal, or the answer. */
async function outcome(answer: Promise<Call>): Promise<string> {
  try {
    return (await answer).state;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** The seats of a call as they are stored. */
async function seatsOf(callId: string): Promise<readonly { userId: string; away?: object; processId?: string }[]> {
  const client = new pg.Client({ connectionString: options.database });
  await client.connect();
  try {
    const { rows } = await client.query<{ state: string }>('SELECT state FROM comm_calls WHERE id = $1', [callId]);
    return (JSON.parse(rows[0]?.state ?? '{"seats":[]}') as { seats: { userId: string }[] }).seats;
  } finally {
    await client.end();
  }
}

const isEnded = ({ state }: { state: string }): boolean => state === 'ended';

/** The logs of calls that a client was told, once there are `count`. */
async function logsOf(client: CheckedClient, count = 1): Promise<CallLog[]> {
  for (let at = 0; at < count; at += 1) await client.next('message:new', ({ type }) => type === 'call');
  await client.settled();
  const messages = client.payloads('message:new').filter(({ type }) => type === 'call');
  return messages.map(({ content }) => JSON.parse(content) as CallLog);
}

describe('a call over three processes', () => {
  test('rings on every process, and an answer on one device ends ringing on the others', async () => {
    const [a, b, c] = await processes(3);
    const [alice, phone, laptop] = [await connect(a, 'alice'), await connect(b, 'bob'), await connect(c, 'bob')];
    const conversationId = await groupOf(alice, ['bob']);
    const start = { conversationId, type: 'audio', calleeIds: ['bob'], deviceId: 'A' } as const;
    const { id: callId, state } = await alice.ask('call:initiate', start);
    expect(state).toBe('ringing');
    await Promise.all([phone.next('call:incoming'), laptop.next('call:incoming')]);
    await laptop.ask('call:respond', { callId, action: 'accept', deviceId: 'L' });
    expect(await phone.next('call:state-changed')).toMatchObject({ state: 'ended', detail: 'answered_elsewhere' });
    expect((await alice.next('call:participant-joined')).participant).toMatchObject({ userId: 'bob', deviceId: 'L' });
    await alice.ask('signal:offer', {
      callId,
      fromUserId: '',
      toUserId: 'bob',
      toDeviceId: 'L',
      type: 'offer',
      sdp: '1',
    });
    expect(await laptop.next('signal:offer')).toMatchObject({ sdp: '1', fromUserId: 'alice', fromDeviceId: 'A' });
    await laptop.ask('signal:answer', { callId, fromUserId: '', toUserId: 'alice', type: 'answer', sdp: '2' });
    expect(await alice.next('signal:answer')).toMatchObject({ sdp: '2', fromDeviceId: 'L' });
    await laptop.ask('call:connected', { callId });
    await alice.next('call:state-changed', (change) => change.state === 'connected');
    await laptop.ask('call:media-toggle', { callId, audio: false });
    expect(await alice.next('call:media-changed')).toMatchObject({ userId: 'bob', audio: false });
    await alice.ask('call:hangup', { callId, reason: 'completed' });
    await laptop.next('call:state-changed', isEnded);
    expect(await logsOf(phone)).toMatchObject([{ callId, outcome: 'completed' }]);
  });

  test('a repeated call:initiate on another process is answered with the same call', async () => {
    const [a, b] = await processes(2);
    const [first, second, bob] = [await connect(a, 'alice'), await connect(b, 'alice'), await connect(b, 'bob')];
    const conversationId = await groupOf(first, ['bob']);
    const start = { conversationId, type: 'audio', calleeIds: ['bob'], deviceId: 'A', clientId: 'once' } as const;
    const [one, other] = await Promise.all([first.ask('call:initiate', start), second.ask('call:initiate', start)]);
    expect(other.id).toBe(one.id);
    await bob.next('call:incoming');
    await bob.settled();
    expect(bob.payloads('call:incoming')).toHaveLength(1);
    await second.ask('call:sync', { callId: one.id, deviceId: 'A' });
    await second.ask('call:hangup', { callId: 'once', reason: 'cancelled' });
    await bob.next('call:state-changed', isEnded);
    expect(await second.ask('call:sync', { callId: one.id })).toMatchObject({ state: 'ended', endReason: 'cancelled' });
    // The client id is known as long as the ended call.
    expect(await first.ask('call:initiate', start)).toMatchObject({ id: one.id, state: 'ended' });
  });

  test('two users who call each other at the same time are in one call', async () => {
    const [a, b] = await processes(2);
    const [alice, bob] = [await connect(a, 'alice'), await connect(b, 'bob')];
    const conversationId = await groupOf(alice, ['bob']);
    const start = { conversationId, type: 'audio' } as const;
    for (let round = 0; round < 5; round += 1) {
      const [one, other] = await Promise.all([
        alice.ask('call:initiate', { ...start, calleeIds: ['bob'], deviceId: 'A' }),
        bob.ask('call:initiate', { ...start, calleeIds: ['alice'], deviceId: 'B' }),
      ]);
      expect(one.id).toBe(other.id);
      const { participants } = await alice.ask('call:sync', { callId: one.id, deviceId: 'A' });
      expect(participants.map(({ userId }) => userId).toSorted()).toEqual(['alice', 'bob']);
      await alice.ask('call:hangup', { callId: one.id, reason: 'completed' });
    }
  });

  test('a waiting call rings on the devices of every process that show it', async () => {
    const [a, b, c] = await processes(3);
    const [alice, bob, carol] = [await connect(a, 'alice'), await connect(b, 'bob'), await connect(c, 'carol')];
    const other = await connect(a, 'bob');
    const base = await connect(c, 'bob', null);
    const conversationId = await groupOf(alice, ['bob', 'carol']);
    const start = { conversationId, type: 'audio', calleeIds: ['bob'] } as const;
    const { id } = await alice.ask('call:initiate', start);
    await bob.next('call:incoming');
    await bob.ask('call:respond', { callId: id, action: 'accept', deviceId: 'B' });
    const waiting = await carol.ask('call:initiate', start);
    expect(waiting.state).toBe('ringing');
    for (const device of [bob, other]) {
      const incoming = await device.next('call:incoming', (call) => call.id === waiting.id);
      expect(incoming).toMatchObject({ waiting: true });
    }
    await base.next('call:incoming', (call) => call.id === id);
    await base.settled();
    expect(base.payloads('call:incoming')).toHaveLength(1);
  });

  test('signals to a device that reconnects to another process are delivered there, in order', async () => {
    const [a, b, c] = await processes(3);
    const [alice, bob] = [await connect(a, 'alice'), await connect(b, 'bob')];
    const conversationId = await groupOf(alice, ['bob']);
    const { id: callId } = await alice.ask('call:initiate', {
      conversationId,
      type: 'audio',
      calleeIds: ['bob'],
      deviceId: 'A',
    });
    await bob.ask('call:respond', { callId, action: 'accept', deviceId: 'B' });
    const restart = { callId, fromUserId: '', toUserId: 'bob', toDeviceId: 'B' };
    bob.close();
    // Buffered once the process of bob's device has noticed, else lost with the connection.
    await eventually(async () => expect(await seatsOf(callId)).toMatchObject([{}, { away: {} }]));
    for (let generation = 1; generation <= 20; generation += 1) {
      await alice.ask('signal:ice-restart', { ...restart, generation });
    }
    const again = await connect(c, 'bob');
    expect(await again.ask('call:sync', { callId, deviceId: 'B' })).toMatchObject({ state: 'connecting' });
    await alice.ask('signal:ice-restart', { ...restart, generation: 21 });
    await again.next('signal:ice-restart', ({ generation }) => generation === 21);
    const generations = again.payloads('signal:ice-restart').map(({ generation }) => generation);
    expect(generations).toEqual(Array.from({ length: 21 }, (_, at) => at + 1));
  });
});

describe('races', () => {
  const ROUNDS = 8;

  test('of two devices that accept on two processes, one is in the call', async () => {
    const [a, b, c] = await processes(3);
    const [alice, phone, laptop] = [await connect(a, 'alice'), await connect(b, 'bob'), await connect(c, 'bob')];
    const conversationId = await groupOf(alice, ['bob']);
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id: callId } = await alice.ask('call:initiate', { conversationId, type: 'audio', calleeIds: ['bob'] });
      await Promise.all([phone.next('call:incoming'), laptop.next('call:incoming')]);
      const outcomes = await Promise.all([
        outcome(phone.ask('call:respond', { callId, action: 'accept', deviceId: 'P' })),
        outcome(laptop.ask('call:respond', { callId, action: 'accept', deviceId: 'L' })),
      ]);
      expect(outcomes.toSorted()).toEqual(['CONFLICT', 'connecting']);
      const [winner, loser] = outcomes[0] === 'connecting' ? [phone, laptop] : [laptop, phone];
      await loser.next(
        'call:state-changed',
        ({ detail, ...change }) => change.callId === callId && detail === 'answered_elsewhere',
      );
      const { participant } = await alice.next('call:participant-joined', (joined) => joined.callId === callId);
      expect(participant.deviceId).toBe(winner === phone ? 'P' : 'L');
      await winner.ask('call:hangup', { callId, reason: 'completed' });
      await alice.next('call:state-changed', (change) => change.callId === callId && isEnded(change));
    }
    await alice.settled();
    expect(alice.payloads('call:participant-joined')).toHaveLength(ROUNDS);
  });

  test('of an answer and a refusal on two processes, one counts', async () => {
    const [a, b, c] = await processes(3);
    const [alice, phone, laptop] = [await connect(a, 'alice'), await connect(b, 'bob'), await connect(c, 'bob')];
    const conversationId = await groupOf(alice, ['bob']);
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id: callId } = await alice.ask('call:initiate', { conversationId, type: 'audio', calleeIds: ['bob'] });
      const [accepted, declined] = await Promise.all([
        outcome(phone.ask('call:respond', { callId, action: 'accept', deviceId: 'P' })),
        outcome(laptop.ask('call:respond', { callId, action: 'reject' })),
      ]);
      const isAccepted = accepted === 'connecting';
      expect([
        ['connecting', 'CONFLICT'],
        ['NOT_FOUND', 'ended'],
      ]).toContainEqual([accepted, declined]);
      if (isAccepted) await phone.ask('call:hangup', { callId, reason: 'completed' });
      const ended = await alice.next('call:state-changed', (change) => change.callId === callId && isEnded(change));
      expect(ended.endReason).toBe(isAccepted ? 'completed' : 'rejected');
    }
    expect(await logsOf(laptop, ROUNDS)).toHaveLength(ROUNDS);
  });

  test('of a hang-up and an answer on two processes, the call ends for both', async () => {
    const [a, b] = await processes(2);
    const [alice, bob] = [await connect(a, 'alice'), await connect(b, 'bob')];
    const conversationId = await groupOf(alice, ['bob']);
    for (let round = 0; round < ROUNDS; round += 1) {
      const { id: callId } = await alice.ask('call:initiate', { conversationId, type: 'audio', calleeIds: ['bob'] });
      await bob.next('call:incoming', ({ id }) => id === callId);
      const [answer] = await Promise.all([
        outcome(bob.ask('call:respond', { callId, action: 'accept', deviceId: 'B' })),
        alice.ask('call:hangup', { callId, reason: 'cancelled' }),
      ]);
      expect(['connecting', 'NOT_FOUND']).toContain(answer);
      const ended = await bob.next('call:state-changed', (change) => change.callId === callId && isEnded(change));
      expect(ended.endReason).toBe('cancelled');
      expect(await bob.ask('call:sync', { callId })).toMatchObject({ state: 'ended' });
    }
    expect(await logsOf(bob, ROUNDS)).toHaveLength(ROUNDS);
  });

  test('a user who accepts two calls on two processes is in one', async () => {
    const [a, b, c] = await processes(3);
    const [alice, carol] = [await connect(a, 'alice'), await connect(a, 'carol')];
    const [phone, laptop] = [await connect(b, 'bob'), await connect(c, 'bob')];
    const conversationId = await groupOf(alice, ['bob', 'carol']);
    for (let round = 0; round < ROUNDS; round += 1) {
      const start = { conversationId, type: 'audio', calleeIds: ['bob'] } as const;
      const [one, two] = [await alice.ask('call:initiate', start), await carol.ask('call:initiate', start)];
      const outcomes = await Promise.all([
        outcome(phone.ask('call:respond', { callId: one.id, action: 'accept', deviceId: 'P' })),
        outcome(laptop.ask('call:respond', { callId: two.id, action: 'accept', deviceId: 'L' })),
      ]);
      expect(outcomes.toSorted()).toEqual(['BUSY', 'connecting']);
      await alice.ask('call:hangup', { callId: one.id, reason: 'cancelled' });
      await carol.ask('call:hangup', { callId: two.id, reason: 'cancelled' });
    }
  });

  test('a group call is joined on three processes at once', async () => {
    const urls = await processes(3);
    const users = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'];
    const clients = await Promise.all(users.map((userId, at) => connect(urls[at % 3], userId)));
    const observers = await Promise.all(urls.map((url) => connect(url, 'grace')));
    const [alice, ...others] = clients as [CheckedClient, ...CheckedClient[]];
    const conversationId = await groupOf(alice, [...users.slice(1), 'grace']);
    const { id: callId } = await alice.ask('call:initiate', {
      conversationId,
      type: 'audio',
      calleeIds: users.slice(1),
    });
    const answers = await Promise.all(
      others.map((client, at) =>
        client.ask('call:respond', { callId, action: 'accept', deviceId: `device of ${users[at + 1] ?? ''}` }),
      ),
    );
    const { participants } = await alice.ask('call:sync', { callId });
    const joined = participants.map(({ userId }) => userId);
    expect(joined.toSorted()).toEqual(users);
    // Each is answered with those who joined before, and told of those who joined after.
    for (const [at, answer] of answers.entries()) {
      const place = joined.indexOf(users[at + 1] ?? '');
      expect(answer.participants.map(({ userId }) => userId)).toEqual(joined.slice(0, place + 1));
      const client = others[at];
      for (const userId of joined.slice(place + 1)) {
        await client?.next('call:participant-joined', ({ participant }) => participant.userId === userId);
      }
      await client?.settled();
      expect(client?.payloads('call:participant-joined')).toHaveLength(joined.length - place - 1);
    }
    // The members see the running call, the last state last, and no state twice.
    for (const observer of observers) {
      await observer.next(
        'conversation:updated',
        ({ activeCall }) => activeCall?.participantIds.length === users.length,
      );
      await observer.settled();
      const seen = observer
        .payloads('conversation:updated')
        .flatMap(({ activeCall }) => activeCall?.participantIds.length ?? []);
      expect(seen).toEqual([...new Set(seen)].toSorted((x, y) => x - y));
    }
    const late = await connect(urls[1], 'grace');
    expect((await late.next('conversation:updated')).activeCall?.participantIds).toEqual(joined);
    const listed = await fetch(`${urls[2] ?? ''}/__nk_comm/conversations`, { headers: { 'x-user-id': 'grace' } });
    const [conversation] = (await listed.json()) as { activeCall?: { id: string } }[];
    expect(conversation?.activeCall?.id).toBe(callId);
  });
});

describe('a process that ends', () => {
  /** Starts a server in a process of its own. */
  async function start(config: CommServerOptions['config'] = {}): Promise<Child & { url: string }> {
    const child = startChild('server/server-child.ts', [JSON.stringify({ ...options, config })]);
    open.push(async () => await child[Symbol.asyncDispose]());
    await child.until((lines) => lines.length > 0);
    return { ...child, url: child.lines[0] ?? '' };
  }

  test(
    'is killed: the caller resumes the call on another process, and the ring timer goes on',
    async () => {
      const config = { ringTimeoutMs: 12_000 };
      const [a, b, c] = await Promise.all([start(config), start(config), start(config)]);
      const [alice, bob] = [await connect(a.url, 'alice'), await connect(b.url, 'bob')];
      const conversationId = await groupOf(alice, ['bob']);
      const start_ = { conversationId, type: 'audio', calleeIds: ['bob'], deviceId: 'A', clientId: 'x' } as const;
      const { id: callId } = await alice.ask('call:initiate', start_);
      await bob.next('call:incoming');
      await a.kill('SIGKILL');
      const again = await connect(c.url, 'alice');
      expect(await again.ask('call:initiate', start_)).toMatchObject({ id: callId, state: 'ringing' });
      expect(await bob.next('call:state-changed', isEnded)).toMatchObject({ callId, endReason: 'missed' });
      expect(await again.next('call:state-changed', isEnded)).toMatchObject({ callId, endReason: 'missed' });
      expect(await logsOf(again)).toMatchObject([{ callId, outcome: 'missed' }]);
    },
    TIMEOUT_MS,
  );

  test(
    'is killed: a participant who does not return leaves after the grace time',
    async () => {
      const config = { callReconnectMs: 3_000 };
      const [a, b] = await Promise.all([start(config), start(config)]);
      const [alice, bob, carol] = [
        await connect(a.url, 'alice'),
        await connect(b.url, 'bob'),
        await connect(a.url, 'carol'),
      ];
      const conversationId = await groupOf(alice, ['bob', 'carol']);
      const { id: callId } = await alice.ask('call:initiate', {
        conversationId,
        type: 'audio',
        calleeIds: ['bob', 'carol'],
        deviceId: 'A',
      });
      await bob.ask('call:respond', { callId, action: 'accept', deviceId: 'B' });
      await carol.ask('call:respond', { callId, action: 'accept', deviceId: 'C' });
      await a.kill('SIGKILL');
      const again = await connect(b.url, 'alice');
      const { participants } = await again.ask('call:sync', { callId, deviceId: 'A' });
      expect(participants.map(({ userId }) => userId)).toEqual(['alice', 'bob', 'carol']);
      expect(await bob.next('call:participant-left')).toMatchObject({ callId, userId: 'carol' });
      await again.ask('call:hangup', { callId, reason: 'completed' });
      await bob.next('call:participant-left', ({ userId }) => userId === 'alice');
      await bob.ask('call:hangup', { callId, reason: 'completed' });
      expect(await logsOf(bob)).toMatchObject([{ callId, outcome: 'completed' }]);
    },
    TIMEOUT_MS,
  );

  test(
    'is drained: no participant leaves',
    async () => {
      const [a, b] = await Promise.all([start(), start()]);
      const [alice, bob] = [await connect(a.url, 'alice'), await connect(b.url, 'bob')];
      const conversationId = await groupOf(alice, ['bob']);
      const { id: callId } = await alice.ask('call:initiate', {
        conversationId,
        type: 'audio',
        calleeIds: ['bob'],
        deviceId: 'A',
      });
      await bob.ask('call:respond', { callId, action: 'accept', deviceId: 'B' });
      await a.kill('SIGTERM');
      expect(await seatsOf(callId)).toMatchObject([{ userId: 'alice', away: {} }, { userId: 'bob' }]);
      const again = await connect(b.url, 'alice');
      expect(await again.ask('call:sync', { callId, deviceId: 'A' })).toMatchObject({ state: 'connecting' });
      await again.ask('signal:ice-restart', { callId, fromUserId: '', toUserId: 'bob' });
      await bob.next('signal:ice-restart');
      expect(bob.payloads('call:participant-left')).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
