import { afterEach, describe, expect, test } from 'vitest';
import { resourceCounters } from '../../../../src/client/calls/webrtc/resource-counters.ts';
import type { CallSession } from '../../../../src/index.ts';
import { CommError } from '../../../../src/index.ts';
import { until } from '../../../helpers/client/app.ts';
import {
  becomes,
  caller,
  heldResources,
  NO_RESOURCES,
  incomingCall,
  type Caller,
} from '../../../helpers/client/caller.ts';
import { direct, group, startWorld, type World } from '../../../helpers/client/world.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import type { CommServerOptions } from '../../../../src/server/index.ts';

interface Pair {
  world: World;
  alice: Caller;
  bob: Caller;
  conversationId: string;
}

async function pair(options?: CommServerOptions): Promise<Pair> {
  const world = await startWorld(options);
  const alice = await caller(world.join, 'alice');
  const bob = await caller(world.join, 'bob');
  return { world, alice, bob, conversationId: await direct(alice.app, bob.app) };
}

function call({ app }: Caller, conversationId: string, ...calleeIds: string[]): Promise<CallSession> {
  return app.client.calls.start({ conversationId, type: 'audio', calleeIds });
}

async function talking(options?: CommServerOptions): Promise<Pair & { ours: CallSession; theirs: CallSession }> {
  const made = await pair(options);
  const ours = await call(made.alice, made.conversationId, 'bob');
  const theirs = await incomingCall(made.bob);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  return { ...made, ours, theirs };
}

afterEach(() => {
  expect(resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

describe('simultaneous calls and devices', () => {
  test('two simultaneous calls become one call', async () => {
    const { alice, bob, conversationId } = await pair();
    const [ours, theirs] = await Promise.all([call(alice, conversationId, 'bob'), call(bob, conversationId, 'alice')]);
    await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
    expect(ours.id).toBe(theirs.id);
    expect(alice.platform.backend.offers + bob.platform.backend.offers).toBe(1);
    expect([...alice.app.all('call'), ...bob.app.all('call')]).toEqual([]);
    ours.hangup();
    expect(await theirs.ended).toBe('completed');
  });

  test('calling a user whose call is ringing accepts that call', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    expect(await call(bob, conversationId, 'alice')).toBe(theirs);
    await becomes(ours, 'connected');
    ours.hangup();
    await theirs.ended;
  });

  test('a second call is rejected as BUSY', async () => {
    const { alice, bob, conversationId, ours, theirs } = await talking();
    await expect(call(alice, conversationId, 'bob')).rejects.toMatchObject({ code: 'BUSY' });
    expect(bob.app.all('call')).toHaveLength(1);
    ours.hangup();
    await theirs.ended;
  });

  test('if two devices accept simultaneously, one gets the call and the other ends as answered_elsewhere', async () => {
    const { world, alice, bob, conversationId } = await pair();
    const laptop = await caller(world.join, 'bob');
    const ours = await call(alice, conversationId, 'bob');
    const ringing = await Promise.all([incomingCall(bob), incomingCall(laptop)]);
    const accepted = await Promise.allSettled(ringing.map((each) => each.accept()));
    expect(accepted.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const loser = ringing[accepted.findIndex(({ status }) => status === 'rejected')];
    expect(await loser?.ended).toBe('completed');
    expect(loser?.detail).toBe('answered_elsewhere');
    await becomes(ours, 'connected');
    ours.hangup();
    await Promise.all(ringing.map(({ ended }) => ended));
  });

  test('rejecting on a second device after the call was accepted has no effect', async () => {
    const { world, alice, bob, conversationId } = await pair();
    const laptop = await caller(world.join, 'bob');
    const ours = await call(alice, conversationId, 'bob');
    const [phone, other] = await Promise.all([incomingCall(bob), incomingCall(laptop)]);
    laptop.app.port.losesPush = (event) => event === 'call:state-changed';
    await phone.accept();
    await becomes(ours, 'connected');
    other.reject();
    await laptop.app.client.conversations.list();
    expect(ours.state).toBe('connected');
    ours.hangup();
    expect(await phone.ended).toBe('completed');
  });

  test('rejecting on one device stops the ringing on the other', async () => {
    const { world, alice, bob, conversationId } = await pair();
    const laptop = await caller(world.join, 'bob');
    const ours = await call(alice, conversationId, 'bob');
    const [phone, other] = await Promise.all([incomingCall(bob), incomingCall(laptop)]);
    phone.reject();
    expect(await Promise.all([ours.ended, other.ended])).toEqual(['rejected', 'rejected']);
    expect(other.detail).toBe('rejected_elsewhere');
  });

  test.each([
    ['rejected', 'rejected_elsewhere', (phone: CallSession) => phone.reject()],
    [
      'completed',
      'answered_elsewhere',
      async (phone: CallSession) => {
        await phone.accept();
        phone.hangup();
      },
    ],
  ] as const)('a device that was offline learns that the call was %s (%s)', async (reason, detail, answer) => {
    const { world, alice, bob, conversationId } = await pair();
    const laptop = await caller(world.join, 'bob');
    const ours = await call(alice, conversationId, 'bob');
    const [phone, other] = await Promise.all([incomingCall(bob), incomingCall(laptop)]);
    laptop.app.port.unplug();
    await answer(phone);
    await Promise.all([ours.ended, phone.ended]);
    laptop.app.port.plug();
    expect(await other.ended).toBe(reason);
    expect(other.detail).toBe(detail);
  });

  test('a device that accepts a call which another one has just rejected ends it as rejected_elsewhere', async () => {
    const { world, alice, bob, conversationId } = await pair();
    const laptop = await caller(world.join, 'bob');
    const ours = await call(alice, conversationId, 'bob');
    const [phone, other] = await Promise.all([incomingCall(bob), incomingCall(laptop)]);
    laptop.app.port.losesPush = (event) => event === 'call:state-changed';
    phone.reject();
    await ours.ended;
    await expect(other.accept()).rejects.toMatchObject({ code: 'CONFLICT' });
    expect([other.endReason, other.detail]).toEqual(['rejected', 'rejected_elsewhere']);
    await phone.ended;
  });

  test('a callee who accepts and hangs up at once ends the call as rejected on both sides', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    // Without the answer, the callee doesn't know that the call was accepted.
    bob.app.port.losesAck = (event) => event === 'call:respond';
    bob.app.port.losesPush = (event) => event === 'call:state-changed';
    const refusal = theirs.accept().catch((error: unknown) => error);
    await until(ours, ({ participants }) => participants.length === 2);
    theirs.hangup();
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['rejected', 'rejected']);
    expect(await refusal).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('the server connection', () => {
  test('is lost and restored during a call: the call stays connected and is synchronised', async () => {
    const { bob, ours, theirs } = await talking();
    const states: string[] = [];
    theirs.on('state', (state) => states.push(state));
    bob.app.port.unplug();
    await ours.setAudio(false);
    await theirs.setAudio(false);
    bob.app.port.plug();
    await bob.app.reconnected();
    await until(theirs, ({ participants }) => participants[0]?.audioMuted === true);
    await until(ours, ({ participants }) => participants[1]?.audioMuted === true);
    expect(states).toEqual([]);
    expect(bob.platform.backend.recoveries).toEqual(['signalling']);
    ours.hangup();
    expect(await theirs.ended).toBe('completed');
  });

  test('delivers signals that were sent while it was down, in order', async () => {
    const { alice, bob, ours, theirs } = await talking({ config: { presenceGraceMs: 0 } });
    const stop = alice.app.client.presence.watch(['bob']);
    const received: unknown[] = [];
    const { backend } = bob.platform;
    backend.onSignal = (message) => void received.push('candidate' in message ? message.candidate : message.kind);
    bob.app.port.unplug();
    // Waits until the server has noticed; before, it sends to the lost socket.
    await alice.app.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'offline');
    stop();
    const to = { userId: 'bob' };
    const send = alice.platform.backend.context?.signal;
    send?.send({ kind: 'offer', sdp: 'v=2', to });
    for (const candidate of ['a', 'b']) send?.send({ kind: 'candidate', candidate, sdpMLineIndex: 0, sdpMid: '0', to });
    await alice.app.client.conversations.list();
    alice.app.port.unplug();
    send?.send({ kind: 'candidate', candidate: 'c', sdpMLineIndex: 0, sdpMid: '0', to });
    bob.app.port.plug();
    alice.app.port.plug();
    await until(polled(received), (list) => list.length === 4);
    expect(received).toEqual(['offer', 'a', 'b', 'c']);
    ours.hangup();
    await theirs.ended;
  });

  test('is down on hang-up: the hang-up is sent after the reconnect', async () => {
    const { alice, ours, theirs } = await talking();
    alice.app.port.unplug();
    ours.hangup();
    expect(await ours.ended).toBe('completed');
    expect(heldResources(alice)).toMatchObject({ backends: 0, localMedia: 0 });
    alice.app.port.plug();
    expect(await theirs.ended).toBe('completed');
    await alice.app.reconnected();
    await until(polled(alice.platform), (platform) => platform.listeners === 0);
  });

  test('loses the reply to call:initiate: the callee rings once and the call continues', async () => {
    const { alice, bob, conversationId } = await pair();
    alice.app.port.losesAck = (event) => event === 'call:initiate';
    const starting = call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    alice.app.port.losesAck = () => false;
    alice.app.port.cut();
    const ours = await starting;
    expect(ours.id).toBe(theirs.id);
    expect(bob.app.all('call')).toHaveLength(1);
    await theirs.accept();
    await becomes(ours, 'connected');
    ours.hangup();
    await theirs.ended;
  });

  test('loses the reply to a call that is then cancelled: the ringing stops', async () => {
    const { alice, bob, conversationId } = await pair();
    alice.app.port.losesAck = (event) => event === 'call:initiate';
    alice.app.port.losesPush = (event) => event === 'call:state-changed';
    const starting = call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    alice.app.client.calls.active?.hangup();
    alice.app.port.losesAck = () => false;
    alice.app.port.cut();
    expect((await starting).endReason).toBe('cancelled');
    expect(await theirs.ended).toBe('cancelled');
  });

  test('is lost without a hang-up: the call ends after the reconnect time', async () => {
    const { bob, ours } = await talking({ config: { callReconnectMs: 50 } });
    bob.app.port.unplug();
    expect(await ours.ended).toBe('completed');
    await bob.app.client.disconnect();
  });

  test('is restored after the server ended the call: the call ends', async () => {
    const { bob, ours, theirs } = await talking({ config: { callReconnectMs: 50 } });
    bob.app.port.unplug();
    await ours.ended;
    bob.app.port.plug();
    expect(await theirs.ended).toBe('completed');
    expect(heldResources(bob)).toEqual(NO_RESOURCES);
  });

  test('is closed by disconnect(), which hangs up', async () => {
    const { alice, theirs } = await talking();
    await alice.app.client.disconnect();
    expect(await theirs.ended).toBe('completed');
  });
});

describe('joining', () => {
  test('a reloaded page joins its one-to-one call again', async () => {
    const { world, bob, ours, conversationId } = await talking();
    // A page that is unloaded hangs up nothing; its socket is lost.
    bob.platform.page?.hidden();
    bob.app.port.unplug();
    const reloaded = await caller(world.join, 'bob');
    const again = await reloaded.app.client.calls.join(conversationId);
    await Promise.all([becomes(again, 'connected'), becomes(ours, 'connected')]);
    expect(ours.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
    expect([again.id, again.type, again.callerId]).toEqual([ours.id, 'audio', 'alice']);
    await until(ours, ({ remoteStreams }) => remoteStreams.has('bob'));
    again.hangup();
    expect(await ours.ended).toBe('completed');
    await bob.app.client.disconnect();
  });

  test('a call moves to another device of the user', async () => {
    const { world, ours, theirs, conversationId } = await talking();
    const laptop = await caller(world.join, 'bob');
    const moved = await laptop.app.client.calls.join(conversationId);
    expect(await theirs.ended).toBe('completed');
    expect(theirs.detail).toBe('moved');
    await Promise.all([becomes(moved, 'connected'), becomes(ours, 'connected')]);
    moved.hangup();
    expect(await ours.ended).toBe('completed');
  });

  test('a device that is in the call already gets the same call', async () => {
    const { bob, theirs, ours, conversationId } = await talking();
    expect(await bob.app.client.calls.join(conversationId)).toBe(theirs);
    ours.hangup();
    await theirs.ended;
  });

  test('a ringing call is accepted', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    expect(await bob.app.client.calls.join(conversationId)).toBe(theirs);
    await becomes(ours, 'connected');
    ours.hangup();
    await theirs.ended;
  });

  test('without a running call rejects with NOT_FOUND and leaves nothing behind', async () => {
    const { alice, conversationId } = await pair();
    await expect(alice.app.client.calls.join(conversationId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(alice.app.client.calls.active).toBeUndefined();
    expect(heldResources(alice)).toEqual(NO_RESOURCES);
  });

  test('is not possible while another call is active', async () => {
    const { alice, ours, theirs } = await talking();
    await expect(alice.app.client.calls.join('another')).rejects.toMatchObject({ code: 'BUSY' });
    ours.hangup();
    await theirs.ended;
  });
});

describe('a group call', () => {
  async function four(): Promise<{ callers: Caller[]; calls: CallSession[]; conversationId: string }> {
    const world = await startWorld();
    const callers = await Promise.all(['alice', 'bob', 'carol', 'dave'].map((name) => caller(world.join, name)));
    const [alice, ...others] = callers;
    if (alice === undefined) throw new Error('No participants');
    const conversationId = await group(alice.app, ...others.map(({ app }) => app));
    const first = await call(alice, conversationId, 'bob', 'carol', 'dave');
    const calls = [first];
    for (const other of others) {
      const each = await incomingCall(other);
      await each.accept();
      calls.push(each);
    }
    await Promise.all(calls.map((each) => until(each, ({ remoteStreams }) => remoteStreams.size === 3)));
    return { callers, calls, conversationId };
  }

  test('of four participants uses six offers', async () => {
    const { callers, calls } = await four();
    expect(callers.map(({ platform }) => platform.backend.offers)).toEqual([3, 2, 1, 0]);
    for (const each of calls) {
      expect(each.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob', 'carol', 'dave']);
    }
    for (const each of calls) each.hangup();
    await Promise.all(calls.map(({ ended }) => ended));
  });

  test('continues when one of four participants fails, who can join again', async () => {
    const { callers, calls, conversationId } = await four();
    const [alice, , , dave] = callers;
    const [ours, , , theirs] = calls;
    if (alice === undefined || dave === undefined || ours === undefined || theirs === undefined) throw new Error();
    for (const userId of ['alice', 'bob', 'carol']) dave.platform.backend.state(userId, 'failed');
    expect(await theirs.ended).toBe('failed');
    expect(theirs.detail).toBe('ice');
    await until(ours, ({ participants }) => participants.length === 3);
    expect(ours.state).toBe('connected');
    const again = await dave.app.client.calls.join(conversationId);
    await until(again, ({ remoteStreams }) => remoteStreams.size === 3);
    await until(ours, ({ remoteStreams }) => remoteStreams.size === 3);
    expect(dave.platform.backend.offers).toBe(0);
    for (const each of [...calls, again]) each.hangup();
    await again.ended;
  });

  test('can be joined by a member who declined it', async () => {
    const world = await startWorld();
    const callers = await Promise.all(['alice', 'bob', 'carol'].map((name) => caller(world.join, name)));
    const [alice = never(), bob = never(), carol = never()] = callers;
    const conversationId = await group(alice.app, bob.app, carol.app);
    const ours = await call(alice, conversationId, 'bob', 'carol');
    await (await incomingCall(bob)).accept();
    await becomes(ours, 'connected');
    (await incomingCall(carol)).reject();
    const joined = await carol.app.client.calls.join(conversationId, { audio: true, video: true });
    await until(joined, ({ remoteStreams }) => remoteStreams.size === 2);
    await until(ours, ({ participants }) => participants[2]?.videoMuted === false);
    for (const { app } of callers) app.client.calls.active?.hangup();
    await ours.ended;
  });

  test('adds and removes participants', async () => {
    const { callers, calls } = await four();
    const [ours, , , theirs] = calls;
    await ours?.removeParticipant('dave');
    expect(await theirs?.ended).toBe('completed');
    await ours?.addParticipant('dave');
    const again = await callers[3]?.app.next('call', ({ state }) => state === 'ringing');
    await again?.accept();
    await until(ours ?? never(), ({ remoteStreams }) => remoteStreams.size === 3);
    await expect(calls[1]?.removeParticipant('carol')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    for (const each of [...calls, again]) each?.hangup();
    await again?.ended;
  });
});

describe('errors', () => {
  test.each(['MEDIA_DENIED', 'MEDIA_UNAVAILABLE'] as const)(
    '%s: start() rejects and the callee is not called',
    async (code) => {
      const { alice, bob, conversationId } = await pair();
      alice.platform.withholdPermission().reject(new CommError(code, 'No'));
      await expect(call(alice, conversationId, 'bob')).rejects.toMatchObject({ code });
      expect(heldResources(alice)).toEqual(NO_RESOURCES);
      expect(bob.app.all('call')).toEqual([]);
      expect(alice.app.client.calls.active).toBeUndefined();
    },
  );

  test('a call whose devices are denied on accept() continues to ring, and can be accepted with other media', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    bob.platform.withholdPermission().reject(new CommError('MEDIA_DENIED', 'No'));
    await expect(theirs.accept()).rejects.toMatchObject({ code: 'MEDIA_DENIED' });
    expect([theirs.state, ours.state]).toEqual(['ringing', 'ringing']);
    bob.platform.permission = undefined;
    await theirs.accept({ audio: false });
    await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
    ours.hangup();
    expect(await theirs.ended).toBe('completed');
    expect(heldResources(bob)).toEqual(NO_RESOURCES);
  });

  test('a callee without a camera accepts a video call with audio, and is told so', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await alice.app.client.calls.start({ conversationId, type: 'video', calleeIds: ['bob'] });
    const theirs = await incomingCall(bob);
    bob.platform.missing.add('camera');
    const errors: string[] = [];
    theirs.on('error', ({ code }) => errors.push(code));
    await theirs.accept();
    await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
    expect(errors).toEqual(['MEDIA_UNAVAILABLE']);
    expect(theirs.getSnapshot()).toMatchObject({ audioMuted: false, videoMuted: true });
    await until(ours, ({ participants }) => participants[1]?.videoMuted === true);
    ours.hangup();
    expect(await theirs.ended).toBe('completed');
  });

  test('a callee without any device continues to ring until the call is rejected', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await alice.app.client.calls.start({ conversationId, type: 'video', calleeIds: ['bob'] });
    const theirs = await incomingCall(bob);
    bob.platform.missing.add('camera').add('mic');
    await expect(theirs.accept()).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
    expect(theirs.state).toBe('ringing');
    theirs.reject();
    expect(await ours.ended).toBe('rejected');
    // Answered after the rejection.
    await bob.app.client.conversations.list();
    expect(heldResources(bob)).toEqual(NO_RESOURCES);
  });

  test('a caller without a camera is told before the callee is called', async () => {
    const { alice, bob, conversationId } = await pair();
    alice.platform.missing.add('camera');
    const starting = alice.app.client.calls.start({ conversationId, type: 'video', calleeIds: ['bob'] });
    await expect(starting).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
    expect(bob.app.all('call')).toEqual([]);
  });

  test('without WebRTC start() and accept() reject with UNSUPPORTED, and reject() works', async () => {
    const world = await startWorld();
    const alice = await caller(world.join, 'alice');
    const node = await world.join('bob');
    const conversationId = await direct(alice.app, node);
    const calling = node.client.calls.start({ conversationId, type: 'audio', calleeIds: ['alice'] });
    await expect(calling).rejects.toMatchObject({ code: 'UNSUPPORTED', fix: expect.any(String) as string });
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await node.next('call');
    await expect(theirs.accept()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(theirs.state).toBe('ringing');
    theirs.reject();
    expect(await ours.ended).toBe('rejected');
  });

  test('start() on a client that was never connected rejects with DISCONNECTED', async () => {
    const world = await startWorld();
    const { client } = world.app('alice', { calls: { platform: (await caller(world.join, 'zoe')).platform } });
    const calling = client.calls.start({ conversationId: 'c', type: 'audio', calleeIds: ['bob'] });
    await expect(calling).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('an unanswered call ends as missed when the ring timer of the server expires', async () => {
    const { alice, bob, conversationId } = await pair({ config: { ringTimeoutMs: 50 } });
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['missed', 'missed']);
  });

  test('a call that can not connect fails on both sides after 30 s', async () => {
    const world = await startWorld();
    const clock = manualClock();
    const alice = await caller(world.join, 'alice', { clock });
    const bob = await caller(world.join, 'bob');
    const conversationId = await direct(alice.app, bob.app);
    alice.platform.unreachable.add('bob');
    bob.platform.unreachable.add('alice');
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await incomingCall(bob);
    await theirs.accept();
    await becomes(ours, 'connecting');
    clock.advance(30_000);
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['failed', 'failed']);
    expect([ours.detail, theirs.detail]).toEqual(['ice', 'ice']);
  });

  test('wrong arguments are a TypeError', async () => {
    const { alice, conversationId } = await pair();
    const { calls } = alice.app.client;
    const request = { conversationId, type: 'audio', calleeIds: ['bob'] } as const;
    await expect(calls.start({ ...request, calleeIds: [] })).rejects.toThrow(TypeError);
    await expect(calls.start({ ...request, conversationId: '' })).rejects.toThrow(TypeError);
    await expect(calls.start({ ...request, type: 'smoke' as 'audio' })).rejects.toThrow(TypeError);
    await expect(calls.start({ ...request, calleeIds: ['mallory'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(heldResources(alice)).toEqual(NO_RESOURCES);
  });
});

function never(): never {
  throw new Error('never');
}

/** Wraps a value to poll with `until()`. */
function polled<T>(value: T): {
  getSnapshot: () => T;
  getServerSnapshot: () => T;
  subscribe: (listener: () => void) => () => void;
} {
  return {
    getSnapshot: () => value,
    getServerSnapshot: () => value,
    subscribe: (listener) => {
      const timer = setInterval(listener, 1);
      return () => clearInterval(timer);
    },
  };
}
