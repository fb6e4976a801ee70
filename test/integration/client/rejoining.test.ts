import { expect, test } from 'vitest';
import { deferred, type Deferred } from '../../../src/lib/deferred.ts';
import type { ConversationView } from '../../../src/index.ts';
import { until } from '../../helpers/client/app.ts';
import { codeOf } from '../../helpers/client/rejection.ts';
import { group, sendNumbers, startWorld, type World } from '../../helpers/client/world.ts';

const seqs = (view: ConversationView): (number | undefined)[] => view.getSnapshot().messages.map(({ seq }) => seq);
const contents = (view: ConversationView): string[] => view.getSnapshot().messages.map(({ content }) => content);
const upTo = (end: number): number[] => Array.from({ length: end }, (_, at) => at + 1);

/** A group of three, and Bob's view of it. */
async function setUp(world: World) {
  const { alice, bob, carol } = await world.joinAll('alice', 'bob', 'carol');
  const conversationId = await group(alice, bob, carol);
  await sendNumbers(alice, conversationId, 1, 1);
  await bob.next('message:new');
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  return { alice, bob, conversationId, view };
}

test('a view of a conversation that the user is removed from shows NOT_FOUND and sends no requests', async () => {
  const { alice, bob, conversationId, view } = await setUp(await startWorld());
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await bob.next('conversation:left');
  const gone = { conversation: undefined, hasNewer: true, loading: false, error: { code: 'NOT_FOUND' } };
  expect(view.getSnapshot()).toMatchObject(gone);
  const before = view.getSnapshot();
  for (const load of [view.loadOlder(), view.loadNewer(), view.jumpTo(before.messages[0]?.id ?? '')])
    await expect(load).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(view.getSnapshot()).toBe(before);
  bob.port.cut();
  await bob.reconnected();
  expect(view.getSnapshot()).toMatchObject(gone);
  expect(bob.errors).toEqual([]);
});

test('after the user is removed and added again, a view shows the changes in between', async () => {
  const { alice, bob, conversationId, view } = await setUp(await startWorld());
  const messageId = view.getSnapshot().messages[0]?.id ?? '';
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await bob.next('conversation:left');
  await sendNumbers(alice, conversationId, 2, 4);
  await alice.client.messages.delete({ conversationId, messageId });
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  await until(view, ({ messages, error }) => messages.length === 4 && error === undefined);
  expect(view.getSnapshot()).toMatchObject({ hasOlder: false, hasNewer: false, conversation: { id: conversationId } });
  await sendNumbers(alice, conversationId, 5, 5);
  await until(view, ({ messages }) => messages.length === 5);
  expect(contents(view)).toEqual(['', '2', '3', '4', '5']);
});

test('after the user is removed and added again, a view has no unmarked gap, also after many messages', async () => {
  const { alice, bob, conversationId, view } = await setUp(await startWorld());
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await bob.next('conversation:left');
  await sendNumbers(alice, conversationId, 2, 120);
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  await sendNumbers(alice, conversationId, 121, 121);
  await until(view, ({ messages, hasNewer }) => messages.at(-1)?.seq === 121 && !hasNewer);
  expect(seqs(view)).toEqual(upTo(121).slice(-seqs(view).length));
  expect(view.getSnapshot().hasOlder).toBe(true);
  while (view.getSnapshot().hasOlder) await view.loadOlder();
  expect(seqs(view)).toEqual(upTo(121));
});

test('a scrolled-up view keeps its position when the user is removed and added again', async () => {
  const { alice, bob, conversationId, view } = await setUp(await startWorld());
  await sendNumbers(alice, conversationId, 2, 200);
  await until(view, ({ messages }) => messages.at(-1)?.seq === 200);
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await bob.next('conversation:left');
  const before = view.getSnapshot().messages;
  expect(seqs(view)).toEqual(upTo(200));
  await sendNumbers(alice, conversationId, 201, 202);
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  await until(view, ({ messages, hasNewer }) => messages.at(-1)?.seq === 202 && !hasNewer);
  expect(seqs(view)).toEqual(upTo(202));
  // The status may have changed meanwhile, when the others confirmed the delivery.
  const status: unknown = expect.stringMatching(/^(sent|delivered)$/);
  expect(view.getSnapshot().messages[0]).toEqual({ ...before[0], status });
});

test('a user can be removed while disconnected and added again after the reconnect', async () => {
  const { alice, bob, conversationId, view } = await setUp(await startWorld());
  bob.port.unplug();
  const sends = ['a', 'b'].map((content) => codeOf(view.send(content)));
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await sendNumbers(alice, conversationId, 2, 2);
  bob.port.plug();
  await Promise.all(sends);
  await until(view, ({ error }) => error?.code === 'NOT_FOUND');
  // What was refused stays in sight.
  expect(contents(view)).toEqual(['1', 'a', 'b']);
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  await bob.next('conversation:new', ({ id }) => id === conversationId);
  await Promise.all(bob.client.messages.outbox().map(({ clientId }) => bob.client.messages.retry(clientId)));
  await until(view, ({ messages, hasNewer }) => messages.at(-1)?.seq === 4 && !hasNewer);
  expect(contents(view)).toEqual(['1', '2', 'a', 'b']);
});

test('a user can be removed, and added again while disconnected', async () => {
  const { alice, bob, conversationId, view } = await setUp(await startWorld());
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await bob.next('conversation:left');
  bob.port.unplug();
  await sendNumbers(alice, conversationId, 2, 3);
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  bob.port.plug();
  await until(view, ({ messages, error }) => messages.length === 3 && error === undefined);
  await sendNumbers(alice, conversationId, 4, 4);
  await until(view, ({ messages }) => messages.length === 4);
  expect(seqs(view)).toEqual(upTo(4));
});

test('flags are set back when the user is removed and added again while disconnected', async () => {
  const { alice, bob, conversationId } = await setUp(await startWorld());
  const { inbox } = bob.client.conversations;
  inbox.subscribe(() => undefined);
  const muted = (): boolean | undefined =>
    inbox.getSnapshot().conversations.find(({ id }) => id === conversationId)?.muted;
  await bob.client.conversations.mute(conversationId, true);
  await until(inbox, () => muted() === true);
  bob.port.unplug();
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  bob.port.plug();
  await until(inbox, () => muted() === false);
  await bob.client.conversations.mute(conversationId, true);
  await until(inbox, () => muted() === true);
});

test('a view shows who has read while the user was away, also if entering the room was refused before the return', async () => {
  const { alice, bob, carol } = await (await startWorld()).joinAll('alice', 'bob', 'carol');
  const conversationId = await group(alice, bob, carol);
  await sendNumbers(alice, conversationId, 1, 1);
  const view = bob.client.conversations.open(conversationId);
  const { messages } = await until(view, (snapshot) => snapshot.messages.length === 1);
  bob.port.unplug();
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await carol.client.messages.markRead({ conversationId, messageId: messages[0]?.id ?? '' });
  await alice.next('read-receipt:update');
  const refused: Deferred<void> = deferred();
  const released: Deferred<void> = deferred();
  bob.port.holdsAck = (event) => {
    if (event !== 'conversation:join') return undefined;
    refused.resolve();
    return released.promise;
  };
  bob.port.plug();
  await refused.promise;
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  await bob.next('conversation:new', ({ head }) => (head?.rev ?? 0) > 1);
  released.resolve();
  await until(view, ({ messages: [first] }) => first?.readBy.some(({ userId }) => userId === 'carol') === true);
});

test('a view opens although its refusal arrives after the user has been added', async () => {
  const { alice, bob } = await (await startWorld()).joinAll('alice', 'bob');
  const conversationId = await group(alice);
  await sendNumbers(alice, conversationId, 1, 2);
  const refused: Deferred<void> = deferred();
  const released: Deferred<void> = deferred();
  bob.port.holdsAck = (event) => {
    if (event !== 'conversation:join') return undefined;
    refused.resolve();
    return released.promise;
  };
  const view = bob.client.conversations.open(conversationId);
  await refused.promise;
  bob.port.holdsAck = () => undefined;
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  await bob.next('conversation:new', ({ id }) => id === conversationId);
  released.resolve();
  await view.ready;
  expect(view.getSnapshot()).toMatchObject({ loading: false, conversation: { id: conversationId } });
  expect(view.getSnapshot().error).toBeUndefined();
  expect(seqs(view)).toEqual([1, 2]);
});

test('a view that failed to open opens once the user is added to the conversation', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await group(alice);
  await sendNumbers(alice, conversationId, 1, 2);
  const view = bob.client.conversations.open(conversationId);
  await expect(view.ready).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  await until(view, ({ messages, error }) => messages.length === 2 && error === undefined);
  await sendNumbers(alice, conversationId, 3, 3);
  await until(view, ({ messages }) => messages.length === 3);
  expect(seqs(view)).toEqual(upTo(3));
});
