import { expect, test } from 'vitest';
import type { CallLog } from '../../../../src/protocol/calls.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';

async function together(...clients: CheckedClient[]): Promise<string> {
  const [first, ...rest] = clients;
  if (first === undefined) throw new Error('No clients');
  const participantIds = rest.map((_, index) => ['bob', 'carol'][index] ?? '');
  const { id } = await first.ask('conversation:create', { type: 'group', participantIds });
  return id;
}

async function answeredCall(server: TestServer): Promise<{
  alice: CheckedClient;
  bob: CheckedClient;
  conversationId: string;
  callId: string;
}> {
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  const conversationId = await together(alice, bob);
  const { id: callId } = await alice.ask('call:initiate', { conversationId, type: 'video', calleeIds: ['bob'] });
  await bob.ask('call:respond', { callId, action: 'accept' });
  return { alice, bob, conversationId, callId };
}

test('an ended call leaves a message with type, outcome and duration', async () => {
  await using server = await startServer();
  const { alice, bob, conversationId, callId } = await answeredCall(server);
  await bob.ask('call:hangup', { callId, reason: 'completed' });
  await alice.next('call:state-changed', ({ state }) => state === 'ended');
  const row = await alice.next('message:new');
  expect(row).toMatchObject({ id: `call-${callId}`, conversationId, senderId: 'alice', type: 'call' });
  const log = JSON.parse(row.content) as CallLog;
  expect(log).toEqual({ callId, callType: 'video', outcome: 'completed', duration: expect.any(Number) as unknown });
});

test('two base clients can call each other', async () => {
  await using server = await startServer();
  const alice = await server.connectBase('alice');
  const bob = await server.connectBase('bob');
  const conversationId = await together(alice, bob);

  alice.emit('call:initiate', { conversationId, type: 'audio', calleeIds: ['bob'] });
  const { callId } = await alice.next('call:state-changed', ({ state }) => state === 'initiating');
  expect(await bob.next('call:incoming')).toMatchObject({ id: callId, callerId: 'alice', calleeIds: ['bob'] });
  bob.emit('call:respond', { callId, action: 'accept' });
  await alice.next('call:participant-joined', ({ participant }) => participant.userId === 'bob');
  await alice.next('call:state-changed', ({ state }) => state === 'connecting');
  await bob.next('call:state-changed', ({ state }) => state === 'connecting');

  alice.emit('signal:offer', { callId, fromUserId: 'alice', toUserId: 'bob', type: 'offer', sdp: 'v=0' });
  expect(await bob.next('signal:offer')).toEqual({
    callId,
    fromUserId: 'alice',
    toUserId: 'bob',
    type: 'offer',
    sdp: 'v=0',
  });
  bob.emit('signal:answer', { callId, fromUserId: 'bob', toUserId: 'alice', type: 'answer', sdp: 'v=1' });
  expect(await alice.next('signal:answer')).toMatchObject({ fromUserId: 'bob', sdp: 'v=1' });
  alice.emit('call:hangup', { callId, reason: 'completed' });
  expect(await bob.next('call:state-changed', ({ state }) => state === 'ended')).toMatchObject({
    endReason: 'completed',
  });
});

test('the server sets the sender of a signal', async () => {
  await using server = await startServer();
  const { alice, bob, callId } = await answeredCall(server);
  const signal = { callId, fromUserId: '', toUserId: 'bob' };
  await alice.ask('signal:ice-candidate', { ...signal, candidate: 'c', sdpMLineIndex: 0, sdpMid: null });
  await alice.ask('signal:ice-restart', signal);
  expect(await bob.next('signal:ice-candidate')).toMatchObject({ fromUserId: 'alice', candidate: 'c', sdpMid: null });
  expect(await bob.next('signal:ice-restart')).toEqual({ callId, fromUserId: 'alice', toUserId: 'bob' });
});

test('signals reach only participants, on the device that is in the call', async () => {
  await using server = await startServer();
  const { alice, bob, callId } = await answeredCall(server);
  const laptop = await server.connect('bob');
  const carol = await server.connect('carol');
  const offer = { callId, fromUserId: '', type: 'offer', sdp: 'v=0' } as const;
  await alice.ask('signal:offer', { ...offer, toUserId: 'bob' });
  await bob.next('signal:offer');
  expect(await alice.refused('signal:offer', { ...offer, toUserId: 'carol' })).toMatchObject({ code: 'NOT_FOUND' });
  expect(await alice.refused('signal:offer', { ...offer, toUserId: 'alice' })).toMatchObject({ code: 'NOT_FOUND' });
  expect(await carol.refused('signal:offer', { ...offer, toUserId: 'bob' })).toMatchObject({ code: 'NOT_FOUND' });
  expect(await laptop.refused('signal:offer', { ...offer, toUserId: 'alice' })).toMatchObject({ code: 'CONFLICT' });
  await laptop.settled();
  expect(laptop.events).not.toContain('signal:offer');
});

test('candidates are rate-limited, and descriptions have a maximum length', async () => {
  // With time that moves a slow machine would earn more of them than it sends.
  await using server = await startServer({ clock: manualClock() });
  const { alice, callId } = await answeredCall(server);
  const signal = { callId, fromUserId: '', toUserId: 'bob' };
  const candidate = { ...signal, candidate: 'c', sdpMLineIndex: 0, sdpMid: '0' };
  const replies = await Promise.all(Array.from({ length: 700 }, () => alice.raw('signal:ice-candidate', candidate)));
  expect(replies.slice(0, 512).every(({ ok }) => ok)).toBe(true);
  expect(replies.slice(512).every((reply) => !reply.ok && reply.error.code === 'RATE_LIMITED')).toBe(true);
  expect(await alice.refused('signal:offer', { ...signal, type: 'offer', sdp: 'x'.repeat(65_537) })).toMatchObject({
    code: 'INVALID',
  });
});

test('a user who leaves the group leaves its call', async () => {
  await using server = await startServer();
  const { alice, bob, conversationId, callId } = await answeredCall(server);
  await bob.ask('conversation:remove-participant', { conversationId, userId: 'bob' });
  await alice.next('call:state-changed', ({ state }) => state === 'ended');
  expect(await bob.refused('call:media-toggle', { callId, audio: true })).toMatchObject({ code: 'NOT_FOUND' });
});

test('a call ends when a participant has disappeared', async () => {
  await using server = await startServer({ config: { callReconnectMs: 0 } });
  const { alice, bob, callId } = await answeredCall(server);
  bob.socket.disconnect();
  expect(await alice.next('call:state-changed', ({ state }) => state === 'ended')).toMatchObject({ callId });
});
