import { expect, test } from 'vitest';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { keyBundle, newIdentity } from '../../../helpers/server/keys.ts';

/** Alice and bob share two conversations; carol shares none with bob. */
async function people(server: TestServer): Promise<Record<'alice' | 'bob' | 'carol', CheckedClient>> {
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  const carol = await server.connect('carol');
  await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  await alice.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await alice.ask('conversation:create', { type: 'direct', participantIds: ['carol'] });
  return { alice, bob, carol };
}

test('a changed identity key is pushed once to each contact', async () => {
  await using server = await startServer();
  const { alice, bob, carol } = await people(server);
  const tablet = await server.connect('bob');
  const plain = await server.connect('alice', { caps: ['ack', 'rev'] });
  const base = await server.connectBase('alice');
  await bob.ask('encryption:upload-keys', keyBundle(1));
  const bundle = keyBundle(1);
  await bob.ask('encryption:upload-keys', bundle);

  const told = [{ userId: 'bob', identityKey: bundle.identityKey }];
  for (const client of [alice, bob, carol, tablet, plain, base]) await client.settled();
  expect(alice.payloads('encryption:keys-changed')).toEqual(told);
  expect(tablet.payloads('encryption:keys-changed')).toEqual(told);
  for (const client of [bob, carol, plain, base]) expect(client.events).not.toContain('encryption:keys-changed');
});

test('a first upload and new prekeys are not pushed', async () => {
  await using server = await startServer();
  const { alice, bob } = await people(server);
  const identity = newIdentity();
  await bob.ask('encryption:upload-keys', keyBundle(1, identity));
  await bob.ask('encryption:upload-keys', keyBundle(1, identity));
  await alice.settled();
  expect(alice.events).not.toContain('encryption:keys-changed');
});

test("a conditional upload of a second device doesn't overwrite the keys of the first", async () => {
  await using server = await startServer();
  const { alice, bob } = await people(server);
  const phone = keyBundle(1);
  await bob.ask('encryption:upload-keys', { ...phone, replaces: null });
  const laptop = await server.connect('bob');
  const bundle = keyBundle(1);
  expect(await laptop.refused('encryption:upload-keys', { ...bundle, replaces: null })).toMatchObject({
    code: 'CONFLICT',
  });
  expect(await laptop.refused('encryption:upload-keys', { ...bundle, replaces: bundle.identityKey })).toMatchObject({
    code: 'CONFLICT',
  });
  const held = await laptop.ask('encryption:request-keys', { recipientId: 'bob' });
  expect(held).toMatchObject({ identityKey: phone.identityKey });
  await alice.settled();
  expect(alice.events).not.toContain('encryption:keys-changed');

  // Taking over is saying so.
  await laptop.ask('encryption:upload-keys', { ...bundle, replaces: held.identityKey });
  expect(await bob.next('encryption:keys-changed')).toEqual({ userId: 'bob', identityKey: bundle.identityKey });
  expect(await bob.refused('encryption:upload-keys', { ...phone, replaces: phone.identityKey })).toMatchObject({
    code: 'CONFLICT',
  });
});

test('a conditional upload whose reply was lost may be repeated', async () => {
  await using server = await startServer();
  const { bob } = await people(server);
  const first = { ...keyBundle(1), replaces: null };
  for (let attempt = 0; attempt < 2; attempt += 1) await bob.ask('encryption:upload-keys', first);
  const takeover = { ...keyBundle(1), replaces: first.identityKey };
  for (let attempt = 0; attempt < 2; attempt += 1) await bob.ask('encryption:upload-keys', takeover);
  expect(await bob.ask('encryption:request-keys', { recipientId: 'bob' })).toMatchObject({
    identityKey: takeover.identityKey,
  });
});

test('of two devices that upload at the same time, one succeeds', async () => {
  await using server = await startServer();
  const { bob } = await people(server);
  const laptop = await server.connect('bob');
  const bundles = [keyBundle(1), keyBundle(1)] as const;
  const replies = await Promise.all([
    bob.raw('encryption:upload-keys', { ...bundles[0], replaces: null }),
    laptop.raw('encryption:upload-keys', { ...bundles[1], replaces: null }),
  ]);
  expect(replies.filter(({ ok }) => ok)).toHaveLength(1);
  const winner = bundles[replies.findIndex(({ ok }) => ok)];
  expect(await bob.ask('encryption:request-keys', { recipientId: 'bob' })).toMatchObject({
    identityKey: winner?.identityKey,
  });
});

test('uploads are rate-limited', async () => {
  // With time that moves a slow machine would earn more uploads.
  await using server = await startServer({ clock: manualClock() });
  const { bob } = await people(server);
  const bundle = keyBundle(0);
  const replies = await Promise.all(Array.from({ length: 21 }, () => bob.raw('encryption:upload-keys', bundle)));
  expect(replies.at(-1)).toMatchObject({ ok: false, error: { code: 'RATE_LIMITED' } });
  expect(replies.filter(({ ok }) => ok)).toHaveLength(20);
});
