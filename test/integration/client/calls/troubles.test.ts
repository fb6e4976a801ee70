import { afterEach, describe, expect, test } from 'vitest';
import { held } from '../../../../src/client/calls/held.ts';
import type { CallSession } from '../../../../src/index.ts';
import { CommError } from '../../../../src/index.ts';
import { until } from '../../../helpers/client/app.ts';
import { becomes, caller, leftovers, NOTHING_LEFT, rings, type Caller } from '../../../helpers/client/caller.ts';
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
  const theirs = await rings(made.bob);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  return { ...made, ours, theirs };
}

afterEach(() => {
  expect(held).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

describe('several at once', () => {
  test('both call each other at the same moment: one call', async () => {
    const { alice, bob, conversationId } = await pair();
    const [ours, theirs] = await Promise.all([call(alice, conversationId, 'bob'), call(bob, conversationId, 'alice')]);
    await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
    expect(ours.id).toBe(theirs.id);
    expect(alice.platform.links.offers + bob.platform.links.offers).toBe(1);
    expect([...alice.app.all('call'), ...bob.app.all('call')]).toEqual([]);
    ours.hangup();
    expect(await theirs.ended).toBe('completed');
  });

  test('calling somebody whose call rings here answers it', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await rings(bob);
    expect(await call(bob, conversationId, 'alice')).toBe(theirs);
    await becomes(ours, 'connected');
    ours.hangup();
    await theirs.ended;
  });

  test('a second call is refused while one goes on', async () => {
    const { alice, bob, conversationId, ours, theirs } = await talking();
    await expect(call(alice, conversationId, 'bob')).rejects.toMatchObject({ code: 'BUSY' });
    expect(bob.app.all('call')).toHaveLength(1);
    ours.hangup();
    await theirs.ended;
  });

  test('of two devices that accept in the same tick one has the call, and the other hears that it was answered', async () => {
    const { world, alice, bob, conversationId } = await pair();
    const laptop = await caller(world.join, 'bob');
    const ours = await call(alice, conversationId, 'bob');
    const ringing = await Promise.all([rings(bob), rings(laptop)]);
    const accepted = await Promise.allSettled(ringing.map((each) => each.accept()));
    expect(accepted.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const loser = ringing[accepted.findIndex(({ status }) => status === 'rejected')];
    expect(await loser?.ended).toBe('completed');
    expect(loser?.detail).toBe('answered_elsewhere');
    await becomes(ours, 'connected');
    ours.hangup();
    await Promise.all(ringing.map(({ ended }) => ended));
  });

  test('declining on a second device after an answer changes nothing', async () => {
    const { world, alice, bob, conversationId } = await pair();
    const laptop = await caller(world.join, 'bob');
    const ours = await call(alice, conversationId, 'bob');
    const [phone, other] = await Promise.all([rings(bob), rings(laptop)]);
    laptop.app.port.losesPush = (event) => event === 'call:state-changed';
    await phone.accept();
    await becomes(ours, 'connected');
    other.reject();
    await laptop.app.client.conversations.list();
    expect(ours.state).toBe('connected');
    ours.hangup();
    expect(await phone.ended).toBe('completed');
  });

  test('declining on one device stops the ringing of the other', async () => {
    const { world, alice, bob, conversationId } = await pair();
    const laptop = await caller(world.join, 'bob');
    const ours = await call(alice, conversationId, 'bob');
    const [phone, other] = await Promise.all([rings(bob), rings(laptop)]);
    phone.reject();
    expect(await Promise.all([ours.ended, other.ended])).toEqual(['rejected', 'rejected']);
    expect(other.detail).toBe('rejected_elsewhere');
  });
});

describe('the socket', () => {
  test('dies and comes back while media goes on: the call stays connected, and is in step again', async () => {
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
    expect(bob.platform.links.recoveries).toEqual(['signalling']);
    ours.hangup();
    expect(await theirs.ended).toBe('completed');
  });

  test('carries what was signalled while it was down, in order', async () => {
    const { alice, bob, ours, theirs } = await talking({ config: { presenceGraceMs: 0 } });
    const stop = alice.app.client.presence.watch(['bob']);
    const heard: unknown[] = [];
    const links = bob.platform.links;
    links.onSignal = (message) => void heard.push('candidate' in message ? message.candidate : message.kind);
    bob.app.port.unplug();
    // Until the server has noticed, it sends to a socket that is dead.
    await alice.app.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'offline');
    stop();
    const to = { userId: 'bob' };
    const send = alice.platform.links.context?.signal;
    send?.send({ kind: 'offer', sdp: 'v=2', to });
    for (const candidate of ['a', 'b']) send?.send({ kind: 'candidate', candidate, sdpMLineIndex: 0, sdpMid: '0', to });
    await alice.app.client.conversations.list();
    alice.app.port.unplug();
    send?.send({ kind: 'candidate', candidate: 'c', sdpMLineIndex: 0, sdpMid: '0', to });
    bob.app.port.plug();
    alice.app.port.plug();
    await until(bobHears(heard), (list) => list.length === 4);
    expect(heard).toEqual(['offer', 'a', 'b', 'c']);
    ours.hangup();
    await theirs.ended;
  });

  test('is down when one hangs up: the other hears it once it is back', async () => {
    const { alice, ours, theirs } = await talking();
    alice.app.port.unplug();
    ours.hangup();
    expect(await ours.ended).toBe('completed');
    expect(leftovers(alice)).toMatchObject({ links: 0, devices: 0 });
    alice.app.port.plug();
    expect(await theirs.ended).toBe('completed');
    await alice.app.reconnected();
    await until(bobHears(alice.platform), (platform) => platform.listeners === 0);
  });

  test('loses the answer to a call: it rings once, and the call goes on', async () => {
    const { alice, bob, conversationId } = await pair();
    alice.app.port.losesAck = (event) => event === 'call:initiate';
    const starting = call(alice, conversationId, 'bob');
    const theirs = await rings(bob);
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

  test('loses the answer to a call that was given up: the ringing stops', async () => {
    const { alice, bob, conversationId } = await pair();
    alice.app.port.losesAck = (event) => event === 'call:initiate';
    alice.app.port.losesPush = (event) => event === 'call:state-changed';
    const starting = call(alice, conversationId, 'bob');
    const theirs = await rings(bob);
    alice.app.client.calls.active?.hangup();
    alice.app.port.losesAck = () => false;
    alice.app.port.cut();
    expect((await starting).endReason).toBe('cancelled');
    expect(await theirs.ended).toBe('cancelled');
  });

  test('goes without a word, as with a closed tab: the call ends when its time to come back is over', async () => {
    const { bob, ours } = await talking({ config: { callReconnectMs: 50 } });
    bob.app.port.unplug();
    expect(await ours.ended).toBe('completed');
    await bob.app.client.disconnect();
  });

  test('comes back to a server that knows nothing of the call: it ends', async () => {
    const { bob, ours, theirs } = await talking({ config: { callReconnectMs: 50 } });
    bob.app.port.unplug();
    await ours.ended;
    bob.app.port.plug();
    expect(await theirs.ended).toBe('completed');
    expect(leftovers(bob)).toEqual(NOTHING_LEFT);
  });

  test('is left on purpose: disconnecting hangs up, and so does a page that goes away', async () => {
    const first = await talking();
    await first.alice.app.client.disconnect();
    expect(await first.theirs.ended).toBe('completed');
    const second = await talking();
    second.bob.platform.page?.hidden();
    expect(await second.ours.ended).toBe('completed');
  });
});

describe('a group', () => {
  async function four(): Promise<{ people: Caller[]; calls: CallSession[]; conversationId: string }> {
    const world = await startWorld();
    const people = await Promise.all(['alice', 'bob', 'carol', 'dave'].map((name) => caller(world.join, name)));
    const [alice, ...others] = people;
    if (alice === undefined) throw new Error('nobody');
    const conversationId = await group(alice.app, ...others.map(({ app }) => app));
    const first = await call(alice, conversationId, 'bob', 'carol', 'dave');
    const calls = [first];
    for (const other of others) {
      const each = await rings(other);
      await each.accept();
      calls.push(each);
    }
    await Promise.all(calls.map((each) => until(each, ({ remoteStreams }) => remoteStreams.size === 3)));
    return { people, calls, conversationId };
  }

  test('of four has six pairs and six offers', async () => {
    const { people, calls } = await four();
    expect(people.map(({ platform }) => platform.links.offers)).toEqual([3, 2, 1, 0]);
    for (const each of calls) {
      expect(each.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob', 'carol', 'dave']);
    }
    for (const each of calls) each.hangup();
    await Promise.all(calls.map(({ ended }) => ended));
  });

  test('goes on when one of four fails, and can be joined again', async () => {
    const { people, calls } = await four();
    const [alice, , , dave] = people;
    const [ours, , , theirs] = calls;
    if (alice === undefined || dave === undefined || ours === undefined || theirs === undefined) throw new Error();
    for (const userId of ['alice', 'bob', 'carol']) dave.platform.links.state(userId, 'failed');
    expect(await theirs.ended).toBe('failed');
    expect(theirs.detail).toBe('ice');
    await until(ours, ({ participants }) => participants.length === 3);
    expect(ours.state).toBe('connected');
    const again = await dave.app.client.calls.join(ours.id);
    await until(again, ({ remoteStreams }) => remoteStreams.size === 3);
    await until(ours, ({ remoteStreams }) => remoteStreams.size === 3);
    expect(dave.platform.links.offers).toBe(0);
    for (const each of [...calls, again]) each.hangup();
    await again.ended;
  });

  test('rings somebody in, and puts somebody out', async () => {
    const { people, calls } = await four();
    const [ours, , , theirs] = calls;
    await ours?.removeParticipant('dave');
    expect(await theirs?.ended).toBe('completed');
    await ours?.addParticipant('dave');
    const again = await people[3]?.app.next('call', ({ state }) => state === 'ringing');
    await again?.accept();
    await until(ours ?? never(), ({ remoteStreams }) => remoteStreams.size === 3);
    await expect(calls[1]?.removeParticipant('carol')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    for (const each of calls) each.hangup();
    await again?.ended;
  });
});

describe('what is not there', () => {
  test.each(['MEDIA_DENIED', 'MEDIA_UNAVAILABLE'] as const)(
    '%s: nobody is rung, and the call says so',
    async (code) => {
      const { alice, bob, conversationId } = await pair();
      alice.platform.ask().reject(new CommError(code, 'No'));
      await expect(call(alice, conversationId, 'bob')).rejects.toMatchObject({ code });
      expect(leftovers(alice)).toEqual(NOTHING_LEFT);
      expect(bob.app.all('call')).toEqual([]);
      expect(alice.app.client.calls.active).toBeUndefined();
    },
  );

  test('a microphone that is denied when answering ends the call as failed', async () => {
    const { alice, bob, conversationId } = await pair();
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await rings(bob);
    bob.platform.ask().reject(new CommError('MEDIA_DENIED', 'No'));
    await expect(theirs.accept()).rejects.toMatchObject({ code: 'MEDIA_DENIED' });
    expect(theirs).toMatchObject({ endReason: 'failed', detail: 'permission' });
    expect(await ours.ended).toBe('rejected');
  });

  test('WebRTC, as in Node: calling says so, and a call that comes can still be declined', async () => {
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

  test('a connection: calling while the client was never connected is refused', async () => {
    const world = await startWorld();
    const { client } = world.app('alice', { calls: { platform: (await caller(world.join, 'zoe')).platform } });
    const calling = client.calls.start({ conversationId: 'c', type: 'audio', calleeIds: ['bob'] });
    await expect(calling).rejects.toMatchObject({ code: 'DISCONNECTED' });
  });

  test('an answer: the call is missed, by the word of the server', async () => {
    const { alice, bob, conversationId } = await pair({ config: { ringTimeoutMs: 50 } });
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await rings(bob);
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['missed', 'missed']);
  });

  test('a way to the other: the call fails after 30 seconds, once, and the other side hears so', async () => {
    const world = await startWorld();
    const clock = manualClock();
    const alice = await caller(world.join, 'alice', { clock });
    const bob = await caller(world.join, 'bob');
    const conversationId = await direct(alice.app, bob.app);
    alice.platform.unreachable.add('bob');
    bob.platform.unreachable.add('alice');
    const ours = await call(alice, conversationId, 'bob');
    const theirs = await rings(bob);
    await theirs.accept();
    await becomes(ours, 'connecting');
    clock.advance(30_000);
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['failed', 'failed']);
    expect([ours.detail, theirs.detail]).toEqual(['ice', 'ice']);
  });

  test('what was asked for wrongly is a TypeError', async () => {
    const { alice, conversationId } = await pair();
    const { calls } = alice.app.client;
    const request = { conversationId, type: 'audio', calleeIds: ['bob'] } as const;
    await expect(calls.start({ ...request, calleeIds: [] })).rejects.toThrow(TypeError);
    await expect(calls.start({ ...request, conversationId: '' })).rejects.toThrow(TypeError);
    await expect(calls.start({ ...request, type: 'smoke' as 'audio' })).rejects.toThrow(TypeError);
    await expect(calls.start({ ...request, calleeIds: ['mallory'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(leftovers(alice)).toEqual(NOTHING_LEFT);
  });
});

function never(): never {
  throw new Error('never');
}

/** Something to look at again and again. */
function bobHears<T>(value: T): {
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
