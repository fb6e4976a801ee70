import { describe, expect, onTestFinished, test } from 'vitest';
import { fileStorage } from '../../../src/node/index.ts';
import { memoryStorage } from '../../../src/index.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { until } from '../../helpers/client/app.ts';
import { chat, direct, startWorld } from '../../helpers/client/world.ts';

/** Made before the apps that use it, so that it is removed after them. */
/** The path of a new file, which is removed after the test. */
async function newFile(): Promise<string> {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  return `${directory.path}/client.sqlite`;
}

test('a send whose acknowledgement is lost is stored once, and its push confirms it', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  alice.port.losesAck = (event) => event === 'message:send';
  const sent = await alice.client.messages.send({ conversationId, content: 'Hello' });
  expect(sent).toMatchObject({ content: 'Hello', seq: 1 });
  expect(alice.client.messages.outbox()).toEqual([]);
  await bob.next('message:new');
});

test('a send whose acknowledgement and push are lost is sent again and stored once', async () => {
  const { joinAll, app } = await startWorld();
  const { bob } = await joinAll('bob');
  const alice = app('alice', { requestTimeoutMs: 1_000 });
  await alice.client.connect();
  const conversationId = await direct(bob, alice);
  let lose = 2;
  alice.port.losesAck = (event) => event === 'message:send' && lose-- > 0;
  alice.port.losesPush = (event) => event === 'message:new';
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  const sent = await Promise.all(['a', 'b', 'c'].map((content) => view.send(content)));
  expect(sent.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  alice.port.losesPush = () => false;
  await bob.client.messages.send({ conversationId, content: 'd' });
  await until(view, ({ messages }) => messages.at(-1)?.content === 'd');
  expect(view.getSnapshot().messages.map(({ content }) => content)).toEqual(['a', 'b', 'c', 'd']);
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['a', 'b', 'c', 'd']);
});

test('a send whose connection is lost before the response is stored once, after a reconnect', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  alice.port.losesAck = (event) => event === 'message:send';
  alice.port.losesPush = (event) => event === 'message:new';
  const sending = alice.client.messages.send({ conversationId, content: 'Hello' });
  await bob.next('message:new');
  alice.port.losesAck = () => false;
  alice.port.losesPush = () => false;
  alice.port.cut();
  const sent = await sending;
  await alice.client.messages.send({ conversationId, content: 'next' });
  await bob.next('message:new', ({ content }) => content === 'next');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['Hello', 'next']);
  expect(alice.all('message:new').map(({ id }) => id)).toContain(sent.id);
});

test('messages that are sent offline wait in order, are shown in an open view, and are sent on reconnect', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  alice.port.unplug();
  const sends = ['a', 'b', 'c'].map((content) => view.send(content));
  expect(view.getSnapshot().messages.map(({ content, status }) => `${content} ${status}`)).toEqual([
    'a sending',
    'b sending',
    'c sending',
  ]);
  expect(alice.client.messages.outbox().map(({ content }) => content)).toEqual(['a', 'b', 'c']);
  alice.port.plug();
  await Promise.all(sends);
  await bob.next('message:new', ({ content }) => content === 'c');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['a', 'b', 'c']);
  await until(view, ({ messages }) => messages.every(({ seq }) => seq !== undefined));
  expect(view.getSnapshot().messages.map(({ content }) => content)).toEqual(['a', 'b', 'c']);
});

test('edits, deletions, reactions and read markers wait offline as well, in order', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const [one, two] = await Promise.all(
    ['one', 'two'].map((content) => alice.client.messages.send({ conversationId, content })),
  );
  const theirs = await bob.client.messages.send({ conversationId, content: 'theirs' });
  await alice.next('message:new', ({ id }) => id === theirs.id);
  const { id: first } = one ?? { id: '' };
  alice.port.unplug();
  const waiting = [
    alice.client.messages.edit({ conversationId, messageId: first, content: 'ONE' }),
    alice.client.messages.edit({ conversationId, messageId: first, content: 'One' }),
    alice.client.messages.delete({ conversationId, messageId: two?.id ?? '' }),
    alice.client.messages.react({ conversationId, messageId: theirs.id, emoji: '👍' }),
    alice.client.messages.markRead({ conversationId, messageId: theirs.id }),
    alice.client.messages.markRead({ conversationId, messageId: theirs.id }),
  ];
  alice.port.plug();
  await Promise.all(waiting);
  await bob.next('read-receipt:update', ({ readBy }) => readBy.userId === 'alice');
  await bob.next('message:reaction-update');
  expect(await bob.client.messages.get(first)).toMatchObject({ content: 'One' });
  expect(bob.all('message:updated').map(({ content }) => content)).toEqual(['ONE', 'One']);
  expect(bob.all('message:deleted')).toHaveLength(1);
});

describe('reacting twice', () => {
  test('offline removes the reaction', async () => {
    const { alice, bob, conversationId, sent } = await chat(1);
    const ref = { conversationId, messageId: sent[0]?.id ?? '', emoji: '👍' };
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    bob.port.unplug();
    const reactions = [bob.client.messages.react(ref), bob.client.messages.react(ref)];
    bob.port.plug();
    await Promise.all(reactions);
    expect((await alice.client.messages.get(ref.messageId)).reactions ?? []).toEqual([]);
  });

  test('before the first response removes it, and a third time adds it', async () => {
    const { alice, bob, conversationId, sent } = await chat(1);
    const ref = { conversationId, messageId: sent[0]?.id ?? '', emoji: '👍' };
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    await Promise.all([bob.client.messages.react(ref), bob.client.messages.react(ref)]);
    expect((await alice.client.messages.get(ref.messageId)).reactions ?? []).toEqual([]);
    const others = ['👎', '👍', '👍', '👍'].map((emoji) => bob.client.messages.react({ ...ref, emoji }));
    await Promise.all(others);
    expect((await alice.client.messages.get(ref.messageId)).reactions?.map(({ emoji }) => emoji)).toEqual(['👎', '👍']);
  });
});

describe('after a restart', () => {
  test('unsent messages are sent, oldest first, with the same client ids', async () => {
    const path = await newFile();
    const { join, app } = await startWorld();
    const bob = await join('bob');
    const first = app('alice', { storage: fileStorage(path) });
    await first.client.connect();
    const conversationId = await direct(first, bob);
    await first.client.messages.send({ conversationId, content: 'sent' });
    first.port.unplug();
    for (const content of ['kept 1', 'kept 2'])
      first.client.messages.send({ conversationId, content }).catch(() => undefined);
    const [kept] = first.client.messages.outbox();
    await first[Symbol.asyncDispose]();

    const second = app('alice', { storage: fileStorage(path) });
    const fresh = second.client.messages.send({ conversationId, content: 'fresh' });
    await second.client.connect();
    await fresh;
    await bob.next('message:new', ({ content }) => content === 'fresh');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['sent', 'kept 1', 'kept 2', 'fresh']);
    expect(bob.all('message:new')[1]?.clientId).toBe(kept?.clientId);
    expect(second.client.messages.outbox()).toEqual([]);
  });

  test('messages sent before the first connection wait as well', async () => {
    const path = await newFile();
    const { join, app } = await startWorld();
    const bob = await join('bob');
    const { id: conversationId } = await bob.client.conversations.create({ type: 'direct', participantIds: ['alice'] });
    const first = app('alice', { storage: fileStorage(path) });
    first.client.messages.send({ conversationId, content: 'from the train' }).catch(() => undefined);
    await first[Symbol.asyncDispose]();
    const second = app('alice', { storage: fileStorage(path) });
    await second.client.connect();
    expect(await bob.next('message:new')).toMatchObject({ content: 'from the train' });
  });

  test('a rejected message can still be retried or discarded', async () => {
    const path = await newFile();
    const { join, app } = await startWorld();
    const bob = await join('bob');
    const first = app('alice', { storage: fileStorage(path) });
    await first.client.connect();
    const conversationId = await direct(first, bob);
    await first.client.messages.send({ conversationId, content: 'x'.repeat(10_001) }).catch(() => undefined);
    await first[Symbol.asyncDispose]();

    const second = app('alice', { storage: fileStorage(path) });
    await second.client.connect();
    const [failed] = second.client.messages.outbox();
    expect(failed).toMatchObject({ status: 'failed', conversationId });
    const view = second.client.conversations.open(conversationId);
    await view.ready;
    expect(view.getSnapshot().messages).toMatchObject([{ status: 'failed', clientId: failed?.clientId }]);
    view.getSnapshot().messages.forEach(({ clientId }) => second.client.messages.discard(clientId ?? ''));
    expect(view.getSnapshot().messages).toEqual([]);
    await second[Symbol.asyncDispose]();
    const third = app('alice', { storage: fileStorage(path) });
    await third.client.connect();
    expect(third.client.messages.outbox()).toEqual([]);
  });

  test('the client continues from its stored position and reports the changes since', async () => {
    const path = await newFile();
    const { join, app } = await startWorld();
    const bob = await join('bob');
    const first = app('alice', { storage: fileStorage(path) });
    await first.client.connect();
    const conversationId = await direct(first, bob);
    await bob.client.messages.send({ conversationId, content: 'known' });
    await first.next('message:new');
    await first[Symbol.asyncDispose]();
    await bob.client.messages.send({ conversationId, content: 'missed' });
    const { id: gained } = await bob.client.conversations.create({ type: 'group', participantIds: ['alice'] });

    const second = app('alice', { storage: fileStorage(path) });
    await second.client.connect();
    expect(second.all('message:new').map(({ content }) => content)).toEqual(['missed']);
    expect(second.all('conversation:new').map(({ id }) => id)).toEqual([gained]);
    await second[Symbol.asyncDispose]();
    const third = app('alice', { storage: fileStorage(path) });
    await third.client.connect();
    expect(third.all('message:new')).toEqual([]);
    expect(third.all('conversation:new')).toEqual([]);
  });

  test('a user does not see data of another user of the same storage', async () => {
    const { join, app } = await startWorld();
    const storage = memoryStorage();
    const bob = await join('bob');
    const alice = app('alice', { storage });
    await alice.client.connect();
    const conversationId = await direct(alice, bob);
    alice.port.unplug();
    alice.client.messages.send({ conversationId, content: 'private' }).catch(() => undefined);
    await alice[Symbol.asyncDispose]();
    const carol = app('carol', { storage });
    await carol.client.connect();
    expect(carol.client.messages.outbox()).toEqual([]);
    await carol[Symbol.asyncDispose]();
    const again = app('alice', { storage });
    await again.client.connect();
    expect(await bob.next('message:new')).toMatchObject({ content: 'private', senderId: 'alice' });
  });
});

test('the outbox is an observable: it tells of each change, once for those of one turn', async () => {
  const { alice, conversationId } = await chat();
  const { outbox } = alice.client.messages;
  const shown: string[] = [];
  outbox.subscribe(() =>
    shown.push(
      outbox
        .getSnapshot()
        .map(({ content, status }) => `${status} ${content}`)
        .join(),
    ),
  );
  expect(outbox.getSnapshot()).toBe(outbox.getSnapshot());
  alice.port.unplug();
  const sending = ['one', 'two'].map((content) => alice.client.messages.send({ conversationId, content }));
  await until(outbox, (messages) => messages.length === 2);
  expect(shown).toContain('sending one,sending two');
  alice.port.plug();
  await Promise.all(sending);
  await until(outbox, (messages) => messages.length === 0);
  expect(outbox()).toEqual([]);
  expect(outbox.getServerSnapshot()).toEqual([]);
});
