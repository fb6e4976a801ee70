import { afterEach, expect, test } from 'vitest';
import { resourceCounters } from '../../../../src/client/calls/webrtc/resource-counters.ts';
import {
  becomes,
  caller,
  heldResources,
  incomingCall,
  NO_RESOURCES,
  type Caller,
} from '../../../helpers/client/caller.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';

async function pair(): Promise<{ alice: Caller; bob: Caller; conversationId: string }> {
  const world = await startWorld();
  const alice = await caller(world.join, 'alice');
  const bob = await caller(world.join, 'bob');
  return { alice, bob, conversationId: await direct(alice.app, bob.app) };
}

afterEach(async () => {
  await expect.poll(() => resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('start() and accept() take over previews as they are', async () => {
  const { alice, bob, conversationId } = await pair();
  const preview = await alice.app.client.calls.preview();
  await preview.setAudio(false);
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'], preview });
  const theirs = await incomingCall(bob);
  await theirs.accept({ preview: await bob.app.client.calls.preview({ video: false }) });
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  expect(ours.getSnapshot()).toMatchObject({ audioMuted: true, videoMuted: false });
  expect(theirs.getSnapshot()).toMatchObject({ audioMuted: false, videoMuted: true });
  expect([alice, bob].map(({ platform }) => platform.locals.length)).toEqual([1, 1]);
  const { slots } = alice.platform.backend;
  expect([slots.get('mic'), slots.get('camera')?.kind]).toEqual([null, 'video']);
  // The call owns the devices.
  preview.stop();
  expect(alice.platform.localMedia.disposed).toBe(0);
  ours.hangup();
  await Promise.all([ours.ended, theirs.ended]);
  for (const each of [alice, bob]) {
    await expect.poll(() => heldResources(each), { interval: 1 }).toEqual(NO_RESOURCES);
  }
});

test('join() takes over a preview', async () => {
  const { alice, bob, conversationId } = await pair();
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  await incomingCall(bob);
  const preview = await bob.app.client.calls.preview();
  const theirs = await bob.app.client.calls.join(conversationId, { preview });
  await becomes(theirs, 'connected');
  expect([preview.getSnapshot().ended, theirs.getSnapshot().videoMuted]).toEqual([true, false]);
  ours.hangup();
  await theirs.ended;
});

test('a preview that has ended is refused, and the call continues to ring or can be started without it', async () => {
  const { alice, bob, conversationId } = await pair();
  const { calls } = alice.app.client;
  const preview = await calls.preview();
  preview.stop();
  const target = { conversationId, type: 'audio', calleeIds: ['bob'] } as const;
  await expect(calls.start({ ...target, preview })).rejects.toThrow(TypeError);
  expect(calls.all).toEqual([]);
  const ours = await calls.start(target);
  const theirs = await incomingCall(bob);
  await expect(theirs.accept({ preview })).rejects.toThrow(TypeError);
  expect(theirs.state).toBe('ringing');
  await theirs.accept();
  await becomes(ours, 'connected');
  ours.hangup();
  await theirs.ended;
});

test('disconnect() stops previews, also those that are still opening', async () => {
  const { alice } = await pair();
  const { calls } = alice.app.client;
  const open = await calls.preview();
  const permission = alice.platform.withholdPermission();
  const opening = calls.preview();
  await expect.poll(() => alice.platform.locals.length, { interval: 1 }).toBe(2);
  await alice.app.client.disconnect();
  permission.resolve();
  await expect(opening).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(open.getSnapshot().ended).toBe(true);
  await expect.poll(() => heldResources(alice)).toEqual(NO_RESOURCES);
});
