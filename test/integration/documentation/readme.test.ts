import { expect, test } from 'vitest';
import { CommClient } from '../../../src/index.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { createCommServer } from '../../../src/server/index.ts';
import { freePort, runSnippet, type RunningSnippet } from '../../helpers/documentation/run-snippet.ts';
import { snippetsOf, type Snippet } from '../../helpers/documentation/snippets.ts';

const snippets = snippetsOf('README.md');

function snippet(file: string): Snippet {
  const found = snippets.find((each) => each.file === file);
  if (found === undefined) throw new Error(`README.md has no snippet ${file}`);
  return found;
}

const startServer = () => createCommServer({ port: 0, database: ':memory:', logger: silentLogger });

/** The server of a snippet may not listen yet: the client tries until it does. */
async function connect(port: number, userId: string): Promise<CommClient> {
  const client = new CommClient({ url: `http://127.0.0.1:${port}`, userId });
  await client.connect();
  return client;
}

async function endsWell(running: RunningSnippet, { prints }: Snippet): Promise<void> {
  const { code, lines, errors } = await running.ended;
  expect(errors.split('\n').filter((line) => line !== '' && !line.startsWith('lumen-comm warning'))).toEqual([]);
  expect(lines).toEqual(prints);
  expect(code).toBe(0);
}

test('every JavaScript snippet is one of those that run below', () => {
  const files = snippets.filter(({ language }) => language === 'js').map(({ file }) => file);
  expect(files).toEqual(['chat.mjs', 'bot.mjs', 'tokens.mjs', 'secret.mjs', 'server.mjs', 'embedded.mjs']);
});

test('chat.mjs: two people chat and the process ends by itself', async () => {
  await using server = await startServer();
  await using running = await runSnippet(snippet('chat.mjs'), server.port);
  await endsWell(running, snippet('chat.mjs'));
});

test('secret.mjs: what two people say stays between them', async () => {
  await using server = await startServer();
  await using running = await runSnippet(snippet('secret.mjs'), server.port);
  await endsWell(running, snippet('secret.mjs'));
});

test('tokens.mjs: a server and a client with tokens, which end by themselves', async () => {
  await using running = await runSnippet(snippet('tokens.mjs'), await freePort());
  await endsWell(running, snippet('tokens.mjs'));
});

test('bot.mjs: the bot answers what it hears', async () => {
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

test('server.mjs: one server answers for chat and for the app', async () => {
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

test('embedded.mjs: clients connect to the Socket.IO server of an app', async () => {
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
