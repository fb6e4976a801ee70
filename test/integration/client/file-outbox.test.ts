import { readdir } from 'node:fs/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { CommError, memoryStorage } from '../../../src/index.ts';
import { uuidv7Generator } from '../../../src/lib/ids.ts';
import type { BlobStorage, CommStorage } from '../../../src/storage/comm-storage.ts';
import { fileStorage } from '../../../src/storage/file-storage.ts';
import { App, until } from '../../helpers/client/app.ts';
import { startBase } from '../../helpers/client/base-world.ts';
import { eager, heldLine, startFiles } from '../../helpers/client/file-world.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const file = (text = 'x'): File => new File([text], `${text}.txt`, { type: 'text/plain' });

/** A storage on the disk, and the ids of the files that it keeps. */
async function diskStorage(): Promise<{ path: string; kept: () => Promise<string[]> }> {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const path = `${directory.path}/client.sqlite`;
  return { path, kept: async () => await readdir(`${path}-files`).catch(() => []) };
}

/** Object URLs that were created and not revoked. */
function openUrls(): Set<string> {
  const urls = new Set<string>();
  const createObjectURL = URL.createObjectURL.bind(URL);
  const revokeObjectURL = URL.revokeObjectURL.bind(URL);
  const created = vi.spyOn(URL, 'createObjectURL').mockImplementation((blob) => {
    const url = createObjectURL(blob);
    urls.add(url);
    return url;
  });
  const revoked = vi.spyOn(URL, 'revokeObjectURL').mockImplementation((url) => {
    urls.delete(url);
    revokeObjectURL(url);
  });
  onTestFinished(() => {
    created.mockRestore();
    revoked.mockRestore();
  });
  return urls;
}

test('nothing of a file stays on the device if its message does not get into the outbox', async () => {
  const { path, kept } = await diskStorage();
  const line = heldLine();
  const urls = openUrls();
  const options = { encryption: {}, storage: fileStorage(path), fetch: line.fetch };
  const { alice, conversationId } = await startFiles({}, options);
  const { messages } = alice.client;
  const readable = { url: '/__nk_comm/files/1/x.txt', mimeType: 'text/plain', fileName: 'x.txt', fileSize: 1 };
  const refused = messages.send({ conversationId, content: '', attachments: [file(), readable], encrypt: true });
  await expect(refused).rejects.toMatchObject({ code: 'INVALID' });
  const controller = new AbortController();
  const aborted = messages.send({ conversationId, content: '', attachments: [file()] }, { signal: controller.signal });
  controller.abort(new Error('left'));
  await expect(aborted).rejects.toThrow('left');
  expect([...urls]).toEqual([]);

  const first = messages.send({ conversationId, content: '', attachments: [file('a')], clientId: 'one' });
  const joined = messages.send({ conversationId, content: '', attachments: [file('b')], clientId: 'one' });
  await line.waiting;
  await expect.poll(() => messages.outbox()[0]?.upload?.survivesReload).toBe(true);
  expect(await kept()).toHaveLength(1);
  expect([...urls]).toEqual([messages.outbox()[0]?.attachment?.url]);
  line.open();
  expect(await joined).toEqual(await first);
  await alice.client.disconnect();
  expect(await kept()).toEqual([]);
  expect([...urls]).toEqual([]);
});

test('messages of one tick keep their order behind a message with files', async () => {
  const { alice, conversationId } = await startFiles();
  const { messages } = alice.client;
  const sent = [
    messages.send({ conversationId, content: 'file', attachments: [file()], ordered: true }),
    messages.send({ conversationId, content: 'see above' }),
  ];
  expect((await Promise.all(sent)).map(({ seq }) => seq)).toEqual([1, 2]);
  const named = messages.send({ conversationId, content: 'file', attachments: [file()], clientId: 'named' });
  const reply = messages.send({ conversationId, content: 'reply', replyTo: 'named' });
  expect(await reply).toMatchObject({ replyTo: (await named).id });
});

test('aborting a text behind a file ends the wait for it, not its sending', async () => {
  const { alice, conversationId } = await startFiles();
  const { messages } = alice.client;
  const photo = messages.send({ conversationId, content: 'photo', attachments: [file()] });
  const controller = new AbortController();
  const text = messages.send({ conversationId, content: 'text', clientId: 'text' }, { signal: controller.signal });
  controller.abort(new Error('left'));
  await expect(text).rejects.toThrow('left');
  await photo;
  await expect.poll(() => messages.outbox()).toEqual([]);
  const { messages: stored } = await messages.list({ conversationId });
  expect(stored.map(({ content }) => content).toSorted()).toEqual(['photo', 'text']);
});

test('what refers to a text that waits for files waits as well', async () => {
  const line = heldLine();
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch });
  const { messages } = alice.client;
  const photo = messages.send({ conversationId, content: 'photo', attachments: [file()], clientId: 'photo' });
  const text = messages.send({ conversationId, content: 'text', replyTo: 'photo', clientId: 'text' });
  const second = messages.send({
    conversationId,
    content: 'second',
    attachments: [file('second')],
    replyTo: 'text',
    clientId: 'second',
  });
  const reply = messages.send({ conversationId, content: 'reply', replyTo: 'second' });
  const edit = messages.edit({ conversationId, messageId: 'text', content: 'edited' });
  const reaction = messages.react({ conversationId, messageId: 'text', emoji: '👍' });
  await line.waiting;
  // When this one is answered, the others would have been as well.
  await messages.send({ conversationId, content: 'other' });
  line.open();
  const sent = await Promise.all([photo, text, second, reply]);
  expect(sent.map(({ seq }) => seq)).toEqual([2, 3, 4, 5]);
  expect(await edit).toMatchObject({ id: sent[1]?.id, content: 'edited' });
  await reaction;
});

test('bytes are stored before disconnect() resolves, also without a wait for the message', async () => {
  const { path, kept } = await diskStorage();
  const { server, alice, conversationId } = await startFiles();
  await alice.client.disconnect();
  {
    await using bot = new App(server.url, { userId: 'alice', storage: fileStorage(path) });
    const sending = bot.client.messages.send({ conversationId, content: 'kept', attachments: [file(), file('y')] });
    sending.catch(() => undefined);
  }
  expect(await kept()).toHaveLength(2);
  await using again = new App(server.url, { userId: 'alice', storage: fileStorage(path) });
  await again.client.connect();
  expect(await again.next('message:new')).toMatchObject({ content: 'kept', attachments: [{}, {}] });
});

test('when encryption becomes required during an upload, no further file is sent', async () => {
  const line = heldLine();
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch, encryption: {} });
  const { messages } = alice.client;
  const sending = messages.send({ conversationId, content: '', attachments: [file(), file('y')] });
  const code = sending.catch((error: unknown) => (error as CommError).code);
  await line.waiting;
  await alice.client.encryption.setRequired(conversationId, true);
  line.open();
  expect(await code).toBe('INVALID');
  expect(line.requests.filter((method) => method === 'PATCH')).toHaveLength(1);
});

test('with a LumenJS server an expired URL is asked for again', async () => {
  let answer: 'broken' | 'expired' | 'stored' = 'broken';
  let puts = 0;
  const store: typeof fetch = async (url, init) => {
    if (init?.method !== 'PUT') return await fetch(url, init);
    if (answer === 'broken') throw new TypeError('fetch failed');
    puts += 1;
    const status = answer === 'expired' ? 403 : 200;
    answer = 'stored';
    return new Response(null, { status });
  };
  const { server, join } = await startBase();
  const conversationId = server.seedConversation({ participantIds: ['alice'] });
  const alice = await join('alice', { fetch: store, random: eager });
  const { messages } = alice.client;
  const sending = messages.send({ conversationId, content: '', attachments: [file()], clientId: 'one' });
  await expect(sending).rejects.toMatchObject({ code: 'UPLOAD_FAILED' });
  answer = 'expired';
  expect(await messages.retry('one')).toMatchObject({ content: '' });
  expect(puts).toBe(2);
});

test('a discarded message leaves the view of a conversation whose id has a space', async () => {
  const { app } = await startBase();
  const alice = app('alice');
  const conversationId = 'team room';
  const view = alice.client.conversations.open(conversationId);
  view.ready.catch(() => undefined);
  const sending = alice.client.messages.send({ conversationId, content: 'gone', clientId: 'one' });
  sending.catch(() => undefined);
  await until(view, ({ messages }) => messages[0]?.content === 'gone');
  alice.client.messages.discard('one');
  await until(view, ({ messages }) => messages.length === 0);
});

/** Keeps bytes in memory, among them those of a message that ended days ago. */
function oldBlobs(): { blobs: BlobStorage; old: string; all: Map<string, Blob> } {
  const twoDaysAgo = Date.now() - 2 * 86_400_000;
  const old = uuidv7Generator(() => twoDaysAgo, eager)();
  const all = new Map([[old, new Blob(['old'])]]);
  const blobs: BlobStorage = {
    put: async (id, blob) => void all.set(id, blob),
    get: async (id) => all.get(id),
    ids: async () => [...all.keys()],
    delete: async (id) => void all.delete(id),
  };
  return { blobs, old, all };
}

test('bytes and places of uploads without a message are deleted after a day', async () => {
  const { blobs, old, all } = oldBlobs();
  const memory = memoryStorage();
  const key = `alice/uploads/${old}`;
  await memory.transact([], () => ({ writes: new Map([[key, { uploadUrl: 'u', url: 'u' }]]), result: undefined }));
  const storage = Object.assign(memory, { blobs });
  const { alice, conversationId } = await startFiles({}, { storage });
  await alice.client.messages.send({ conversationId, content: '', attachments: [file()] });
  await expect.poll(() => [...all.keys()]).toEqual([]);
  await expect.poll(() => memory.get(key)).toBeUndefined();
});

test('a storage that has failed does not cost the bytes of its messages', async () => {
  const { blobs, old, all } = oldBlobs();
  const fail = (): Promise<never> => Promise.reject(new CommError('STORAGE', 'The storage is broken'));
  const storage: CommStorage = {
    sharedAs: undefined,
    get: fail,
    list: fail,
    transact: fail,
    close: async () => {},
    blobs,
  };
  const { alice, conversationId } = await startFiles({}, { storage });
  await alice.client.messages.send({ conversationId, content: '', attachments: [file()] });
  await alice.client.disconnect();
  expect([...all.keys()]).toEqual([old]);
});
