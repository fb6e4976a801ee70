import { expect, test } from 'vitest';
import type { CommServerOptions } from '../../../src/server/index.ts';
import { eventually } from '../../helpers/eventually.ts';
import { rejectionOf } from '../../helpers/client/rejection.ts';
import { direct, group, startWorld } from '../../helpers/client/world.ts';

const searchable: CommServerOptions = { config: { userSearch: true } };

test('a new profile appears in watched users, the inbox and open views, on all devices, without a reload', async () => {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  const tab = await world.join('bob');
  const id = await group(alice, bob, tab);
  const stop = bob.client.conversations.inbox.subscribe(() => undefined);
  const view = bob.client.conversations.open(id);
  await view.ready;
  const users = bob.client.users.watch(['alice', 'bob', 'nobody']);
  const end = users.subscribe(() => undefined);
  await eventually(() => expect([...users.getSnapshot().keys()].toSorted()).toEqual(['alice', 'bob']));
  const updated = await alice.client.users.update({ displayName: 'Alice A', avatarUrl: '/alice.png' });
  expect(updated).toMatchObject({ id: 'alice', displayName: 'Alice A' });
  await tab.next('user:updated', (user) => user.displayName === 'Alice A');
  await bob.next('user:updated', (user) => user.displayName === 'Alice A');
  expect(users.getSnapshot().get('alice')).toEqual(updated);
  expect(bob.client.users.get('alice')).toEqual(updated);
  const named = { displayName: 'Alice A', avatarUrl: '/alice.png' };
  const inView = view.getSnapshot().conversation?.participants.find(({ userId }) => userId === 'alice');
  expect(inView).toMatchObject(named);
  const [listed] = bob.client.conversations.inbox.getSnapshot().conversations;
  expect(listed?.participants.find(({ userId }) => userId === 'alice')).toMatchObject(named);
  await alice.client.users.update({ avatarUrl: null });
  await bob.next('user:updated', (user) => user.avatarUrl === undefined);
  expect(users.getSnapshot().get('alice')).not.toHaveProperty('avatarUrl');
  const participants = view.getSnapshot().conversation?.participants;
  expect(participants?.find(({ userId }) => userId === 'alice')).not.toHaveProperty('avatarUrl');
  end();
  view.close();
  stop();
});

test('a profile that changed while the client was disconnected is requested again', async () => {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  await direct(alice, bob);
  const users = bob.client.users.watch(['alice']);
  const end = users.subscribe(() => undefined);
  await eventually(() => expect(users.getSnapshot().get('alice')?.displayName).toBe('alice'));
  await bob.client.disconnect();
  await alice.client.users.update({ displayName: 'Alice B' });
  await bob.client.connect();
  await eventually(() => expect(users.getSnapshot().get('alice')?.displayName).toBe('Alice B'));
  end();
});

test('users of one moment are requested together', async () => {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  await direct(alice, bob);
  // Loads the code.
  await bob.client.users.blocked();
  const requests: unknown[] = [];
  bob.client.on('user:updated', (user) => requests.push(user));
  const watched = Array.from({ length: 20 }, (_, at) => bob.client.users.watch([`user-${at}`, 'alice']));
  const ends = watched.map((users) => users.subscribe(() => undefined));
  for (const users of watched) await eventually(() => expect(users.getSnapshot().has('alice')).toBe(true));
  // An answer isn't news.
  expect(requests).toEqual([]);
  for (const end of ends) end();
});

test('users are searched where the server allows it', async () => {
  const closed = await startWorld();
  const someone = await closed.join('someone');
  expect(await rejectionOf(someone.client.users.search('ali'))).toMatchObject({ code: 'UNSUPPORTED' });
  const world = await startWorld(searchable);
  const { alice, bob } = await world.joinAll('alice', 'bob');
  await alice.client.users.update({ displayName: 'Alice Ärmel' });
  expect((await bob.client.users.search('arm')).map(({ id }) => id)).toEqual(['alice']);
  expect(await rejectionOf(bob.client.users.search(''))).toBeInstanceOf(TypeError);
});

test('messages of a blocked user are marked in views, at once, on all devices, until the user is unblocked', async () => {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  const phone = await world.join('alice');
  const id = await group(alice, bob, phone);
  await bob.client.messages.send({ conversationId: id, content: 'first' });
  await alice.client.messages.send({ conversationId: id, content: 'second' });
  const views = [alice, phone].map(({ client }) => client.conversations.open(id));
  const flags = (at: number) => views[at]?.getSnapshot().messages.map(({ fromBlocked }) => fromBlocked === true);
  await Promise.all(views.map((view) => view.ready));
  await eventually(() => expect(flags(1)).toEqual([false, false]));
  await alice.client.users.block('bob', true);
  for (const at of [0, 1]) await eventually(() => expect(flags(at)).toEqual([true, false]));
  expect(await phone.client.users.blocked()).toEqual(['bob']);
  await bob.client.messages.send({ conversationId: id, content: 'third' });
  await eventually(() => expect(flags(0)).toEqual([true, false, true]));
  // A view that is opened later has the mark too.
  const later = await world.join('alice');
  const view = later.client.conversations.open(id);
  const isMarked = () => view.getSnapshot().messages.map(({ fromBlocked }) => fromBlocked === true);
  await eventually(() => expect(isMarked()).toEqual([true, false, true]));
  await phone.client.users.block('bob', false);
  for (const at of [0, 1]) await eventually(() => expect(flags(at)).toEqual([false, false, false]));
  expect(await alice.client.users.blocked()).toEqual([]);
  for (const each of [...views, view]) each.close();
});

test('a message to a user who has blocked the sender fails for good', async () => {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  await alice.client.users.block('bob', true);
  const refused = rejectionOf(bob.client.messages.send({ conversationId, content: 'let me in' }));
  expect(await refused).toMatchObject({ code: 'FORBIDDEN' });
});

test('wrong use is a TypeError, and a client without a server has no profiles', async () => {
  const world = await startWorld();
  const { client } = await world.join('alice');
  expect(() => client.users.watch('bob' as unknown as string[])).toThrow(TypeError);
  expect(await rejectionOf(client.users.update({ name: 'Alice' } as never))).toBeInstanceOf(TypeError);
  expect(await rejectionOf(client.users.block('', true))).toBeInstanceOf(TypeError);
  expect(client.users.get('bob')).toBeUndefined();
});
