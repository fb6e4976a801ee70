import { expect, onTestFinished, test } from 'vitest';
import type { CommError, Message } from '../../src/index.ts';
import type { App } from '../helpers/client/app.ts';
import { direct } from '../helpers/client/world.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { MaliciousServer, mapMessages } from './malicious-server.ts';

interface Pair {
  server: MaliciousServer;
  alice: App;
  bob: App;
  conversationId: string;
}

const FORGED = { url: 'https://evil.example/a.png', mimeType: 'image/png', fileName: 'a.png', fileSize: 1 };
const FILES = {
  attachment: FORGED,
  attachments: [FORGED, FORGED],
  linkPreview: { url: 'https://evil.example/', title: 'evil', domain: 'evil.example' },
};
const WITHOUT_FILES = { attachment: undefined, attachments: undefined, linkPreview: undefined };
const ATTACHMENT = { url: 'https://example.com/b.png', mimeType: 'image/png', fileName: 'b.png', fileSize: 2 };

/** A server that adds files to every message for bob. */
async function pair(): Promise<Pair> {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  const lie = (value: unknown): unknown => mapMessages(value, (each) => ({ ...each, ...FILES }));
  server.altersPush = (push, to) => (to === 'bob' ? { ...push, data: lie(push.data) } : push);
  server.altersResponse = (_name, data, to) => (to === 'bob' ? lie(data) : data);
  server.altersRest = (_path, body, to) => (to === 'bob' ? lie(body) : body);
  return { server, alice, bob, conversationId };
}

const picked = ({ content, attachment, attachments, linkPreview }: Message): object => ({
  content,
  attachment,
  attachments,
  linkPreview,
});

test('files and previews that the server adds to an encrypted message are not shown', async () => {
  const { alice, bob, conversationId } = await pair();
  const message = { conversationId, content: 'see https://example.com', encrypt: true };
  const { id } = await alice.client.messages.send(message);
  const expected = { ...WITHOUT_FILES, content: message.content };
  expect(picked(await bob.next('message:new'))).toEqual(expected);
  expect(picked(await bob.client.messages.get(id))).toEqual(expected);
  const { messages } = await bob.client.messages.list({ conversationId });
  expect(messages.map(picked)).toEqual([expected]);
});

test('the files of an encrypted message are those that its sender has chosen', async () => {
  const { alice, bob, conversationId } = await pair();
  await alice.client.messages.send({ conversationId, content: 'mine', attachment: ATTACHMENT, encrypt: true });
  const shown = { ...WITHOUT_FILES, content: 'mine', attachment: ATTACHMENT };
  expect(picked(await bob.next('message:new'))).toEqual(shown);
  const { messages } = await bob.client.messages.list({ conversationId });
  expect(messages.map(picked)).toEqual([shown]);
});

test('a message that can not be decrypted has no files, and neither has a deleted one', async () => {
  const { server, alice, bob, conversationId } = await pair();
  const sent = await alice.client.messages.send({ conversationId, content: 'secret', encrypt: true });
  await bob.next('message:new');
  const { envelope: _envelope, encrypted: _encrypted, ...readable } = sent;
  const lie = (row: object): void => {
    server.altersRest = (_path, body, to) =>
      to === 'bob' ? mapMessages(body, () => ({ ...readable, ...row, ...FILES })) : body;
  };
  lie({ content: 'forged' });
  const failed = await bob.client.messages.get(sent.id);
  expect({ ...picked(failed), reason: failed.undecrypted }).toEqual({
    ...WITHOUT_FILES,
    content: '',
    reason: 'not-encrypted',
  });
  lie({ content: '', deletedAt: sent.createdAt });
  const deleted = await bob.client.messages.get(sent.id);
  expect(deleted.deletionUnauthenticated).toBe(true);
  expect(picked(deleted)).toEqual({ ...WITHOUT_FILES, content: '' });
});

interface Sent {
  server: MaliciousServer;
  bob: App;
  /** What alice has sent: two messages with two files of the same size each. */
  messages: readonly [Message, Message];
  /** What the server answers instead of a file, by its path. */
  files: Map<string, string | undefined>;
}

const TEXTS = ['the first secret', 'the other secret', 'the third secret', 'the final secret'];

/** A server that stores the sealed files of two messages, and may answer each download with another file, or with 404. */
async function twoMessages(lie: (server: MaliciousServer) => void = () => undefined): Promise<Sent> {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const server = await MaliciousServer.start({ files: directory.path });
  const files = new Map<string, string | undefined>();
  const answering: typeof fetch = async (url, init) => {
    const { pathname } = new URL(url as string);
    if (!files.has(pathname)) return await fetch(url, init);
    const other = files.get(pathname);
    // A server can read all of its files: alice may, too.
    return other === undefined
      ? new Response(null, { status: 404 })
      : await fetch(new URL(other, url as string), { headers: { 'x-user-id': 'alice' } });
  };
  const alice = await server.join('alice');
  const bob = await server.join('bob', { fetch: answering });
  const conversationId = await direct(alice, bob);
  lie(server);
  const send = (content: string, texts: readonly string[]): Promise<Message> => {
    const attachments = texts.map((text) => new File([text], `${text}.txt`));
    return alice.client.messages.send({ conversationId, content, attachments, encrypt: true });
  };
  const messages = [await send('one', TEXTS.slice(0, 2)), await send('two', TEXTS.slice(2))] as const;
  return { server, bob, messages, files };
}

/** What a reader gets of each file: its text, or the code of the error. */
async function readFiles(bob: App, { attachments = [] }: Message): Promise<string[]> {
  const reading = attachments.map(async (each) => {
    try {
      return await (await bob.client.files.download(each)).text();
    } catch (error) {
      return (error as CommError).code;
    }
  });
  return await Promise.all(reading);
}

const read = (bob: App, content: string): Promise<Message> =>
  bob.next('message:new', (message) => message.content === content);
const urlsOf = ({ attachments = [] }: Message): string[] => attachments.map(({ url }) => url);

test('the bytes of two files of a message that the server swaps are not handed out', async () => {
  const { bob, messages, files } = await twoMessages();
  const one = await read(bob, 'one');
  expect(await readFiles(bob, one)).toEqual(TEXTS.slice(0, 2));
  const [first = '', second = ''] = urlsOf(messages[0]);
  files.set(first, second).set(second, first);
  expect(await readFiles(bob, one)).toEqual(['E2EE_DECRYPTION_FAILED', 'E2EE_DECRYPTION_FAILED']);
});

test('the bytes of another message’s files are not handed out', async () => {
  const { bob, messages, files } = await twoMessages();
  const one = await read(bob, 'one');
  const [first = '', second = ''] = urlsOf(messages[0]);
  const [third = '', last = ''] = urlsOf(messages[1]);
  files.set(first, third).set(second, last);
  expect(await readFiles(bob, one)).toEqual(['E2EE_DECRYPTION_FAILED', 'E2EE_DECRYPTION_FAILED']);
});

test('a file that the server drops is missing, and the other one is not taken for it', async () => {
  const { bob, messages, files } = await twoMessages();
  const one = await read(bob, 'one');
  files.set(urlsOf(messages[0])[0] ?? '', undefined);
  expect(one.attachments).toHaveLength(2);
  expect(await readFiles(bob, one)).toEqual(['NOT_FOUND', TEXTS[1]]);
});

test.each<[title: string, change: (message: Message) => object]>([
  ['in another order', ({ attachments = [] }) => ({ attachments: attachments.toReversed() })],
  ['with one less', ({ attachments = [] }) => ({ attachments: attachments.slice(1), attachment: attachments[1] })],
  ['with one twice', ({ attachments = [] }) => ({ attachments: [...attachments, ...attachments] })],
  ['with none', () => ({ attachments: undefined, attachment: undefined })],
])('the files of a message are those in its envelope, if the server names them %s', async (_title, change) => {
  const { bob } = await twoMessages((server) => {
    const lie = (value: unknown): unknown => mapMessages(value, (each) => ({ ...each, ...change(each) }));
    server.altersPush = (push, to) => (to === 'bob' ? { ...push, data: lie(push.data) } : push);
  });
  const one = await read(bob, 'one');
  expect(one.attachments?.map(({ fileName }) => fileName)).toEqual(TEXTS.slice(0, 2).map((text) => `${text}.txt`));
  expect(await readFiles(bob, one)).toEqual(TEXTS.slice(0, 2));
});

test('the files of a message that the server repeats under another one are not shown', async () => {
  let envelope: Message['envelope'];
  const { bob } = await twoMessages((server) => {
    const lie = (each: Message): object => {
      envelope ??= each.envelope;
      return { ...each, envelope };
    };
    server.altersPush = (push, to) => (to === 'bob' ? { ...push, data: mapMessages(push.data, lie) } : push);
  });
  await read(bob, 'one');
  const { message, reason } = await bob.next('encryption:decryption-failed');
  expect(['replayed', 'misplaced']).toContain(reason);
  expect(picked(message)).toEqual({ ...WITHOUT_FILES, content: '' });
});
