import { afterEach, expect, test } from 'vitest';
import type { CallSession } from '../../../../src/index.ts';
import { resourceCounters } from '../../../../src/client/calls/webrtc/resource-counters.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import { until } from '../../../helpers/client/app.ts';
import { becomes, caller, heldResources, NO_RESOURCES, type Caller } from '../../../helpers/client/caller.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';

interface Waiting {
  readonly alice: Caller;
  readonly bob: Caller;
  readonly carol: Caller;
  /** The call of Alice and Bob, on either side. */
  readonly first: { readonly ours: CallSession; readonly theirs: CallSession };
  /** The call of Carol that waits at Bob, on either side. */
  readonly second: { readonly ours: CallSession; readonly theirs: CallSession };
}

/** Alice and Bob talk, and Carol calls Bob. */
async function waiting(type: 'audio' | 'video' = 'audio'): Promise<Waiting> {
  const world = await startWorld();
  const alice = await caller(world.join, 'alice');
  const bob = await caller(world.join, 'bob');
  const carol = await caller(world.join, 'carol');
  const ring = async (from: Caller): Promise<Waiting['first']> => {
    const conversationId = await direct(from.app, bob.app);
    const ours = await from.app.client.calls.start({ conversationId, type, calleeIds: ['bob'] });
    return { ours, theirs: await bob.app.next('call', ({ id }) => id === ours.id) };
  };
  const first = await ring(alice);
  await first.theirs.accept();
  await Promise.all([becomes(first.ours, 'connected'), becomes(first.theirs, 'connected')]);
  return { alice, bob, carol, first, second: await ring(carol) };
}

async function hangUp(...calls: CallSession[]): Promise<void> {
  for (const call of calls) call.hangup();
  await Promise.all(calls.map(({ ended }) => ended));
}

/** Whether the tracks of the other participant are played; `mixed` if only some are. */
function plays(call: CallSession): boolean | 'mixed' {
  const tracks = [...call.remoteStreams.values()].flatMap((stream) => stream.getTracks());
  const [enabled = false, ...others] = new Set(tracks.map((track) => track.enabled));
  return others.length > 0 ? 'mixed' : enabled;
}

afterEach(async () => {
  await expect.poll(() => resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('a second call rings as waiting, and can be accepted once the first one is on hold', async () => {
  const { bob, first, second } = await waiting();
  expect([first.theirs.getSnapshot().waiting, second.theirs.getSnapshot().waiting]).toEqual([false, true]);
  await expect(second.theirs.accept()).rejects.toMatchObject({ code: 'BUSY' });
  await first.theirs.setHold(true);
  await second.theirs.accept();
  await Promise.all([becomes(second.ours, 'connected'), becomes(second.theirs, 'connected')]);
  expect([first.ours.state, first.theirs.state]).toEqual(['connected', 'connected']);
  expect(bob.app.client.calls.active).toBe(second.theirs);
  expect(bob.app.client.calls.all).toEqual([second.theirs, first.theirs]);
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
  expect(bob.app.client.calls.all).toEqual([]);
  // Until the server has answered the hang-up.
  await expect.poll(() => heldResources(bob), { interval: 1 }).toEqual(NO_RESOURCES);
});

test('on hold, neither side sends or plays anything, and taking the call up restores what was on', async () => {
  const { alice, bob, first, second } = await waiting('video');
  await first.theirs.shareScreen();
  await until(first.ours, ({ participants }) => participants[1]?.screenSharing === true);
  await first.theirs.setVideo(false);
  await first.theirs.setHold(true);
  expect(first.theirs.getSnapshot()).toMatchObject({
    onHold: true,
    audioMuted: true,
    videoMuted: true,
    screenSharing: false,
  });
  expect(plays(first.theirs)).toBe(false);
  const held = await until(
    first.ours,
    ({ participants: [, callee] }) => callee?.onHold === true && callee.audioMuted && !callee.screenSharing,
  );
  expect(held.onHold).toBe(false);
  const { backend } = alice.platform;
  expect([...backend.onHold]).toEqual(['bob']);
  expect([backend.slots.get('mic')?.kind, backend.slots.get('camera')?.kind]).toEqual(['audio', 'video']);

  await first.theirs.setHold(false);
  expect(first.theirs.getSnapshot()).toMatchObject({ onHold: false, audioMuted: false, videoMuted: true });
  expect(plays(first.theirs)).toBe(true);
  await until(first.ours, ({ participants: [, callee] }) => callee?.onHold !== true && callee?.audioMuted === false);
  expect([...alice.platform.backend.onHold]).toEqual([]);
  expect(bob.app.client.calls.active).toBe(first.theirs);
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});

test('devices that are turned on or off while on hold are so when the call is taken up', async () => {
  const { first, second } = await waiting('video');
  await first.theirs.setHold(true);
  await first.theirs.setAudio(false);
  await first.theirs.setVideo(true);
  expect(first.theirs.getSnapshot()).toMatchObject({ audioMuted: true, videoMuted: true });
  await first.theirs.setHold(false);
  expect(first.theirs.getSnapshot()).toMatchObject({ audioMuted: true, videoMuted: false });
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});

test('taking up one call puts the other on hold, in either direction', async () => {
  const { bob, first, second } = await waiting();
  await first.theirs.setHold(true);
  await second.theirs.accept();
  await becomes(second.theirs, 'connected');
  for (const [active, held] of [
    [first, second],
    [second, first],
    [first, second],
  ] as const) {
    await active.theirs.setHold(false);
    expect([active.theirs.getSnapshot().onHold, held.theirs.getSnapshot().onHold]).toEqual([false, true]);
    await until(held.ours, ({ participants }) => participants.some(({ onHold }) => onHold === true));
    await until(active.ours, ({ participants }) => participants.every(({ onHold }) => onHold !== true));
    expect(bob.app.client.calls.active).toBe(active.theirs);
  }
  await hangUp(first.ours, second.ours);
  await Promise.all([first.theirs.ended, second.theirs.ended]);
});

test('a call that the server refuses to take up leaves the other one active', async () => {
  const { bob, first, second } = await waiting();
  await first.theirs.setHold(true);
  await second.theirs.accept();
  await becomes(second.theirs, 'connected');
  const { port } = bob.app;
  const emit = port.emit.bind(port);
  port.emit = (event, payload, acknowledge) => {
    const { callId, onHold } = (payload ?? {}) as { callId?: string; onHold?: boolean };
    const isTakingUp = event === 'nk:call:media-toggle' && callId === first.theirs.id && onHold === false;
    // As if another device of the user were in a call.
    emit(event, isTakingUp ? { callId: 'unknown', onHold } : payload, acknowledge);
  };
  await expect(first.theirs.setHold(false)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect([first.theirs.getSnapshot().onHold, second.theirs.getSnapshot().onHold]).toEqual([true, false]);
  expect(bob.app.client.calls.active).toBe(second.theirs);
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});

test('a call that is put on hold without a connection is silent at once, and told to the server afterwards', async () => {
  const { bob, first, second } = await waiting();
  bob.app.port.unplug();
  const holding = first.theirs.setHold(true);
  await until(first.theirs, ({ onHold, audioMuted }) => onHold && audioMuted);
  expect(plays(first.theirs)).toBe(false);
  bob.app.port.plug();
  await holding;
  await until(first.ours, ({ participants }) => participants[1]?.onHold === true);
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});

test('a call on hold ends for both sides, and the other one continues', async () => {
  const { bob, first, second } = await waiting();
  await first.theirs.setHold(true);
  await second.theirs.accept();
  await becomes(second.theirs, 'connected');
  first.ours.hangup();
  expect(await first.theirs.ended).toBe('completed');
  await expect(first.theirs.setHold(false)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(second.theirs.state).toBe('connected');
  expect(bob.app.client.calls.all).toEqual([second.theirs]);
  await hangUp(second.ours, second.theirs);
});

test('a call that rings can not be put on hold', async () => {
  const { first, second } = await waiting();
  await expect(second.theirs.setHold(true)).rejects.toMatchObject({ code: 'CONFLICT' });
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});

test('a screen that its owner stops during the hold and shares again afterwards is seen', async () => {
  const { first, second } = await waiting('video');
  await first.ours.shareScreen();
  await until(first.theirs, ({ remoteScreens }) => remoteScreens.size === 1);
  await first.theirs.setHold(true);
  first.ours.stopScreenShare();
  await until(first.theirs, ({ remoteScreens }) => remoteScreens.size === 0);
  await first.theirs.setHold(false);
  await first.ours.shareScreen();
  const { remoteScreens } = await until(first.theirs, (snapshot) => snapshot.remoteScreens.size === 1);
  const tracks = [...remoteScreens.values()].flatMap((stream) => stream.getTracks());
  expect(tracks.map(({ enabled }) => enabled)).toEqual([true]);
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});

test('no screen can be shared while the call is on hold', async () => {
  const { first, second } = await waiting();
  await first.theirs.setHold(true);
  await expect(first.theirs.shareScreen()).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(first.theirs.getSnapshot().screenSharing).toBe(false);
  await first.theirs.setHold(false);
  await first.theirs.shareScreen();
  expect(first.theirs.getSnapshot().screenSharing).toBe(true);
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});

test('a call is taken up although the other one ends while it is put on hold', async () => {
  const { bob, first, second } = await waiting();
  await first.theirs.setHold(true);
  await second.theirs.accept();
  await becomes(second.theirs, 'connected');
  const { port } = bob.app;
  const emit = port.emit.bind(port);
  port.emit = (event, payload, acknowledge) => {
    const { callId, onHold } = (payload ?? {}) as { callId?: string; onHold?: boolean };
    if (event === 'nk:call:media-toggle' && callId === second.theirs.id && onHold === true) second.theirs.hangup();
    emit(event, payload, acknowledge);
  };
  await first.theirs.setHold(false);
  expect(first.theirs.getSnapshot()).toMatchObject({ onHold: false, audioMuted: false });
  await second.theirs.ended;
  await hangUp(first.ours, first.theirs, second.ours);
});

test('a hold that is requested while the call is being accepted follows the acceptance', async () => {
  const world = await startWorld();
  const alice = await caller(world.join, 'alice');
  const bob = await caller(world.join, 'bob');
  const conversationId = await direct(alice.app, bob.app);
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const theirs = await bob.app.next('call', ({ id }) => id === ours.id);
  const permission = bob.platform.withholdPermission();
  const accepting = theirs.accept();
  const holding = theirs.setHold(true);
  permission.resolve();
  await Promise.all([accepting, holding]);
  expect(theirs.getSnapshot()).toMatchObject({ onHold: true, audioMuted: true });
  await until(ours, ({ participants }) => participants[1]?.onHold === true);
  await theirs.setHold(false);
  expect(theirs.getSnapshot()).toMatchObject({ onHold: false, audioMuted: false });
  await hangUp(ours, theirs);
});

test('a device that is still opening when the call is put on hold does not delay that, and is on afterwards', async () => {
  const { bob, first, second } = await waiting('video');
  await first.theirs.setVideo(false);
  bob.platform.opening = deferred();
  const turningOn = first.theirs.setVideo(true);
  const holding = first.theirs.setHold(true);
  await until(first.ours, ({ participants }) => participants[1]?.onHold === true);
  bob.platform.opening.resolve();
  await Promise.all([turningOn, holding]);
  expect(first.theirs.getSnapshot()).toMatchObject({ audioMuted: true, videoMuted: true });
  await first.theirs.setHold(false);
  expect(first.theirs.getSnapshot()).toMatchObject({ audioMuted: false, videoMuted: false });
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});

test.each([true, false])('a hold (%s) that the server has lost is repeated after a reconnect', async (onHold) => {
  const { bob, first, second } = await waiting();
  if (!onHold) await first.theirs.setHold(true);
  const { port } = bob.app;
  const emit = port.emit.bind(port);
  port.emit = (event, payload, acknowledge) => {
    const isHold = event === 'nk:call:media-toggle' && (payload as { onHold?: boolean }).onHold !== undefined;
    // As if the server had been restored to what it was before.
    emit(event, isHold ? { callId: first.theirs.id } : payload, acknowledge);
  };
  await first.theirs.setHold(onHold);
  port.emit = emit;
  bob.app.port.unplug();
  bob.app.port.plug();
  await until(first.ours, ({ participants }) => (participants[1]?.onHold === true) === onHold);
  expect(first.theirs.getSnapshot().onHold).toBe(onHold);
  await hangUp(first.ours, first.theirs, second.ours, second.theirs);
});
