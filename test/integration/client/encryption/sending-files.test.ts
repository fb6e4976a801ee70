import { writeFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import {
  CommError,
  memoryStorage,
  type CommStorage,
  type Message,
  type MessageAttachment,
} from '../../../../src/index.ts';
import { fileStorage } from '../../../../src/storage/file-storage.ts';
import { App } from '../../../helpers/client/app.ts';
import { startBase } from '../../../helpers/client/base-world.ts';
import { encrypting, serverSees } from '../../../helpers/client/encryption.ts';
import { breakingLine, bytesOf, digestOf, eager, heldLine, MIB } from '../../../helpers/client/file-world.ts';
import { filesIn, startSealed } from '../../../helpers/client/sealed-world.ts';
import { codeOf, rejectionOf } from '../../../helpers/client/rejection.ts';
import { direct, group, startWorld } from '../../../helpers/client/world.ts';
import { eventually } from '../../../helpers/eventually.ts';
import { PNG } from '../../../helpers/server/files.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

const NAME = 'takeover-plan.pdf';
const TEXT = 'We buy them on Friday. '.repeat(4_000);
const plan = (): File => new File([TEXT], NAME, { type: 'application/pdf' });
const picture = (): File => new File([PNG], 'the-harbour.png', { type: 'image/png' });

async function directory(): Promise<string> {
  const created = await temporaryDirectory();
  onTestFinished(() => created[Symbol.asyncDispose]());
  return created.path;
}

/** Finds each word in the files of a directory. */
async function found(path: string, words: readonly string[]): Promise<string[]> {
  const files = [...(await filesIn(path)).values()];
  return words.filter((word) => files.some((bytes) => bytes.includes(word)));
}

/** The storage keys of messages that wait, of their secrets, and of uploads. */
async function waitingIn(storage: CommStorage): Promise<string[]> {
  return (await storage.list('')).map(([key]) => key).filter((key) => /\/(?:draft|outbox|uploads)\//.test(key));
}

async function downloaded(app: App, attachments: readonly MessageAttachment[] = []): Promise<string[]> {
  return await Promise.all(attachments.map(async (each) => await digestOf(await app.client.files.download(each))));
}

const received = (app: App, content: string): Promise<Message> =>
  app.next('message:new', (message) => message.content === content);

test('files are sealed before they leave: the server has neither bytes nor names of them', async () => {
  const path = await directory();
  const line = heldLine();
  const { alice, bob, conversationId, server, stored } = await startSealed(
    { fetch: line.fetch },
    { database: `${path}/comm.sqlite` },
  );
  const files = [plan(), picture()];
  const sending = alice.client.messages.send({ conversationId, content: 'two', attachments: files, encrypt: true });
  const pending = await alice.next('message:pending');
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  expect(pending).toMatchObject({
    content: 'two',
    status: 'sending',
    encrypted: true,
    attachments: [
      { fileName: NAME, mimeType: 'application/pdf', fileSize: TEXT.length },
      { fileName: 'the-harbour.png', mimeType: 'image/png', fileSize: PNG.length },
    ],
    upload: { state: 'waiting', sentBytes: 0, totalBytes },
  });
  expect(pending.attachments?.[0]).not.toHaveProperty('keys');
  expect(await (await fetch(pending.attachments?.[0]?.url ?? '')).text()).toBe(TEXT);
  await line.waiting;
  expect(alice.client.messages.outbox()[0]?.upload).toMatchObject({ state: 'uploading', totalBytes });
  line.open();

  const sent = await sending;
  const message = await received(bob, 'two');
  for (const each of [sent, message]) {
    expect(each.attachments).toMatchObject([
      { fileName: NAME, mimeType: 'application/pdf', fileSize: TEXT.length, keys: { size: TEXT.length } },
      { fileName: 'the-harbour.png', mimeType: 'image/png', fileSize: PNG.length, keys: { size: PNG.length } },
    ]);
    expect(each.attachment).toEqual(each.attachments?.[0]);
  }
  expect(await downloaded(bob, message.attachments)).toEqual(await Promise.all(files.map(digestOf)));

  const secrets = [
    NAME,
    'the-harbour',
    'application/pdf',
    'image/png',
    'We buy them',
    PNG.subarray(0, 40).toString('latin1'),
  ];
  expect([...(await stored()).values()].map(({ length }) => length).toSorted((a, b) => a - b)).toEqual([
    PNG.length + 16,
    TEXT.length + 16 * Math.ceil(TEXT.length / 65_536),
  ]);
  for (const bytes of (await stored()).values()) {
    for (const word of secrets) expect(bytes.includes(Buffer.from(word, 'latin1'))).toBe(false);
  }
  expect(await found(path, [...secrets, message.attachment?.keys?.key ?? '?'])).toEqual([]);
  // What the search looks for would be found.
  expect(await found(path, ['octet-stream'])).toEqual(['octet-stream']);
  expect(await serverSees(server)).toContain('"mimeType":"application/octet-stream","fileName":"file"');
  expect(alice.client.messages.outbox()).toEqual([]);
});

test('files of this device and finished attachments can be mixed, in groups too', async () => {
  const world = await startSealed();
  const { alice, bob } = world;
  const carl = await encrypting(world, 'carl');
  const conversationId = await group(alice, bob, carl);
  await alice.client.encryption.setRequired(conversationId, true);
  const finished = await alice.client.files.upload(plan(), { conversationId });
  const parts = Array.from({ length: 8 }, (_, at) => new File([bytesOf(1_000 + at, at)], `${at}.bin`));
  const attachments = [...parts.slice(0, 4), finished, ...parts.slice(4), picture()];
  await alice.client.messages.send({ conversationId, content: 'all', attachments });
  const digests = await Promise.all(attachments.map((each) => digestOf(each instanceof Blob ? each : plan())));
  for (const reader of [bob, carl]) {
    const message = await received(reader, 'all');
    expect(message.attachments?.map(({ fileName }) => fileName)).toEqual(
      attachments.map((each) => ('fileName' in each ? each.fileName : each.name)),
    );
    expect(await downloaded(reader, message.attachments)).toEqual(digests);
  }
});

test('over a line that is cut every 200 KB the same ciphertext is sent on', async () => {
  const line = breakingLine(200_000);
  const { alice, bob, conversationId } = await startSealed({ fetch: line.fetch, random: eager });
  const file = new File([bytesOf(2 * MIB)], 'data.bin');
  await alice.client.messages.send({ conversationId, content: 'cut', attachments: [file], encrypt: true });
  expect(line.cuts).toBeGreaterThan(0);
  expect(line.sentBytes).toBeLessThanOrEqual(file.size + 33 * 16 + (line.cuts + 1) * 200_000);
  const { attachments } = await received(bob, 'cut');
  expect(await downloaded(bob, attachments)).toEqual([await digestOf(file)]);
});

test('after a reload in the middle of an upload the rest of the same ciphertext is sent', async () => {
  const path = await directory();
  const storage = (): ReturnType<typeof fileStorage> => fileStorage(`${path}/client.sqlite`);
  const line = heldLine(1);
  const { server, alice, bob, conversationId, stored } = await startSealed({ fetch: line.fetch, storage: storage() });
  const bytes = bytesOf(MIB);
  bytes.set(Buffer.from(TEXT.slice(0, 1_000)));
  const attachments = [new File([bytes], NAME), plan()];
  const sending = alice.client.messages.send({ conversationId, content: 'caption', attachments, encrypt: true });
  sending.catch(() => undefined);
  await line.waiting;
  await eventually(() => expect(alice.client.messages.outbox()[0]?.upload?.survivesReload).toBe(true));
  const kept = [...(await filesIn(`${path}/client.sqlite-files`)).values()];
  await alice[Symbol.asyncDispose]();
  expect(line.passed).toHaveLength(1);
  // Neither the bytes on the device nor the message and the keys are readable.
  expect(await found(path, ['We buy them', NAME, 'caption'])).toEqual([]);
  expect(await found(path, [conversationId])).toEqual([conversationId]);

  const rest = heldLine();
  rest.open();
  await using again = new App(server.url, { userId: 'alice', encryption: {}, storage: storage(), fetch: rest.fetch });
  await again.client.connect();
  const { attachments: files } = await received(bob, 'caption');
  expect(rest.passed.reduce((sum, size) => sum + size, line.passed[0] ?? 0)).toBe(
    kept.reduce((sum, { length }) => sum + length, 0),
  );
  expect(await downloaded(bob, files)).toEqual(await Promise.all(attachments.map(digestOf)));
  const digests = async (buffers: Iterable<Buffer>): Promise<string[]> =>
    (await Promise.all(Array.from(buffers, (each) => digestOf(new Blob([new Uint8Array(each)]))))).toSorted();
  expect(await digests((await stored()).values())).toEqual(await digests(kept));
  await eventually(async () => expect((await filesIn(`${path}/client.sqlite-files`)).size).toBe(0));
});

test('a message that waits after a restart shows its files, and can be retried', async () => {
  const path = await directory();
  const storage = (): ReturnType<typeof fileStorage> => fileStorage(`${path}/client.sqlite`);
  const { server, alice, bob, conversationId } = await startSealed({ storage: storage() });
  await alice.client.disconnect();
  const { messages } = alice.client;
  const sending = messages.send({ conversationId, content: '', attachments: [plan()], encrypt: true, clientId: 'one' });
  sending.catch(() => undefined);
  await alice[Symbol.asyncDispose]();

  const broken: typeof fetch = async (url, init = {}) => {
    if (init.body instanceof Blob) throw new TypeError('fetch failed');
    return await fetch(url, init);
  };
  {
    await using second = new App(server.url, {
      userId: 'alice',
      encryption: {},
      storage: storage(),
      fetch: broken,
      random: eager,
    });
    await second.client.connect();
    const { message, error } = await second.next('message:failed');
    expect(error.code).toBe('UPLOAD_FAILED');
    expect(message.clientId).toBe('one');
    await eventually(async () => {
      const [shown] = second.client.messages.outbox();
      expect(shown).toMatchObject({ content: '', status: 'failed', attachments: [{ fileName: NAME }] });
      expect(await (await fetch(shown?.attachment?.url ?? '')).text()).toBe(TEXT);
    });
  }
  await using third = new App(server.url, { userId: 'alice', encryption: {}, storage: storage() });
  await third.client.connect();
  await eventually(() => expect(third.client.messages.outbox()).toHaveLength(1));
  const { attachments } = await third.client.messages.retry('one');
  expect(await downloaded(bob, attachments)).toEqual([await digestOf(plan())]);
});

test('discarding ends the upload and deletes bytes and keys, here and on the server', async () => {
  const path = await directory();
  const line = heldLine(1);
  const storage = fileStorage(`${path}/client.sqlite`);
  const { alice, conversationId, stored } = await startSealed({ fetch: line.fetch, storage });
  const { messages } = alice.client;
  const files = [new File([bytesOf(MIB)], 'data.bin'), plan()];
  const sending = messages.send({ conversationId, content: '', attachments: files, encrypt: true, clientId: 'one' });
  const code = codeOf(sending);
  await line.waiting;
  await eventually(() => expect(messages.outbox()[0]?.upload?.survivesReload).toBe(true));
  expect((await waitingIn(storage)).length).toBeGreaterThan(2);
  messages.discard('one');
  expect(await code).toBe('CANCELLED');
  expect(messages.outbox()).toEqual([]);
  await eventually(async () => {
    expect(await waitingIn(storage)).toEqual([]);
    expect((await filesIn(`${path}/client.sqlite-files`)).size).toBe(0);
    expect((await stored()).size).toBe(0);
  });
});

test.each(['discarded in its event', 'discarded after its event', 'aborted'])(
  'a message that is %s leaves nothing',
  async (how) => {
    const path = await directory();
    const storage = fileStorage(`${path}/client.sqlite`);
    const { alice, conversationId, stored } = await startSealed({ storage });
    await alice.client.disconnect();
    const { messages } = alice.client;
    if (how === 'discarded in its event') alice.client.on('message:pending', () => messages.discard('one'));
    const controller = new AbortController();
    const { signal } = controller;
    const message = { conversationId, content: '', attachments: [plan()], encrypt: true, clientId: 'one' };
    const sending = rejectionOf(messages.send(message, { signal }));
    if (how === 'aborted') controller.abort(new CommError('CANCELLED', 'The page was left'));
    else await alice.next('message:pending');
    messages.discard('one');
    expect(await sending).toMatchObject({ code: 'CANCELLED' });
    // Stores what is in memory only.
    await alice.client.connect();
    await eventually(async () => {
      const keys = (await storage.list('')).map(([key]) => key);
      expect(keys.filter((key) => /\/(?:draft|outbox|uploads)\//.test(key))).toEqual([]);
      expect(await filesIn(`${path}/client.sqlite-files`).catch(() => new Map())).toEqual(new Map());
    });
    expect((await stored()).size).toBe(0);
  },
);

test('without a place for bytes the message is sent, and says that it does not survive a reload', async () => {
  const line = heldLine();
  const { alice, bob, conversationId } = await startSealed({ fetch: line.fetch, storage: memoryStorage() });
  const sending = alice.client.messages.send({ conversationId, content: 'x', attachments: [plan()], encrypt: true });
  await line.waiting;
  expect(alice.client.messages.outbox()[0]?.upload).toMatchObject({ state: 'uploading', survivesReload: false });
  line.open();
  await sending;
  expect(await downloaded(bob, (await received(bob, 'x')).attachments)).toEqual([await digestOf(plan())]);
});

test('`ordered`, and a reply to the message, wait for the files', async () => {
  const line = heldLine();
  const { alice, bob, conversationId } = await startSealed({ fetch: line.fetch });
  const { messages } = alice.client;
  await alice.client.encryption.setRequired(conversationId, true);
  const apart = messages.send({ conversationId, content: 'apart', attachments: [picture()], clientId: 'apart' });
  const reply = messages.send({ conversationId, content: 'reply', replyTo: 'apart' });
  await line.waiting;
  const text = await messages.send({ conversationId, content: 'text' });
  const first = messages.send({ conversationId, content: 'first', attachments: [plan()], ordered: true });
  const second = messages.send({ conversationId, content: 'second' });
  line.open();
  const seqs = [text, ...(await Promise.all([apart, reply, first, second]))].map(({ seq = 0 }) => seq);
  expect(seqs[0]).toBe(1);
  expect(seqs[1]).toBeLessThan(seqs[2] ?? 0);
  expect(seqs[3]).toBeLessThan(seqs[4] ?? 0);
  expect(await received(bob, 'second')).toMatchObject({ encrypted: true });
});

test('an upload ends while the socket is lost, and the message is sent once', async () => {
  const line = heldLine();
  const { alice, bob, conversationId } = await startSealed({ fetch: line.fetch, random: eager });
  const { messages } = alice.client;
  const sending = messages.send({ conversationId, content: 'file', attachments: [plan()], encrypt: true });
  await line.waiting;
  alice.port.unplug();
  line.open();
  await eventually(() => expect(messages.outbox()[0]?.upload?.state).toBe('uploaded'));
  alice.port.plug();
  await sending;
  await messages.send({ conversationId, content: 'after', encrypt: true });
  await received(bob, 'after');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['file', 'after']);
  expect(line.requests.filter((method) => method === 'PATCH')).toHaveLength(1);
});

test('a message that was queued readable is sealed if its conversation requires encryption before a byte has left', async () => {
  const path = await directory();
  const storage = fileStorage(`${path}/client.sqlite`);
  const sent: Buffer[] = [];
  const recording: typeof fetch = async (url, init = {}) => {
    if (init.body instanceof Blob) sent.push(Buffer.from(await init.body.arrayBuffer()));
    return await fetch(url, init);
  };
  const { alice, bob, conversationId, server } = await startSealed({ fetch: recording, storage });
  await alice.client.disconnect();
  const { messages } = alice.client;
  const sending = messages.send({ conversationId, content: 'late', attachments: [plan(), picture()] });
  expect((await alice.next('message:pending')).encrypted).not.toBe(true);
  await alice.client.encryption.setRequired(conversationId, true);
  await alice.client.connect();
  expect(await sending).toMatchObject({ encrypted: true, attachments: [{ fileName: NAME }, {}] });
  const { attachments } = await received(bob, 'late');
  expect(await downloaded(bob, attachments)).toEqual([await digestOf(plan()), await digestOf(picture())]);
  expect(sent.length).toBeGreaterThan(1);
  for (const body of sent) expect(body.includes('We buy them')).toBe(false);
  expect(await serverSees(server)).not.toContain(NAME);
  await eventually(async () => expect((await filesIn(`${path}/client.sqlite-files`)).size).toBe(0));
});

test('a readable message does not leave, nor a further part of its file, once its conversation requires encryption', async () => {
  const line = heldLine(1);
  const { alice, conversationId, server, stored } = await startSealed({ fetch: line.fetch });
  const { messages } = alice.client;
  const file = new File([bytesOf(2 * MIB)], NAME);
  const sending = messages.send({ conversationId, content: 'too late to leave', attachments: [file], clientId: 'one' });
  const refused = codeOf(sending);
  await line.waiting;
  await alice.client.encryption.setRequired(conversationId, true);
  line.open();
  expect(await refused).toBe('INVALID');
  // The part that was on its way, and no other one.
  expect(line.passed.length).toBeLessThanOrEqual(2);
  await expect(messages.retry('one')).rejects.toMatchObject({ code: 'INVALID' });
  expect(line.passed.length).toBeLessThanOrEqual(2);
  expect(await serverSees(server)).not.toContain('too late to leave');
  await eventually(async () => expect((await stored()).size).toBe(0));
  messages.discard('one');
});

test('a finished readable attachment is refused beside files of this device, and nothing is kept', async () => {
  const path = await directory();
  const { alice, conversationId, stored } = await startSealed({ storage: fileStorage(`${path}/client.sqlite`) });
  const { files, messages } = alice.client;
  const readable = await files.upload(new Blob(['x']), { conversationId, encrypt: false });
  const attachments = [plan(), readable];
  await expect(messages.send({ conversationId, content: '', attachments, encrypt: true })).rejects.toMatchObject({
    code: 'INVALID',
  });
  const sealed = await files.upload(new Blob(['x']), { conversationId });
  const mixed = messages.send({ conversationId, content: '', attachments: [plan(), sealed], encrypt: false });
  await expect(mixed).rejects.toMatchObject({ code: 'INVALID' });
  expect(messages.outbox()).toEqual([]);
  expect((await stored()).size).toBe(2);
});

test('a LumenJS server gets sealed bytes by PUT, and several files in one encrypted message', async () => {
  const puts: Blob[] = [];
  const store: typeof fetch = async (url, init) => {
    if (init?.method !== 'PUT') return await fetch(url, init);
    puts.push(init.body as Blob);
    return new Response();
  };
  const { join } = await startBase();
  const options = { fetch: store, encryption: {} };
  const [alice, bob] = await Promise.all([join('alice', options), join('bob', options)]);
  await Promise.all([alice, bob].map((each) => each.client.encryption.ready));
  const { id: conversationId } = await alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] });
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  const { messages } = alice.client;
  await messages.send({ conversationId, content: 'two', attachments: [plan(), picture()], encrypt: true });
  const { attachments = [] } = await received(bob, 'two');
  expect(attachments).toMatchObject([{ fileName: NAME }, { fileName: 'the-harbour.png' }]);
  for (const body of puts) expect(Buffer.from(await body.arrayBuffer()).includes('We buy them')).toBe(false);
  expect(puts.map(({ size }) => size)).toEqual([TEXT.length + 32, PNG.length + 16]);
});

test('a message whose files are stored is sent after a restart as it was encrypted, without another byte', async () => {
  const path = await directory();
  const storage = (): ReturnType<typeof fileStorage> => fileStorage(`${path}/client.sqlite`);
  const { server, alice, bob, conversationId, stored } = await startSealed({ storage: storage(), random: eager });
  const { port } = alice;
  port.losesRequest = (name) => name === 'message:send';
  const attachments = [plan(), picture()];
  const sending = alice.client.messages.send({ conversationId, content: 'once', attachments, encrypt: true });
  sending.catch(() => undefined);
  await eventually(() => expect(port.sent).toContain('message:send'));
  const { envelope } = port.payloads[port.sent.indexOf('message:send')] as Message;
  await alice[Symbol.asyncDispose]();
  const line = heldLine();
  await using again = new App(server.url, { userId: 'alice', encryption: {}, storage: storage(), fetch: line.fetch });
  await again.client.connect();
  const message = await received(bob, 'once');
  expect(message.envelope).toEqual(envelope);
  expect(line.requests).not.toContain('PATCH');
  expect(await downloaded(bob, message.attachments)).toEqual(await Promise.all(attachments.map(digestOf)));
  expect((await stored()).size).toBe(2);
});

test('files that have expired on the server before their message was sent are uploaded again, and it is encrypted again', async () => {
  const path = await directory();
  const storage = (): ReturnType<typeof fileStorage> => fileStorage(`${path}/client.sqlite`);
  const { server, alice, bob, conversationId } = await startSealed({ storage: storage(), random: eager });
  const { port } = alice;
  port.losesRequest = (name) => name === 'message:send';
  const attachments = [plan(), picture()];
  const sending = alice.client.messages.send({ conversationId, content: 'late', attachments, encrypt: true });
  sending.catch(() => undefined);
  await eventually(() => expect(port.sent).toContain('message:send'));
  const { envelope } = port.payloads[port.sent.indexOf('message:send')] as Message;
  await alice[Symbol.asyncDispose]();
  let expired = 0;
  const expiring: typeof fetch = async (url, init = {}) => {
    if (init.method !== 'HEAD' || expired === 2) return await fetch(url, init);
    expired += 1;
    return Response.json({ ok: false, error: { code: 'NOT_FOUND', message: 'Not found' } }, { status: 404 });
  };
  await using again = new App(server.url, { userId: 'alice', encryption: {}, storage: storage(), fetch: expiring });
  await again.client.connect();
  const message = await received(bob, 'late');
  expect(expired).toBe(2);
  expect(message.envelope).not.toEqual(envelope);
  expect(await downloaded(bob, message.attachments)).toEqual(await Promise.all(attachments.map(digestOf)));
  // The own copy is that of the message that was sent.
  const own = await again.next('message:new', ({ content }) => content === 'late');
  expect(own.attachments).toEqual(message.attachments);
});

test('without the option `encryption` a stored encrypted message is neither uploaded nor sent', async () => {
  const path = await directory();
  const storage = (): ReturnType<typeof fileStorage> => fileStorage(`${path}/client.sqlite`);
  const { server, alice, conversationId, stored } = await startSealed({ storage: storage() });
  await alice.client.disconnect();
  const sending = alice.client.messages.send({ conversationId, content: 'x', attachments: [plan()], encrypt: true });
  sending.catch(() => undefined);
  await alice[Symbol.asyncDispose]();
  await using again = new App(server.url, { userId: 'alice', storage: storage() });
  await again.client.connect();
  const { error } = await again.next('message:failed');
  expect(error).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('encryption') as string });
  expect((await stored()).size).toBe(0);
});

test('files are kept and sent although the user was unknown when the message was queued', async () => {
  const path = await directory();
  const storage = (): ReturnType<typeof fileStorage> => fileStorage(`${path}/client.sqlite`);
  const world = await startWorld({
    files: `${path}/server`,
    auth: ({ headers, token = String(headers['authorization'] ?? '').slice('Bearer '.length) }) => ({ userId: token }),
  });
  const bob = await encrypting(world, 'bob', { token: 'bob' });
  const first = await encrypting(world, 'alice', { token: 'alice', storage: storage() });
  const conversationId = await direct(first, bob);
  await first[Symbol.asyncDispose]();
  const alice = world.app(undefined, { token: 'alice', encryption: {}, storage: storage() });
  const sending = alice.client.messages.send({ conversationId, content: 'x', attachments: [plan()], encrypt: true });
  await alice.next('message:pending');
  await alice.client.connect();
  await sending;
  expect(await downloaded(bob, (await received(bob, 'x')).attachments)).toEqual([await digestOf(plan())]);
});

test.each([
  ['readable ones', () => Buffer.from(TEXT)],
  ['of other keys', (kept: Buffer) => kept.map((byte) => byte ^ 1)],
])('bytes on the device that are not the encrypted ones, but %s, are not sent in their place', async (_what, other) => {
  const path = await directory();
  const storage = (): ReturnType<typeof fileStorage> => fileStorage(`${path}/client.sqlite`);
  const { server, alice, conversationId } = await startSealed({ storage: storage() });
  await alice.client.disconnect();
  const sending = alice.client.messages.send({ conversationId, content: 'x', attachments: [plan()], encrypt: true });
  sending.catch(() => undefined);
  await alice[Symbol.asyncDispose]();
  const kept = await filesIn(`${path}/client.sqlite-files`);
  expect(kept.size).toBe(1);
  for (const [each, bytes] of kept) await writeFile(each, other(bytes));
  const line = heldLine();
  await using again = new App(server.url, { userId: 'alice', encryption: {}, storage: storage(), fetch: line.fetch });
  await again.client.connect();
  expect((await again.next('message:failed')).error.code).toBe('UPLOAD_FAILED');
  expect(line.requests).not.toContain('PATCH');
});

test('a readable file that a LumenJS server has is not sent when encryption has become required', async () => {
  let put = async (): Promise<void> => undefined;
  const store: typeof fetch = async (url, init) => {
    if (init?.method !== 'PUT') return await fetch(url, init);
    await put();
    return new Response();
  };
  const { server, join } = await startBase();
  const conversationId = server.seedConversation({ participantIds: ['alice'] });
  const alice = await join('alice', { fetch: store, encryption: {} });
  await alice.client.encryption.ready;
  put = () => alice.client.encryption.setRequired(conversationId, true);
  const sending = alice.client.messages.send({ conversationId, content: 'readable', attachments: [plan()] });
  expect(await codeOf(sending)).toBe('INVALID');
  expect(alice.port.sent).not.toContain('message:send');
});

test('an edit of a message that waits for its files keeps them', async () => {
  const line = heldLine();
  const { alice, bob, conversationId } = await startSealed({ fetch: line.fetch });
  const { messages } = alice.client;
  const attachments = [plan(), picture()];
  const sending = messages.send({ conversationId, content: 'first', attachments, encrypt: true, clientId: 'one' });
  const editing = messages.edit({ conversationId, messageId: 'one', content: 'edited' });
  await line.waiting;
  line.open();
  await Promise.all([sending, editing]);
  const { attachments: files } = await bob.next('message:updated', ({ content }) => content === 'edited');
  expect(await downloaded(bob, files)).toEqual(await Promise.all(attachments.map(digestOf)));
});
