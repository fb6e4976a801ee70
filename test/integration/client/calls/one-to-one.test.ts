import { afterEach, describe, expect, test } from 'vitest';
import type { CallSession } from '../../../../src/index.ts';
import { held } from '../../../../src/client/calls/held.ts';
import { until } from '../../../helpers/client/app.ts';
import { becomes, caller, leftovers, NOTHING_LEFT, rings, type Caller } from '../../../helpers/client/caller.ts';
import { direct, startWorld, type World } from '../../../helpers/client/world.ts';

interface Pair {
  world: World;
  alice: Caller;
  bob: Caller;
  conversationId: string;
  dial: (type?: 'audio' | 'video') => Promise<CallSession>;
}

async function pair(): Promise<Pair> {
  const world = await startWorld();
  const alice = await caller(world.join, 'alice');
  const bob = await caller(world.join, 'bob');
  const conversationId = await direct(alice.app, bob.app);
  const dial: Pair['dial'] = (type = 'video') =>
    alice.app.client.calls.start({ conversationId, type, calleeIds: ['bob'] });
  return { world, alice, bob, conversationId, dial };
}

async function talking(): Promise<Pair & { ours: CallSession; theirs: CallSession }> {
  const made = await pair();
  const ours = await made.dial();
  const theirs = await rings(made.bob);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  return { ...made, ours, theirs };
}

afterEach(() => {
  expect(held).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

describe('a call that is answered', () => {
  test('rings, connects, and ends on both sides when one hangs up', async () => {
    const { alice, bob, dial } = await pair();
    const ours = await dial();
    expect(ours).toMatchObject({ direction: 'outgoing', type: 'video', callerId: 'alice' });
    const theirs = await rings(bob);
    expect(theirs).toMatchObject({ id: ours.id, direction: 'incoming', state: 'ringing', callerId: 'alice' });
    await becomes(ours, 'ringing');
    await theirs.accept();
    await becomes(theirs, 'connected');
    const snapshot = await until(ours, ({ remoteStreams }) => remoteStreams.size > 0);
    expect(snapshot.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
    expect([...snapshot.remoteStreams.keys()]).toEqual(['bob']);
    expect(snapshot).toMatchObject({ audio: true, video: true, screen: false, encrypted: false });
    expect(alice.app.client.calls.active).toBe(ours);
    ours.hangup();
    ours.hangup();
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['completed', 'completed']);
    expect(ours.getSnapshot()).toMatchObject({ state: 'ended', endReason: 'completed', localStream: undefined });
    expect(ours.remoteStreams.size).toBe(0);
    await until(ours, () => alice.app.client.calls.active === undefined);
    for (const each of [alice, bob]) expect(leftovers(each)).toMatchObject({ links: 0, devices: 0 });
  });

  test('has one offer between two, made by who was in first', async () => {
    const { alice, bob } = await talking();
    expect(alice.platform.links.offers).toBe(1);
    expect(bob.platform.links.offers).toBe(0);
    expect(alice.platform.links.context?.self.deviceId).toBe(bob.platform.links.peers.get('alice')?.deviceId);
  });

  test('tells every change of state once, in order', async () => {
    const { bob, dial } = await pair();
    const ours = await dial();
    const states: string[] = [ours.state];
    ours.on('state', (state) => states.push(state));
    await (await rings(bob)).accept();
    await becomes(ours, 'connected');
    ours.hangup();
    await ours.ended;
    expect(states.join(' ')).toMatch(/^(initiating )?ringing connecting connected ended$/);
  });

  test('mutes and shows screens by telling, and the last of many toggles wins', async () => {
    const { alice, bob, ours, theirs } = await talking();
    const heard: unknown[] = [];
    theirs.on('media-changed', (change) => heard.push(change));
    for (let count = 0; count < 20; count += 1) await ours.setVideo(count % 2 === 1);
    await ours.setVideo(false);
    await until(theirs, ({ participants }) => participants[0]?.videoMuted === true && !ours.getSnapshot().video);
    await ours.shareScreen();
    const shown = await until(theirs, ({ remoteScreens }) => remoteScreens.has('alice'));
    expect(shown.participants[0]).toMatchObject({ userId: 'alice', screenSharing: true, audioMuted: false });
    alice.platform.devicesOfCall.browserStops();
    await until(theirs, ({ remoteScreens }) => !remoteScreens.has('alice'));
    expect(ours.participants[0]).toMatchObject({ screenSharing: false, videoMuted: true });
    expect(heard.at(-1)).toEqual({ callId: ours.id, userId: 'alice', screenShare: false });
    expect(bob.platform.links.offers + alice.platform.links.offers).toBe(1);
  });

  test('tells the others about quality when its level changes, and only then', async () => {
    const { alice, bob, ours } = await talking();
    const peer = { userId: 'bob' };
    const told: unknown[] = [];
    bob.app.client.on('call:quality-changed', ({ userId, quality }) => told.push([userId, quality]));
    const last = new Promise((resolve) =>
      bob.app.client.on('call:quality-changed', ({ quality }) => quality === 'poor' && resolve(undefined)),
    );
    for (const quality of ['good', 'good', 'poor'] as const) alice.platform.links.measure({ peer, quality, rtt: 30 });
    await last;
    expect(told).toEqual([
      ['alice', 'good'],
      ['alice', 'poor'],
    ]);
    expect(ours.getSnapshot().quality.get('bob')).toMatchObject({ userId: 'bob', quality: 'poor', rtt: 30 });
    expect(await ours.stats()).toEqual([{ callId: ours.id, userId: 'bob', quality: 'good', rtt: 20 }]);
  });

  test('says who speaks, and that the browser plays no sound until somebody has clicked', async () => {
    const { alice, bob, dial } = await pair();
    alice.platform.autoplayBlocked = true;
    const ours = await dial('audio');
    await (await rings(bob)).accept();
    await until(ours, ({ audioBlocked }) => audioBlocked);
    await ours.resumeAudio();
    expect(ours.getSnapshot().audioBlocked).toBe(false);
    alice.platform.links.speak('bob');
    expect(ours.getSnapshot().activeSpeakers).toEqual(['bob']);
  });
});

describe('a call that is not answered', () => {
  test('is rejected', async () => {
    const { bob, dial } = await pair();
    const ours = await dial();
    const theirs = await rings(bob);
    theirs.reject();
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['rejected', 'rejected']);
  });

  test('is cancelled', async () => {
    const { bob, dial } = await pair();
    const ours = await dial();
    const theirs = await rings(bob);
    ours.hangup();
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['cancelled', 'cancelled']);
    await expect(theirs.accept()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('is cancelled before its id is known, and the other side hears so', async () => {
    const { alice, bob, dial } = await pair();
    const { port } = alice.app;
    const emit = port.emit.bind(port);
    port.emit = (event, payload, acknowledge) => {
      emit(event, payload, acknowledge);
      if (event === 'nk:call:initiate') alice.app.client.calls.active?.hangup();
    };
    const ours = await dial();
    expect(ours.endReason).toBe('cancelled');
    expect(await (await rings(bob)).ended).toBe('cancelled');
  });

  test('is never made when it is given up before the user has allowed the microphone', async () => {
    const { alice, dial } = await pair();
    const permission = alice.platform.ask();
    const starting = dial();
    await until({ ...alwaysNew(), getSnapshot: () => alice.app.client.calls.active }, (call) => call !== undefined);
    alice.app.client.calls.active?.hangup();
    permission.resolve();
    expect((await starting).endReason).toBe('cancelled');
    expect(alice.app.port.sent).not.toContain('call:initiate');
    expect(leftovers(alice)).toEqual(NOTHING_LEFT);
  });

  test('is given up by an abort', async () => {
    const { alice, conversationId } = await pair();
    const { signal, abort } = new (class extends AbortController {
      override abort = (): void => super.abort(new Error('enough'));
    })();
    alice.platform.ask();
    const starting = alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] }, { signal });
    abort();
    await expect(starting).rejects.toThrow('enough');
    expect(leftovers(alice)).toEqual(NOTHING_LEFT);
  });

  test('is busy when the other talks to somebody else', async () => {
    const { world, bob, conversationId } = await talking();
    const carol = await caller(world.join, 'carol');
    const other = await direct(carol.app, bob.app);
    expect(other).not.toBe(conversationId);
    const call = await carol.app.client.calls.start({ conversationId: other, type: 'audio', calleeIds: ['bob'] });
    expect(await call.ended).toBe('busy');
  });
});

function alwaysNew(): { subscribe: (listener: () => void) => () => void; getServerSnapshot: () => never } {
  return {
    subscribe: (listener) => {
      const timer = setInterval(listener, 1);
      return () => clearInterval(timer);
    },
    getServerSnapshot: () => {
      throw new Error('no server');
    },
  };
}
