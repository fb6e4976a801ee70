import { expect, test } from 'vitest';
import { settle, startSimulation, type World } from './simulation.ts';

/** Delivers all waiting pushes until there are none. */
async function deliver({ users, server }: World): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) {
    for (const user of users) for (const frame of server.queues.get(user.name)?.splice(0) ?? []) user.receive(frame);
    await settle(users);
  }
}

/** Starts two users with a session, of whom bob misses more messages than a chain can skip. */
async function startWithBacklog(seed: string) {
  const world = await startSimulation(['alice', 'bob'], seed);
  const [alice, bob] = world.users;
  if (alice === undefined || bob === undefined) throw new Error('two users are needed');
  for (const user of [alice, bob, alice]) {
    await user.send('before');
    await deliver(world);
  }
  for (let at = 0; at < 1_101; at += 1) await alice.send(`missed ${at}`);
  world.server.queues.get('bob')?.splice(0);
  return { world, alice, bob };
}

test('after more than 1,000 missed messages the newest are shown as a gap, and decrypted in the background', async () => {
  const { world, alice, bob } = await startWithBacklog('backlog');
  const resets = world.server.received.length;
  await alice.send('live');
  const id = String(world.server.history.length);
  const shown: (string | undefined)[] = [];
  const decrypted = new Promise<void>((resolve) => {
    bob.showing = (message) => {
      if (message.id !== id) return;
      shown.push(message.undecrypted ?? message.content);
      if (message.content !== '') resolve();
    };
  });
  await deliver(world);
  await decrypted;
  await alice.send('later');
  await deliver(world);
  expect(shown).toEqual(['gap', 'live']);
  expect([...bob.shown.values()].at(-1)).toMatchObject({ content: 'later' });
  // Without a reset of the session.
  expect(world.server.received.slice(resets).join('')).not.toContain('"messageType":"prekey"');
});

test('messages that can not be decrypted after all before them were read reset the session', async () => {
  const { world, alice, bob } = await startWithBacklog('lost backlog');
  // The server has lost the history too.
  for (const [at, row] of world.server.history.entries()) {
    if (at > 3) world.server.history[at] = { ...row, deletedAt: row.createdAt, envelope: undefined };
  }
  const sent = world.server.received.length;
  const isReset = () => world.server.received.slice(sent).join('').includes('"messageType":"prekey"');
  await alice.send('live');
  for (let turn = 0; turn < 50 && !isReset(); turn += 1) {
    await deliver(world);
    // Only a message that arrives after the backlog was read shows that reading does not help.
    await alice.send('another');
  }
  await deliver(world);
  await alice.send('later');
  await deliver(world);
  expect([...bob.shown.values()].at(-1)).toMatchObject({ content: 'later' });
});
