import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { CommClient } from '../../../src/index.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { createCommServer } from '../../../src/server/index.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { freePort, JWT_SECRET, runSnippet, type RunningSnippet } from '../../helpers/documentation/run-snippet.ts';
import { PAGES, snippetsOf, type Snippet } from '../../helpers/documentation/snippets.ts';

const snippets = PAGES.flatMap(snippetsOf);
/** A server that has just started prepares its database before its first hello. */
const clock = patientClock({ helloMs: 60_000 });

function snippet(file: string): Snippet {
  const found = snippets.find((each) => each.file === file);
  if (found === undefined) throw new Error(`No page has a snippet ${file}`);
  return found;
}

const startServer = () => createCommServer({ port: 0, database: ':memory:', logger: silentLogger });

/** Connects a client. It retries until the server of the snippet listens. */
async function connect(port: number, userId: string): Promise<CommClient> {
  const client = new CommClient({ url: `http://127.0.0.1:${port}`, userId, clock });
  await client.connect();
  return client;
}

async function expectPrintedAndExited(running: RunningSnippet, { prints }: Snippet): Promise<void> {
  const { code, lines, errors } = await running.ended;
  expect(errors.split('\n').filter((line) => line !== '' && !line.startsWith('lumen-comm warning'))).toEqual([]);
  expect(lines).toEqual(prints);
  expect(code).toBe(0);
}

test('every JavaScript snippet of the documentation is executed by a test of this file', () => {
  const files = new Set(snippets.filter(({ language }) => language === 'js').map(({ file }) => file));
  expect(files).toEqual(
    new Set([
      'chat.mjs',
      'bot.mjs',
      'tokens.mjs',
      'why.mjs',
      'server.mjs',
      'files.mjs',
      's3.mjs',
      'embedded.mjs',
      'own-process.mjs',
      'backend.mjs',
      'export.mjs',
      'import.mjs',
    ]),
  );
});

test('chat.mjs: two clients exchange a message, and the process exits', async () => {
  await using server = await startServer();
  await using running = await runSnippet(snippet('chat.mjs'), server.port);
  await expectPrintedAndExited(running, snippet('chat.mjs'));
});

test('tokens.mjs: a client authenticates with a token, and the process exits', async () => {
  await using running = await runSnippet(snippet('tokens.mjs'), await freePort());
  await expectPrintedAndExited(running, snippet('tokens.mjs'));
});

test('why.mjs: the client says why it is not connected, and the process exits', async () => {
  await using running = await runSnippet(snippet('why.mjs'), await freePort());
  await expectPrintedAndExited(running, snippet('why.mjs'));
});

test('files.mjs: a server with a place for files starts and stops', async () => {
  await using running = await runSnippet(snippet('files.mjs'), await freePort());
  await expectPrintedAndExited(running, snippet('files.mjs'));
});

test('s3.mjs: a server with a place for files in a bucket starts and stops', async () => {
  await using running = await runSnippet(snippet('s3.mjs'), await freePort());
  await expectPrintedAndExited(running, snippet('s3.mjs'));
});

test.each(['backend.mjs', 'export.mjs', 'import.mjs'])(
  '%s: the backend of an app uses the server API',
  async (file) => {
    await using running = await runSnippet(snippet(file), await freePort());
    await expectPrintedAndExited(running, snippet(file));
  },
);

test('bot.mjs: the bot replies to a message', async () => {
  await using server = await startServer();
  await using running = await runSnippet(snippet('bot.mjs'), server.port);
  await running.printed;
  await using client = await connect(server.port, 'ada');
  const answered = new Promise<string>((resolve) => {
    client.on('message:new', ({ senderId, content }) => {
      if (senderId === 'echo') resolve(content);
    });
  });
  const { id } = await client.conversations.create({ type: 'direct', participantIds: ['echo'] });
  await client.messages.send({ conversationId: id, content: 'Ho' });
  expect(await answered).toBe('You said: Ho');
});

test('server.mjs: one server answers chat requests and requests of the app', async () => {
  const port = await freePort();
  await using running = await runSnippet(snippet('server.mjs'), port);
  await running.printed;
  const page = await fetch(`http://127.0.0.1:${port}/about`);
  expect(await page.text()).toBe('This is /about');
  const health = await fetch(`http://127.0.0.1:${port}/readyz`);
  expect(await health.json()).toEqual({ status: 'ready' });
  await using client = await connect(port, 'ada');
  expect(client.userId).toBe('ada');
});

test('own-process.mjs: the server accepts tokens with the secret of its environment', async () => {
  const port = await freePort();
  await using _running = await runSnippet(snippet('own-process.mjs'), port);
  const token = await new SignJWT({ sub: 'ada' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(JWT_SECRET));
  await using client = new CommClient({ url: `http://127.0.0.1:${port}`, token, clock });
  await client.connect();
  expect(client.userId).toBe('ada');
});

test('embedded.mjs: clients and REST requests reach the Socket.IO server of an app', async () => {
  const port = await freePort();
  await using _running = await runSnippet(snippet('embedded.mjs'), port);
  await using client = await connect(port, 'ada');
  expect(client.guarantees.exactlyOnce).toBe(true);
  const { id } = await client.conversations.create({ type: 'direct', participantIds: ['bob'] });
  await client.messages.send({ conversationId: id, content: 'Hi' });
  const { messages } = await client.messages.list({ conversationId: id });
  expect(messages.map(({ content }) => content)).toEqual(['Hi']);
  const created = await fetch(`http://127.0.0.1:${port}/__nk_comm/conversations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-user-id': 'ada' },
    body: JSON.stringify({ type: 'group', name: 'Team', participantIds: [] }),
  });
  expect(await created.json()).toMatchObject({ name: 'Team' });
});
