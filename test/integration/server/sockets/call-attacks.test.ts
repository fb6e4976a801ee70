import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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
  server = await startServer();
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

describe('refused, with an answer:', () => {
  test('a signal in the name of somebody else', async () => {
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

  test("a signal under another call's id", async () => {
    const participantIds = ['carol'];
    const { id } = await mallory.ask('conversation:create', { type: 'direct', participantIds });
    const other = await mallory.ask('call:initiate', { conversationId: id, type: 'audio', calleeIds: ['carol'] });
    const answer = await mallory.refused('signal:offer', { ...offer, ...ofCall(other.id), fromUserId: '' });
    expect(answer).toMatchObject({ code: 'NOT_FOUND' });
    expect(await alice.refused('signal:offer', { ...offer, ...ofCall(other.id), fromUserId: '' })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('an answer by somebody who was not called', async () => {
    expect(await carol.refused('call:respond', { ...ofCall(), action: 'accept' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await mallory.refused('call:respond', { ...ofCall(), action: 'reject' })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('hanging up, asking after, or muting in a call of others', async () => {
    for (const client of [carol, mallory]) {
      for (const event of ['call:hangup', 'call:sync', 'call:connected', 'call:media-toggle']) {
        const answer = await client.refused(event, { ...ofCall(), reason: 'completed', audio: false, deviceId: 'B' });
        expect(answer).toMatchObject({ code: 'NOT_FOUND' });
      }
    }
  });

  test('bringing people in or putting them out from outside', async () => {
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

  test('a quality report about somebody else, or from outside', async () => {
    const report = { ...ofCall(), userId: 'alice', quality: 'poor' };
    expect(await bob.refused('call:quality-report', report)).toMatchObject({ code: 'FORBIDDEN' });
    expect(await mallory.refused('call:quality-report', { ...report, userId: 'mallory' })).toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('a description of ten megabytes', async () => {
    const sdp = 'v'.repeat(10_000_000);
    expect(await alice.refused('signal:offer', { ...offer, ...ofCall(), fromUserId: '', sdp })).toMatchObject({
      code: 'INVALID',
    });
  });

  test('the rest of 100,000 candidates', async () => {
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
  }, 60_000);
});
