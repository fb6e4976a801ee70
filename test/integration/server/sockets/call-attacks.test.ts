import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../../helpers/manual-clock.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';

let server: TestServer;
let alice: CheckedClient;
let bob: CheckedClient;
/** In the conversation, and not in the call. */
let carol: CheckedClient;
/** In neither. */
let mallory: CheckedClient;
let conversationId: string;
let callId: string;

beforeEach(async () => {
  // With time that moves a slow machine would earn more candidates.
  server = await startServer({ clock: manualClock() });
  const names = ['alice', 'bob', 'carol', 'mallory'];
  [alice, bob, carol, mallory] = (await Promise.all(names.map((name) => server.connect(name)))) as [
    CheckedClient,
    CheckedClient,
    CheckedClient,
    CheckedClient,
  ];
  const created = await alice.ask('conversation:create', { type: 'group', participantIds: ['bob', 'carol'] });
  conversationId = created.id;
  const call = await alice.ask('call:initiate', { conversationId, type: 'video', calleeIds: ['bob'], deviceId: 'A' });
  callId = call.id;
  await bob.ask('call:respond', { callId, action: 'accept', deviceId: 'B' });
});

/** After every attack the call goes on, and those in it have heard nothing of it. */
afterEach(async () => {
  await alice.ask('signal:ice-restart', { callId, fromUserId: 'alice', toUserId: 'bob' });
  expect(await bob.next('signal:ice-restart')).toMatchObject({ fromUserId: 'alice', fromDeviceId: 'A' });
  expect(bob.events).not.toContain('signal:offer');
  expect(alice.events).not.toContain('call:quality-changed');
  expect(alice.payloads('call:state-changed').map(({ state }) => state)).not.toContain('ended');
  for (const client of [alice, bob, carol, mallory]) client.close();
  await server[Symbol.asyncDispose]();
});

const offer = { type: 'offer', sdp: 'v=0', toUserId: 'bob' } as const;
const ofCall = (id = callId) => ({ callId: id });

describe('rejected with an error', () => {
  test('a signal in the name of another user', async () => {
    const forged = { ...offer, ...ofCall(), fromUserId: 'carol' };
    expect(await alice.refused('signal:offer', forged)).toMatchObject({ code: 'FORBIDDEN' });
  });

  test.each(['signal:offer', 'signal:answer', 'signal:ice-candidate', 'signal:ice-restart'])(
    '%s from outside of the call',
    async (event) => {
      const signal = { ...ofCall(), fromUserId: '', toUserId: 'bob', sdp: 'v=0', candidate: 'c' };
      expect(await carol.refused(event, signal)).toMatchObject({ code: 'NOT_FOUND' });
      expect(await mallory.refused(event, { ...signal, fromUserId: 'alice' })).toMatchObject({ code: 'FORBIDDEN' });
    },
  );

  test('a signal with the id of another call', async () => {
    const participantIds = ['carol'];
    const { id } = await mallory.ask('conversation:create', { type: 'direct', participantIds });
    const other = await mallory.ask('call:initiate', { conversationId: id, type: 'audio', calleeIds: ['carol'] });
    const answer = await mallory.refused('signal:offer', { ...offer, ...ofCall(other.id), fromUserId: '' });
    expect(answer).toMatchObject({ code: 'NOT_FOUND' });
    expect(await alice.refused('signal:offer', { ...offer, ...ofCall(other.id), fromUserId: '' })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test("an answer of a user who wasn't called", async () => {
    expect(await carol.refused('call:respond', { ...ofCall(), action: 'accept' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await mallory.refused('call:respond', { ...ofCall(), action: 'reject' })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('hanging up, syncing or muting in a call of others', async () => {
    for (const client of [carol, mallory]) {
      for (const event of ['call:hangup', 'call:sync', 'call:connected', 'call:media-toggle']) {
        const answer = await client.refused(event, { ...ofCall(), reason: 'completed', audio: false, deviceId: 'B' });
        expect(answer).toMatchObject({ code: 'NOT_FOUND' });
      }
    }
  });

  test('joining a call of a conversation that is foreign, left or made up, without any difference', async () => {
    const { id: other } = await mallory.ask('conversation:create', { type: 'group', participantIds: ['carol'] });
    await alice.ask('conversation:remove-participant', { conversationId, userId: 'carol' });
    const made = crypto.randomUUID();
    const refusals = [
      // A stranger, a former member, an id that does not exist, and a conversation of others that has no call.
      await mallory.refused('call:join', { conversationId, deviceId: 'M' }),
      await carol.refused('call:join', { conversationId, deviceId: 'C' }),
      await mallory.refused('call:join', { conversationId: made, deviceId: 'M' }),
      await alice.refused('call:join', { conversationId: other, deviceId: 'A' }),
    ];
    expect(new Set(refusals.map((each) => JSON.stringify(each)))).toHaveLength(1);
    expect(refusals[0]).toMatchObject({ code: 'NOT_FOUND' });
    // The former member gets nothing of the call by its id either, nor does a made up id differ from it.
    for (const client of [carol, mallory]) {
      const answers = await Promise.all(
        [callId, made].map((each) => client.refused('call:sync', { callId: each, deviceId: 'B' })),
      );
      expect(answers[0]).toEqual(answers[1]);
    }
  });

  test('syncing a call of others after its end', async () => {
    const { id } = await carol.ask('conversation:create', { type: 'direct', participantIds: ['mallory'] });
    const ended = await carol.ask('call:initiate', { conversationId: id, type: 'audio', calleeIds: ['mallory'] });
    await carol.ask('call:hangup', { callId: ended.id, reason: 'cancelled' });
    expect(await mallory.ask('call:sync', { callId: ended.id })).toMatchObject({ endReason: 'cancelled' });
    const foreign = await alice.refused('call:sync', { callId: ended.id });
    expect(foreign).toEqual(await alice.refused('call:sync', { callId: crypto.randomUUID() }));
  });

  test('joining without end', async () => {
    const joins = Array.from({ length: 200 }, () =>
      carol.raw('call:join', { conversationId: crypto.randomUUID(), deviceId: 'C' }),
    );
    const codes = (await Promise.all(joins)).map((reply) => (reply.ok ? 'ok' : reply.error.code));
    expect(new Set(codes)).toEqual(new Set(['NOT_FOUND', 'RATE_LIMITED']));
  });

  test('adding or removing participants from outside', async () => {
    const about = { ...ofCall(), userId: 'bob' };
    expect(await carol.refused('call:remove-participant', about)).toMatchObject({ code: 'NOT_FOUND' });
    expect(await carol.refused('call:add-participant', { ...about, userId: 'carol' })).toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(await bob.refused('call:remove-participant', { ...about, userId: 'alice' })).toMatchObject({
      code: 'FORBIDDEN',
    });
    expect(await alice.refused('call:add-participant', { ...about, userId: 'mallory' })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('a quality report about another user, or from outside', async () => {
    const report = { ...ofCall(), userId: 'alice', quality: 'poor' };
    expect(await bob.refused('call:quality-report', report)).toMatchObject({ code: 'FORBIDDEN' });
    expect(await mallory.refused('call:quality-report', { ...report, userId: 'mallory' })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('a description of nearly a megabyte', async () => {
    const sdp = 'v'.repeat(900_000);
    expect(await alice.refused('signal:offer', { ...offer, ...ofCall(), fromUserId: '', sdp })).toMatchObject({
      code: 'INVALID',
    });
  });

  test('100,000 candidates beyond the limit', async () => {
    const candidate = { ...ofCall(), fromUserId: '', toUserId: 'bob', candidate: 'c', sdpMLineIndex: 0, sdpMid: '0' };
    let relayed = 0;
    const codes = new Set<string>();
    for (let sent = 0; sent < 100_000; sent += 1_000) {
      const replies = await Promise.all(
        Array.from({ length: 1_000 }, () => bob.raw('signal:ice-candidate', { ...candidate, toUserId: 'alice' })),
      );
      for (const reply of replies) {
        if (reply.ok) relayed += 1;
        else codes.add(reply.error.code);
      }
    }
    expect([...codes]).toEqual(['RATE_LIMITED']);
    await alice.settled();
    expect(alice.events.filter((event) => event === 'signal:ice-candidate')).toHaveLength(relayed);
    expect(relayed).toBeLessThan(10_000);
  }, 300_000);
});
