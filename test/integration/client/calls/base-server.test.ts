import { afterEach, describe, expect, test } from 'vitest';
import { resourceCounters } from '../../../../src/client/calls/webrtc/resource-counters.ts';
import type { CallSession } from '../../../../src/index.ts';
import { until } from '../../../helpers/client/app.ts';
import { startBase } from '../../../helpers/client/base-world.ts';
import { becomes, caller, heldResources, incomingCall, type Caller } from '../../../helpers/client/caller.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

interface Pair {
  alice: Caller;
  bob: Caller;
  conversationId: string;
  join: (userId: string) => Promise<Caller>;
}

async function pair(): Promise<Pair> {
  const { server, join } = await startBase();
  const conversationId = server.seedConversation({ participantIds: ['alice', 'bob'] });
  const [alice, bob] = await Promise.all([caller(join, 'alice'), caller(join, 'bob')]);
  return { alice, bob, conversationId, join: (userId) => caller(join, userId) };
}

function call({ app }: Caller, conversationId: string, calleeId: string): Promise<CallSession> {
  return app.client.calls.start({ conversationId, type: 'video', calleeIds: [calleeId] });
}

afterEach(() => {
  expect(resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

describe('with a base server', () => {
  test('a call rings, is answered, connects with one offer, signals mute and ends', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await call(alice, conversationId, 'bob');
    expect(ours.id).not.toBe('');
    const theirs = await incomingCall(bob);
    await becomes(ours, 'ringing');
    await theirs.accept();
    await until(ours, ({ remoteStreams }) => remoteStreams.size === 1);
    await until(theirs, ({ remoteStreams }) => remoteStreams.size === 1);
    expect(alice.platform.backend.offers + bob.platform.backend.offers).toBe(1);
    expect(alice.platform.backend.context?.self).toEqual({ userId: 'alice' });
    for (const each of [ours, theirs]) {
      expect(each.state).toBe('connected');
      expect(each.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
    }
    await ours.setVideo(false);
    await until(theirs, ({ participants }) => participants[0]?.videoMuted === true);
    expect(alice.app.port.sent).not.toContain('call:connected');
    ours.hangup();
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['completed', 'completed']);
    for (const each of [alice, bob]) expect(heldResources(each)).toMatchObject({ backends: 0, localMedia: 0 });
  });

  test('a call is rejected, and cancelled', async () => {
    const { alice, bob, conversationId } = await pair();
    const first = await call(alice, conversationId, 'bob');
    (await incomingCall(bob)).reject();
    expect(await first.ended).toBe('rejected');
    const second = await call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    second.hangup();
    expect(await theirs.ended).toBe('cancelled');
  });

  test('two simultaneous calls become one call', async () => {
    const { alice, bob, conversationId } = await pair();
    const both = await Promise.all([call(alice, conversationId, 'bob'), call(bob, conversationId, 'alice')]);
    await Promise.all(both.map((each) => becomes(each, 'connected')));
    expect(both[0].id).toBe(both[1].id);
    both[0].hangup();
    await both[1].ended;
  });

  test('a callee who is in a call is busy', async () => {
    const { alice, bob, conversationId, join } = await pair();
    const ours = await call(alice, conversationId, 'bob');
    await (await incomingCall(bob)).accept();
    const carol = await join('carol');
    expect(await (await call(carol, conversationId, 'bob')).ended).toBe('busy');
    ours.hangup();
    await ours.ended;
  });

  test('accepting on one device stops the ringing on the other', async () => {
    const { alice, bob, conversationId, join } = await pair();
    const laptop = await join('bob');
    const ours = await call(alice, conversationId, 'bob');
    const [phone, other] = await Promise.all([incomingCall(bob), incomingCall(laptop)]);
    await phone.accept();
    expect(await other.ended).toBe('completed');
    expect(other.detail).toBe('answered_elsewhere');
    ours.hangup();
    await phone.ended;
  });

  test('the client ends an unanswered call, because the server does not', async () => {
    const { server, join } = await startBase();
    const conversationId = server.seedConversation({ participantIds: ['alice', 'bob'] });
    const clock = manualClock();
    const joining = caller(join, 'alice', { clock });
    const bob = await caller(join, 'bob');
    const settled = joining.then(() => true);
    // Not faster than real time: requests would time out on a busy machine.
    while (!(await Promise.race([settled, tick()]))) clock.advance(TICK_MS);
    const alice = await joining;
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    clock.advance(60_000);
    expect(await ours.ended).toBe('missed');
    expect(await theirs.ended).toBe('missed');
  });
});

const TICK_MS = 10;
function tick(): Promise<false> {
  return new Promise((resolve) => setTimeout(resolve, TICK_MS, false));
}
