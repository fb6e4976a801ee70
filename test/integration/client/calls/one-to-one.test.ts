import { afterEach, describe, expect, test } from 'vitest';
import type { CallSession, ConnectionQualityReport } from '../../../../src/index.ts';
import { resourceCounters } from '../../../../src/client/calls/webrtc/resource-counters.ts';
import { until } from '../../../helpers/client/app.ts';
import {
  becomes,
  caller,
  heldResources,
  NO_RESOURCES,
  incomingCall,
  type Caller,
} from '../../../helpers/client/caller.ts';
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
  const theirs = await incomingCall(made.bob);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  return { ...made, ours, theirs };
}

afterEach(() => {
  expect(resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

describe('an answered call', () => {
  test('incomingCall, connects, and ends for both sides when one hangs up', async () => {
    const { alice, bob, dial } = await pair();
    const ours = await dial();
    expect(ours).toMatchObject({ direction: 'outgoing', type: 'video', callerId: 'alice' });
    const theirs = await incomingCall(bob);
    expect(theirs).toMatchObject({ id: ours.id, direction: 'incoming', state: 'ringing', callerId: 'alice' });
    await becomes(ours, 'ringing');
    await theirs.accept();
    await becomes(theirs, 'connected');
    const snapshot = await until(ours, ({ remoteStreams }) => remoteStreams.size > 0);
    expect(snapshot.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
    expect([...snapshot.remoteStreams.keys()]).toEqual(['bob']);
    expect(snapshot).toMatchObject({ audioMuted: false, videoMuted: false, screenSharing: false, encrypted: false });
    expect(alice.app.client.calls.active).toBe(ours);
    ours.hangup();
    ours.hangup();
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['completed', 'completed']);
    expect(ours.getSnapshot()).toMatchObject({ state: 'ended', endReason: 'completed', localStream: undefined });
    expect(ours.remoteStreams.size).toBe(0);
    await until(ours, () => alice.app.client.calls.active === undefined);
    for (const each of [alice, bob]) expect(heldResources(each)).toMatchObject({ backends: 0, localMedia: 0 });
  });

  test('has one offer, sent by the participant who joined first', async () => {
    const { alice, bob } = await talking();
    expect(alice.platform.backend.offers).toBe(1);
    expect(bob.platform.backend.offers).toBe(0);
    expect(alice.platform.backend.context?.self.deviceId).toBe(bob.platform.backend.peers.get('alice')?.deviceId);
  });

  test('emits each state once, in order', async () => {
    const { bob, dial } = await pair();
    const ours = await dial();
    const states: string[] = [ours.state];
    ours.on('state', (state) => states.push(state));
    await (await incomingCall(bob)).accept();
    await becomes(ours, 'connected');
    ours.hangup();
    await ours.ended;
    expect(states.join(' ')).toMatch(/^(initiating )?ringing connecting connected ended$/);
  });

  test('signals mute and screen sharing, and the last of many toggles wins', async () => {
    const { alice, bob, ours, theirs } = await talking();
    const changes: unknown[] = [];
    theirs.on('media-changed', (participant) => changes.push(participant));
    for (let count = 0; count < 20; count += 1) await ours.setVideo(count % 2 === 1);
    await ours.setVideo(false);
    await until(theirs, ({ participants }) => participants[0]?.videoMuted === true && ours.getSnapshot().videoMuted);
    await ours.shareScreen();
    const shown = await until(theirs, ({ remoteScreens }) => remoteScreens.has('alice'));
    expect(shown.participants[0]).toMatchObject({ userId: 'alice', screenSharing: true, audioMuted: false });
    alice.platform.localMedia.browserStops();
    await until(theirs, ({ remoteScreens }) => !remoteScreens.has('alice'));
    expect(ours.participants[0]).toMatchObject({ screenSharing: false, videoMuted: true });
    expect(changes.at(-1)).toMatchObject({ userId: 'alice', screenSharing: false, videoMuted: true });
    expect(bob.platform.backend.offers + alice.platform.backend.offers).toBe(1);
  });

  test('reports quality to the other side only when the level changes', async () => {
    const { alice, bob, ours } = await talking();
    const peer = { userId: 'bob' };
    for (const quality of ['good', 'good', 'poor'] as const) alice.platform.backend.measure({ peer, quality, rtt: 30 });
    const reported = (): unknown[] =>
      bob.app.port.pushes.flatMap(({ event, data }) =>
        event === 'call:quality-changed'
          ? [[(data as ConnectionQualityReport).userId, (data as ConnectionQualityReport).quality]]
          : [],
      );
    await expect.poll(reported, { interval: 1 }).toHaveLength(2);
    expect(reported()).toEqual([
      ['alice', 'good'],
      ['alice', 'poor'],
    ]);
    expect(ours.getSnapshot().quality.get('bob')).toMatchObject({ userId: 'bob', quality: 'poor', rtt: 30 });
    expect(await ours.stats()).toEqual([{ callId: ours.id, userId: 'bob', quality: 'good', rtt: 20 }]);
  });

  test('exposes active speakers and whether the browser blocks audio', async () => {
    const { alice, bob, dial } = await pair();
    alice.platform.autoplayBlocked = true;
    const ours = await dial('audio');
    await (await incomingCall(bob)).accept();
    await until(ours, ({ audioBlocked }) => audioBlocked);
    await ours.resumeAudio();
    expect(ours.getSnapshot().audioBlocked).toBe(false);
    alice.platform.backend.speak('bob');
    const { activeSpeakers } = await until(ours, (call) => call.activeSpeakers.length > 0);
    expect(activeSpeakers).toEqual(['bob']);
  });

  test('exposes the audio level of each participant', async () => {
    const { alice, bob, dial } = await pair();
    const ours = await dial('audio');
    await (await incomingCall(bob)).accept();
    await becomes(ours, 'connected');
    const { backend } = alice.platform;
    backend.setLevels({ alice: 0, bob: 0.12 });
    const { audioLevels } = await until(ours, (snapshot) => snapshot.audioLevels.size > 0);
    expect(Object.fromEntries(audioLevels)).toEqual({ alice: 0, bob: 0.12 });
  });

  test('exposes the connection quality that each participant reports', async () => {
    const { alice, bob, dial } = await pair();
    const ours = await dial('audio');
    await (await incomingCall(bob)).accept();
    await becomes(ours, 'connected');
    alice.platform.backend.measure({ peer: { userId: 'bob' }, quality: 'good' });
    bob.platform.backend.measure({ peer: { userId: 'alice' }, quality: 'poor' });
    const { participantQuality } = await until(ours, (call) => call.participantQuality.has('bob'));
    expect(Object.fromEntries(participantQuality)).toEqual({ alice: 'good', bob: 'poor' });
  });
});

describe('an unanswered call', () => {
  test('is rejected', async () => {
    const { bob, dial } = await pair();
    const ours = await dial();
    const theirs = await incomingCall(bob);
    theirs.reject();
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['rejected', 'rejected']);
  });

  test('is cancelled', async () => {
    const { bob, dial } = await pair();
    const ours = await dial();
    const theirs = await incomingCall(bob);
    ours.hangup();
    expect(await Promise.all([ours.ended, theirs.ended])).toEqual(['cancelled', 'cancelled']);
    await expect(theirs.accept()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('can be cancelled before its id is known', async () => {
    const { alice, bob, dial } = await pair();
    const { port } = alice.app;
    const emit = port.emit.bind(port);
    port.emit = (event, payload, acknowledge) => {
      emit(event, payload, acknowledge);
      if (event === 'nk:call:initiate') alice.app.client.calls.active?.hangup();
    };
    const ours = await dial();
    expect(ours.endReason).toBe('cancelled');
    expect(await (await incomingCall(bob)).ended).toBe('cancelled');
  });

  test('is not sent if it is cancelled before the microphone is allowed', async () => {
    const { alice, dial } = await pair();
    const permission = alice.platform.withholdPermission();
    const starting = dial();
    await until({ ...polling(), getSnapshot: () => alice.app.client.calls.active }, (call) => call !== undefined);
    alice.app.client.calls.active?.hangup();
    permission.resolve();
    expect((await starting).endReason).toBe('cancelled');
    expect(alice.app.port.sent).not.toContain('call:initiate');
    expect(heldResources(alice)).toEqual(NO_RESOURCES);
  });

  test('is cancelled by an abort', async () => {
    const { alice, conversationId } = await pair();
    const { signal, abort } = new (class extends AbortController {
      override abort = (): void => super.abort(new Error('aborted by the test'));
    })();
    alice.platform.withholdPermission();
    const starting = alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] }, { signal });
    abort();
    await expect(starting).rejects.toThrow('aborted by the test');
    expect(heldResources(alice)).toEqual(NO_RESOURCES);
  });

  test('waits at a callee who is in another call, and can be accepted after that call', async () => {
    const { world, bob, conversationId } = await talking();
    const current = bob.app.client.calls.active;
    const carol = await caller(world.join, 'carol');
    const other = await direct(carol.app, bob.app);
    expect(other).not.toBe(conversationId);
    const call = await carol.app.client.calls.start({ conversationId: other, type: 'audio', calleeIds: ['bob'] });
    const waiting = await bob.app.next('call', ({ callerId }) => callerId === 'carol');
    await expect(waiting.accept()).rejects.toMatchObject({ code: 'BUSY' });
    expect([waiting.state, current?.state]).toEqual(['ringing', 'connected']);
    current?.hangup();
    await waiting.accept();
    await Promise.all([becomes(call, 'connected'), becomes(waiting, 'connected')]);
    call.hangup();
    expect(await waiting.ended).toBe('completed');
  });
});

function polling(): { subscribe: (listener: () => void) => () => void; getServerSnapshot: () => never } {
  return {
    subscribe: (listener) => {
      const timer = setInterval(listener, 1);
      return () => clearInterval(timer);
    },
    getServerSnapshot: () => {
      throw new Error('getServerSnapshot() is not used');
    },
  };
}
