import { readFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { CommClientOptions, Conversation, Message } from '../../../src/index.ts';
import { fileStorage } from '../../../src/node/index.ts';
import { until, type App } from '../../helpers/client/app.ts';
import { encrypting } from '../../helpers/client/encryption.ts';
import { direct, group, sendNumbers, startWorld, type World } from '../../helpers/client/world.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

/** The path of a new file, which is removed after the test. */
async function newFile(): Promise<string> {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  return `${directory.path}/client.sqlite`;
}

const contents = (messages: readonly Message[]): string[] => messages.map(({ content }) => content);
const ids = (conversations: readonly Conversation[]): string[] => conversations.map(({ id }) => id);

/** A client of alice whose data is in the file, without a network. */
function offlineApp({ app }: World, file: string, options: CommClientOptions = {}): App {
  const alice = app('alice', { storage: fileStorage(file), ...options });
  alice.port.unplug();
  alice.client.connect().catch(() => undefined);
  return alice;
}

/** Alice has read a conversation with these messages of bob, and her client has ended. */
async function visited(count: number): Promise<World & { bob: App; file: string; conversationId: string }> {
  const file = await newFile();
  const world = await startWorld();
  const bob = await world.join('bob');
  const alice = await world.join('alice', { storage: fileStorage(file) });
  const conversationId = await direct(alice, bob);
  await sendNumbers(bob, conversationId, 1, count);
  await read(alice, conversationId);
  await alice.client[Symbol.asyncDispose]();
  return { ...world, bob, file, conversationId };
}

/** Shows the list and a conversation. */
async function read({ client }: App, conversationId: string): Promise<void> {
  await until(client.conversations.inbox, ({ loading, stale }) => !loading && !stale);
  await client.conversations.open(conversationId).ready;
}

test('without a network the list and the messages of the last session are shown at once, as stale', async () => {
  const { file, conversationId, ...world } = await visited(3);
  await world.server[Symbol.asyncDispose]();
  const alice = offlineApp(world, file);
  const { inbox } = alice.client.conversations;
  const list = await until(inbox, ({ conversations }) => conversations.length > 0);
  expect(ids(list.conversations)).toEqual([conversationId]);
  expect(list).toMatchObject({ stale: true, loading: true, hasMore: false });
  const view = alice.client.conversations.open(conversationId);
  const shown = await until(view, ({ messages }) => messages.length > 0);
  expect(contents(shown.messages)).toEqual(['1', '2', '3']);
  expect(shown).toMatchObject({ stale: true, hasOlder: false, conversation: { id: conversationId } });
});

test('the beginning of a conversation counts as known only if it is stored', async () => {
  const { file, conversationId, ...world } = await visited(60);
  const alice = offlineApp(world, file, { offline: { messages: 10 } });
  const view = alice.client.conversations.open(conversationId);
  const { messages, hasOlder } = await until(view, (snapshot) => snapshot.messages.length > 0);
  expect([messages.length, messages.at(-1)?.content, hasOlder]).toEqual([50, '60', true]);
});

test('a conversation that was not opened shows its last message, and that there are others', async () => {
  const file = await newFile();
  const world = await startWorld();
  const bob = await world.join('bob');
  const first = await world.join('alice', { storage: fileStorage(file) });
  const conversationId = await direct(first, bob);
  await first.client.disconnect();
  await sendNumbers(bob, conversationId, 1, 3);
  const { inbox } = first.client.conversations;
  await first.client.connect();
  await until(inbox, ({ conversations }) => conversations[0]?.lastMessage?.content === '3');
  await first.client[Symbol.asyncDispose]();
  const alice = offlineApp(world, file);
  const view = alice.client.conversations.open(conversationId);
  const { messages } = await until(view, (snapshot) => snapshot.messages.length > 0);
  expect(messages.at(-1)?.content).toBe('3');
});

test('pending messages follow the stored ones, and all are there once when the connection is back', async () => {
  const { file, bob, conversationId, ...world } = await visited(2);
  const alice = offlineApp(world, file);
  const view = alice.client.conversations.open(conversationId);
  const seen: string[] = [];
  view.subscribe(() => seen.push(contents(view.getSnapshot().messages).join()));
  await until(view, ({ messages }) => messages.length > 0);
  const sending = view.send('mine');
  await until(view, ({ messages }) => messages.length === 3);
  expect(contents(view.getSnapshot().messages)).toEqual(['1', '2', 'mine']);
  await bob.client.messages.send({ conversationId, content: 'meanwhile' });
  alice.port.plug();
  await sending;
  const { stale, hasOlder } = await until(view, ({ messages, loading }) => messages.length === 4 && !loading);
  expect(contents(view.getSnapshot().messages)).toEqual(['1', '2', 'meanwhile', 'mine']);
  expect({ stale, hasOlder }).toEqual({ stale: false, hasOlder: false });
  // Nothing that was shown has disappeared meanwhile.
  expect(seen.slice(seen.indexOf('1,2')).filter((each) => !each.startsWith('1,2'))).toEqual([]);
});

test('an edit and a deletion that were missed are shown, and stored', async () => {
  const { file, bob, conversationId, ...world } = await visited(3);
  const { messages } = await bob.client.messages.list({ conversationId });
  const [first, second] = messages;
  await bob.client.messages.edit({ conversationId, messageId: first?.id ?? '', content: 'edited' });
  await bob.client.messages.delete({ conversationId, messageId: second?.id ?? '' });
  const alice = offlineApp(world, file);
  const view = alice.client.conversations.open(conversationId);
  await until(view, (snapshot) => snapshot.messages.length > 0);
  alice.port.plug();
  await until(view, ({ stale }) => !stale);
  expect(contents(view.getSnapshot().messages)).toEqual(['edited', '', '3']);
  await alice.client[Symbol.asyncDispose]();
  const again = offlineApp(world, file).client.conversations.open(conversationId);
  const shown = await until(again, (snapshot) => snapshot.messages.length > 0);
  expect(contents(shown.messages)).toEqual(['edited', '', '3']);
});

test('a deletion is stored although the conversation is not open', async () => {
  const { file, bob, conversationId, ...world } = await visited(2);
  const { messages } = await bob.client.messages.list({ conversationId });
  const alice = await world.join('alice', { storage: fileStorage(file) });
  await bob.client.messages.delete({ conversationId, messageId: messages[0]?.id ?? '' });
  await bob.client.messages.send({ conversationId, content: '3' });
  await alice.next('message:new', ({ content }) => content === '3');
  await alice.client[Symbol.asyncDispose]();
  const again = offlineApp(world, file).client.conversations.open(conversationId);
  const shown = await until(again, (snapshot) => snapshot.messages.length > 0);
  expect(contents(shown.messages)).toEqual(['', '2', '3']);
});

test('a former member reads nothing: removed while connected, and while away', async () => {
  const file = await newFile();
  const world = await startWorld();
  const bob = await world.join('bob');
  const first = await world.join('alice', { storage: fileStorage(file) });
  const groups = [await group(bob, first), await group(bob, first)] as const;
  for (const id of groups) {
    await sendNumbers(bob, id, 1, 2);
    await read(first, id);
  }
  await bob.client.conversations.removeParticipant(groups[0], 'alice');
  await first.next('conversation:left');
  await first.client[Symbol.asyncDispose]();
  const second = offlineApp(world, file);
  const list = await until(second.client.conversations.inbox, ({ conversations }) => conversations.length > 0);
  expect(ids(list.conversations)).toEqual([groups[1]]);

  await bob.client.conversations.removeParticipant(groups[1], 'alice');
  const view = second.client.conversations.open(groups[1]);
  await until(view, ({ messages }) => messages.length === 2);
  second.port.plug();
  const refused = await until(view, ({ error }) => error !== undefined);
  expect(refused).toMatchObject({ messages: [], error: { code: 'NOT_FOUND' } });
  await until(second.client.conversations.inbox, ({ stale }) => !stale);
  expect(second.client.conversations.inbox.getSnapshot().conversations).toEqual([]);
  await second.client[Symbol.asyncDispose]();
  expect((await entries(file)).filter((key) => /offline-(?:row|page)/.test(key))).toEqual([]);
});

test('another user of the same storage sees nothing', async () => {
  const { file, conversationId, ...world } = await visited(2);
  const carol = world.app('carol', { storage: fileStorage(file) });
  const { inbox } = carol.client.conversations;
  const view = carol.client.conversations.open(conversationId);
  const seen = new Set<string>();
  for (const shown of [inbox, view]) shown.subscribe(() => seen.add(JSON.stringify(shown.getSnapshot())));
  await carol.client.connect();
  await until(inbox, ({ loading }) => !loading);
  await until(view, ({ error }) => error !== undefined);
  expect([...seen].filter((each) => each.includes('bob') || each.includes('"stale":true'))).toEqual([]);
});

test('with a token alone the last user is assumed, and another one who signs in erases what was stored', async () => {
  const file = await newFile();
  const world = await startWorld({
    auth: ({ headers, token }) => ({ userId: token ?? String(headers['authorization'] ?? '').slice('Bearer '.length) }),
  });
  const bob = await world.join('bob', { userId: undefined, token: 'bob' });
  const options = (token: string): CommClientOptions => ({ userId: undefined, token, storage: fileStorage(file) });
  const first = await world.join('alice', options('alice'));
  const conversationId = await direct(first, bob);
  await sendNumbers(bob, conversationId, 1, 2);
  await read(first, conversationId);
  await first.client[Symbol.asyncDispose]();

  const second = world.app(undefined, options('carol'));
  second.port.unplug();
  second.client.connect().catch(() => undefined);
  const { inbox } = second.client.conversations;
  await until(inbox, ({ stale }) => stale);
  second.port.plug();
  const known = await until(inbox, ({ stale, loading }) => !stale && !loading);
  expect(known.conversations).toEqual([]);
  await second.client[Symbol.asyncDispose]();
  expect((await entries(file)).filter((key) => key.startsWith('alice/offline-'))).toEqual([]);
});

test('with encryption nothing can be read in the file, and the next session reads it', async () => {
  const file = await newFile();
  const world = await startWorld();
  const bob = await encrypting(world, 'bob');
  const options = (): CommClientOptions => ({
    storage: fileStorage(file),
    encryption: { atRest: { key: new Uint8Array(32).fill(1) } },
  });
  const first = await encrypting(world, 'alice', options());
  const conversationId = await direct(first, bob);
  await bob.client.messages.send({ conversationId, content: 'a sealed phrase', encrypt: true });
  await bob.client.messages.send({ conversationId, content: 'a readable phrase' });
  await first.next('message:new', ({ content }) => content === 'a readable phrase');
  await read(first, conversationId);
  await first.client[Symbol.asyncDispose]();
  // Closed by the client, which has moved the log into it.
  const stored = (await readFile(file)).toString('latin1');
  expect(stored).toContain('offline-page');
  expect(['a sealed phrase', 'a readable phrase'].filter((phrase) => stored.includes(phrase))).toEqual([]);

  const second = offlineApp(world, file, options());
  const view = second.client.conversations.open(conversationId);
  const { messages } = await until(view, (snapshot) => snapshot.messages.length > 0);
  expect(contents(messages)).toEqual(['a sealed phrase', 'a readable phrase']);
  await second.client[Symbol.asyncDispose]();

  const locked = offlineApp(world, file, { encryption: { atRest: { key: new Uint8Array(32).fill(2) } } });
  const refused = locked.client.conversations.open(conversationId);
  await locked.logged('The offline cache failed', { code: 'E2EE_LOCKED' });
  expect(refused.getSnapshot()).toMatchObject({ messages: [], stale: false });
});

test('forget() deletes what is stored of the user, and rejects unsent messages', async () => {
  const { file, conversationId, ...world } = await visited(2);
  const alice = offlineApp(world, file);
  const view = alice.client.conversations.open(conversationId);
  await until(view, ({ messages }) => messages.length === 2);
  const outcome = view.send('never sent').catch((error: unknown) => error);
  await until(view, ({ messages }) => messages.length === 3);
  await alice.client.forget();
  expect(await outcome).toMatchObject({ code: 'CANCELLED' });
  expect(view.getSnapshot().messages).toEqual([]);
  expect(alice.client.conversations.inbox.getSnapshot().conversations).toEqual([]);
  expect(alice.client.status).toBe('disconnected');
  await alice.client[Symbol.asyncDispose]();
  expect(await entries(file)).toEqual([]);
});

test('after forget() the client can connect again, and reads everything from the server', async () => {
  const { file, conversationId, ...world } = await visited(2);
  const alice = await world.join('alice', { storage: fileStorage(file) });
  await alice.client.forget();
  await alice.client.connect();
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  expect(contents(view.getSnapshot().messages)).toEqual(['1', '2']);
});

test('forget() keeps the keys of encryption, unless it is told to delete them', async () => {
  const file = await newFile();
  const world = await startWorld();
  const options = (): CommClientOptions => ({ storage: fileStorage(file) });
  const first = await encrypting(world, 'alice', options());
  const key = await first.client.encryption.identityKey();
  await first.client.forget();
  await first.client.connect();
  expect(await first.client.encryption.identityKey()).toBe(key);
  await first.client.forget({ encryptionKeys: true });
  await first.client[Symbol.asyncDispose]();
  expect(await entries(file)).toEqual([]);
});

test('with `offline: false` nothing is stored', async () => {
  const file = await newFile();
  const world = await startWorld();
  const bob = await world.join('bob');
  const alice = await world.join('alice', { storage: fileStorage(file), offline: false });
  const conversationId = await direct(alice, bob);
  await sendNumbers(bob, conversationId, 1, 2);
  await read(alice, conversationId);
  await alice.client[Symbol.asyncDispose]();
  expect((await entries(file)).filter((key) => key.includes('offline'))).toEqual([]);
});

/** The keys in a file. */
async function entries(file: string): Promise<string[]> {
  const storage = fileStorage(file);
  const found = await storage.list('');
  await storage.close();
  return found.map(([key]) => key);
}
