import { expect, test } from 'vitest';
import type { CallLog } from '../../../../src/protocol/calls.ts';
import { startServerProcess, type ServerProcess } from '../../../../src/server/testing/server-process.ts';
import { connectClient, type CheckedClient } from '../../../helpers/server/checked-client.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

/** Each start of a process takes seconds on a busy machine. */
const TIMEOUT_MS = 180_000;
const USERS = ['alice', 'bob', 'carol', 'dave'];

const isEnded = ({ state }: { state: string }): boolean => state === 'ended';

async function connectAll(server: ServerProcess, users: readonly string[]): Promise<CheckedClient[]> {
  return await Promise.all(users.map((userId) => connectClient(server.url, { userId })));
}

async function callOf(
  clients: readonly CheckedClient[],
  users: readonly string[],
): Promise<{ callId: string; conversationId: string }> {
  const [caller, ...callees] = clients as [CheckedClient, ...CheckedClient[]];
  const calleeIds = users.slice(1);
  const { id: conversationId } = await caller.ask('conversation:create', { type: 'group', participantIds: calleeIds });
  const start = { conversationId, type: 'audio', calleeIds, deviceId: 'alice-device', clientId: 'once' } as const;
  const { id: callId } = await caller.ask('call:initiate', start);
  for (const [at, callee] of callees.entries()) {
    await callee.ask('call:respond', { callId, action: 'accept', deviceId: `${calleeIds[at] ?? ''}-device` });
  }
  await caller.ask('call:connected', { callId });
  return { callId, conversationId };
}

test.each([2, 4])(
  'a call of %i survives SIGKILL of its server process, and leaves one log message',
  async (size) => {
    await using directory = await temporaryDirectory();
    await using server = await startServerProcess({ database: `${directory.path}/comm.sqlite` });
    const users = USERS.slice(0, size);
    const before = await connectAll(server, users);
    const { callId, conversationId } = await callOf(before, users);
    for (const client of before) await client.settled();
    await server.kill('SIGKILL');
    for (const client of before) client.close();
    await server.restart();

    const clients = await connectAll(server, users);
    for (const [at, client] of clients.entries()) {
      const call = await client.ask('call:sync', { callId, deviceId: `${users[at] ?? ''}-device` });
      expect(call.state).toBe('connected');
      expect(call.participants.map(({ userId, deviceId }) => [userId, deviceId])).toEqual(
        users.map((userId) => [userId, `${userId}-device`]),
      );
      const { activeCall } = await client.next(
        'conversation:updated',
        ({ activeCall: running }) => running?.id === callId,
      );
      expect(activeCall).toMatchObject({ id: callId, participantIds: users });
    }
    // Signals reach the resumed devices.
    const [first, second] = clients as [CheckedClient, CheckedClient];
    await first.ask('signal:ice-restart', { callId, fromUserId: '', toUserId: 'bob', toDeviceId: 'bob-device' });
    expect(await second.next('signal:ice-restart')).toMatchObject({
      fromUserId: 'alice',
      fromDeviceId: 'alice-device',
    });

    for (const client of clients.slice(1).toReversed())
      await client.ask('call:hangup', { callId, reason: 'completed' });
    if (size > 2) await first.ask('call:hangup', { callId, reason: 'completed' });
    const { id, content } = await first.next('message:new', ({ type }) => type === 'call');
    expect(id).toBe(`call-${callId}`);
    expect(JSON.parse(content) as CallLog).toMatchObject({ callId, outcome: 'completed' });
    await first.next('conversation:updated', ({ activeCall }) => activeCall === null);

    // The log is written once, also if the process is killed after that.
    await server.kill('SIGKILL');
    for (const client of clients) client.close();
    await server.restart();
    const response = await fetch(`${server.url}/__nk_comm/conversations/${conversationId}/messages`, {
      headers: { 'x-user-id': 'bob' },
    });
    const messages = (await response.json()) as { id: string }[];
    expect(messages.map((message) => message.id)).toEqual([`call-${callId}`]);
  },
  TIMEOUT_MS,
);

test(
  'a ringing call survives SIGKILL: it rings again on devices that connect, and can be accepted',
  async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServerProcess({ database: `${directory.path}/comm.sqlite` });
    const before = await connectAll(server, ['alice', 'bob']);
    const [caller] = before as [CheckedClient];
    const created = await caller.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
    const start = {
      conversationId: created.id,
      type: 'audio',
      calleeIds: ['bob'],
      clientId: 'x',
      deviceId: 'A',
    } as const;
    const { id: callId } = await caller.ask('call:initiate', start);
    await server.kill('SIGKILL');
    for (const client of before) client.close();
    await server.restart();

    const [alice, bob] = (await connectAll(server, ['alice', 'bob'])) as [CheckedClient, CheckedClient];
    // The answer was lost: the request is repeated and starts no second call.
    expect(await alice.ask('call:initiate', start)).toMatchObject({ id: callId, state: 'ringing' });
    expect(await bob.next('call:incoming')).toMatchObject({ id: callId });
    await bob.ask('call:respond', { callId, action: 'accept', deviceId: 'B' });
    await alice.next('call:participant-joined', ({ participant }) => participant.userId === 'bob');
    await alice.ask('call:hangup', { callId, reason: 'completed' });
    await bob.next('call:state-changed', isEnded);
    alice.close();
    bob.close();
  },
  TIMEOUT_MS,
);
