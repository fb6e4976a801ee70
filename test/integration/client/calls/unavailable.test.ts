import { afterEach, expect, test } from 'vitest';
import { resourceCounters } from '../../../../src/client/calls/webrtc/resource-counters.ts';
import { until } from '../../../helpers/client/app.ts';
import { becomes, caller, heldResources, incomingCall, NO_RESOURCES } from '../../../helpers/client/caller.ts';
import { eventually } from '../../../helpers/eventually.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';

afterEach(() => {
  expect(resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

const REQUESTS = [
  'call:initiate',
  'call:respond',
  'signal:offer',
  'signal:answer',
  'call:connected',
  'call:media-toggle',
  'call:hangup',
];

test.each(REQUESTS)('a call in which %s is refused because the server is unavailable goes on', async (request) => {
  const world = await startWorld();
  const [alice, bob] = [await caller(world.join, 'alice'), await caller(world.join, 'bob')];
  const conversationId = await direct(alice.app, bob.app);
  const refused: string[] = [];
  for (const { app } of [alice, bob]) {
    app.port.refuses = (event) => event === request && refused.push(event) === 1;
  }
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const theirs = await incomingCall(bob);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  await ours.setAudio(false);
  await until(theirs, ({ participants }) => participants.some((each) => each.userId === 'alice' && each.audioMuted));
  ours.hangup();
  expect(await theirs.ended).toBe('completed');
  expect(await ours.ended).toBe('completed');
  // The refused one, and its repetition.
  expect(refused.length).toBeGreaterThanOrEqual(2);
  await eventually(() => expect([heldResources(alice), heldResources(bob)]).toEqual([NO_RESOURCES, NO_RESOURCES]));
});

test('a rejection that is refused because the server is unavailable ends the call', async () => {
  const world = await startWorld();
  const [alice, bob] = [await caller(world.join, 'alice'), await caller(world.join, 'bob')];
  const conversationId = await direct(alice.app, bob.app);
  let refused = 0;
  bob.app.port.refuses = (event) => event === 'call:respond' && (refused += 1) === 1;
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  (await incomingCall(bob)).reject();
  expect(await ours.ended).toBe('rejected');
});

test('a call goes on if the server is unavailable when a device returns', async () => {
  const world = await startWorld();
  const [alice, bob] = [await caller(world.join, 'alice'), await caller(world.join, 'bob')];
  const conversationId = await direct(alice.app, bob.app);
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const theirs = await incomingCall(bob);
  let refused = 0;
  alice.app.port.refuses = (event) => event === 'call:sync' && (refused += 1) === 1;
  alice.app.port.cut();
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  expect(refused).toBe(2);
  ours.hangup();
  await theirs.ended;
});
