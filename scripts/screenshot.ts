/**
 * Writes `docs/images/playground.png`, the picture in the README. Run it after `npm run build && npm run playground:build`,
 * on a machine with an emoji font.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { CommClient, memoryStorage } from 'lumen-comm';
import { chromium } from 'playwright';
import { launchOptions } from './chromium.ts';

const root = path.resolve(import.meta.dirname, '..');
const picture = path.join(root, 'docs/images/playground.png');
const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-screenshot-'));
const database = path.join(directory, 'playground.sqlite');
const server = spawn(process.execPath, [path.join(root, 'playground/serve.ts')], {
  env: { ...process.env, PORT: '0', DATABASE: database },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const url = await new Promise<string>((resolve) => {
  createInterface({ input: server.stdout }).on('line', (line) => {
    const address = /^lumen-comm listening on (\S+)$/.exec(line)?.[1];
    if (address !== undefined) resolve(address);
  });
});

const connect = async (userId: string): Promise<CommClient> => {
  const client = new CommClient({ url, userId, storage: memoryStorage() });
  await client.connect();
  return client;
};
const [alice, bob, carol, dave] = await Promise.all([
  connect('alice'),
  connect('bob'),
  connect('carol'),
  connect('dave'),
]);

const direct = async (from: CommClient, to: string, ...texts: string[]): Promise<string> => {
  const { id } = await from.conversations.create({ type: 'direct', participantIds: [to] });
  for (const content of texts) await from.messages.send({ conversationId: id, content });
  return id;
};
await direct(dave, 'alice', 'The train tickets are booked, see you at the station');
const withCarol = await direct(carol, 'alice', 'Can you review the slides tonight?');
await direct(alice, 'carol', 'Sure, I will send comments after dinner');
const { id: hike } = await bob.conversations.create({
  type: 'group',
  name: 'Weekend hike',
  participantIds: ['alice', 'carol', 'dave'],
});
const say = (client: CommClient, content: string, replyTo?: string) =>
  client.messages.send({ conversationId: hike, content, ...(replyTo !== undefined && { replyTo }) });
const plan = await say(bob, 'Who is in for Saturday? This is the route: https://example.com/ridge-trail');
await say(carol, 'Count me in! I can drive, there is room for three.');
const question = await say(dave, 'How long is it? I need to be back by six.');
await say(bob, 'About 14 km, five hours with breaks', question.id);
const lunch = await say(alice, 'Perfect. I will bring sandwiches for everyone 🥪');
const react = (client: CommClient, messageId: string, emoji: string) =>
  client.messages.react({ conversationId: hike, messageId, emoji });
for (const [client, messageId, emoji] of [
  [alice, plan.id, '👍'],
  [carol, plan.id, '👍'],
  [dave, plan.id, '👍'],
  [bob, lunch.id, '❤️'],
  [carol, lunch.id, '❤️'],
] as const) {
  await react(client, messageId, emoji);
}
await carol.messages.markRead({ conversationId: hike, messageId: lunch.id });
await bob.messages.markRead({ conversationId: hike, messageId: lunch.id });
await alice.messages.markRead({ conversationId: hike, messageId: lunch.id });

// Spreads the messages over the last hour.
using rows = new DatabaseSync(database);
rows.exec(
  "UPDATE messages SET created_at = strftime('%Y-%m-%dT%H:%M:%fZ', created_at, (4 * (CAST(id AS INTEGER) - 12)) || ' minutes')",
);

const browser = await chromium.launch(launchOptions());
const page = await browser.newPage({ viewport: { width: 1180, height: 740 }, locale: 'en-GB', colorScheme: 'light' });
await page.goto(`${url}/?user=alice`);
const list = page.getByRole('list', { name: 'Chats' });
await list.getByRole('button', { name: 'Carol' }).waitFor();
await dave.conversations.open(hike).ready;
await list.getByRole('button', { name: 'Weekend hike' }).click();
await page.getByRole('list', { name: 'Messages', exact: true }).getByText('sandwiches').waitFor();
dave.typing.start(hike);
await carol.messages.send({ conversationId: withCarol, content: 'Thanks! 🙏' });
await page.locator('.typing-line').getByText('Dave is typing').waitFor();
await page.mouse.move(700, 20);
await mkdir(path.dirname(picture), { recursive: true });
await page.screenshot({ path: picture, animations: 'disabled' });

await browser.close();
await Promise.all([alice, bob, carol, dave].map((client) => client[Symbol.asyncDispose]()));
server.kill('SIGTERM');
await once(server, 'exit');
await rm(directory, { recursive: true });
