import { expect, inject, test } from 'vitest';
import { seededRandom } from '../../../src/lib/seeded-random.ts';
import { fileStorage } from '../../../src/node/index.ts';
import type { Conversation, Message } from '../../../src/index.ts';
import { App } from '../../helpers/client/app.ts';
import { direct, group } from '../../helpers/client/world.ts';
import { fillDatabase } from '../../helpers/postgres/filled-database.ts';
import { startPostgresProxy } from '../../helpers/postgres/postgres-proxy.ts';
import { postgresRows, sqliteRows } from '../../helpers/postgres/stored-rows.ts';
import { newPostgresUrl } from '../../helpers/postgres/test-database.ts';
import { Command } from '../../helpers/server/command.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

test('migrate reports tables, rows and checksums, and the target to start the server on', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1, 10);
  const to = await newPostgresUrl();
  await using command = new Command(['migrate', '--from', from], { LUMEN_COMM_TO: to });
  expect(await command.exit()).toBe(0);
  expect(command.stderr).toBe('');
  const rows = sqliteRows(from);
  expect(command.stdout.split('\n')[0]).toBe(`Beginning with ${Object.keys(rows).length} tables.`);
  for (const [table, { length }] of Object.entries(rows)) {
    expect(command.stdout).toContain(`  ${table}: ${length} rows\n`);
    expect(command.stdout).toMatch(new RegExp(`^  ${table} +${length} rows  [0-9a-f]{32}$`, 'm'));
  }
  expect(command.stdout).toMatch(/^Note: rows refer to rows that don't exist \(conversation_participants\./m);
  expect(command.stdout).toMatch(/Start the server with --database and the URL of the target\.\n$/);
  await using again = new Command(['migrate', '--from', from, '--to', to]);
  expect(await again.exit()).toBe(0);
  expect(again.stdout).toContain('Nothing was copied: the target has this database already.\n');
});

test('a failure is one sentence without the password, and exits with 1', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await using missing = new Command(['migrate', '--from', from, '--to', inject('postgres')]);
  expect(await missing.exit()).toBe(1);
  expect(missing.stderr).toBe(`lumen-comm: There is no file ${from}\n`);
  await fillDatabase(from, 1);
  const to = new URL('/nowhere', inject('postgres'));
  to.password = 'password';
  await using unreachable = new Command(['migrate', '--from', from, '--to', to.href]);
  expect(await unreachable.exit()).toBe(1);
  expect(unreachable.stderr).toBe('lumen-comm: database "nowhere" does not exist. Run the command again to go on.\n');
});

// Each run is a process that starts and loads the driver.
test.each([1, 2, 3])(
  'a migration that is killed goes on where it was (seed %i)',
  { timeout: 300_000 },
  async (seed) => {
    await using directory = await temporaryDirectory();
    const from = `${directory.path}/comm.sqlite`;
    await fillDatabase(from, seed, 3_500);
    const to = await newPostgresUrl();
    const random = seededRandom(seed);
    let killed: Command | undefined;
    let left = 0;
    await using proxy = await startPostgresProxy(Number(new URL(to).port), 0, () => {
      left -= 1;
      if (left === 0) killed?.kill('SIGKILL');
    });
    const through = new URL(to);
    through.port = String(proxy.port);
    let kills = 0;
    for (;;) {
      left = random.between(1, 350);
      await using command = new Command(['migrate', '--from', from, '--to', through.href]);
      killed = command;
      const code = await command.exit();
      if (code === 0) break;
      expect([code, command.stderr]).toEqual([null, '']);
      kills += 1;
    }
    expect(kills).toBeGreaterThan(0);
    expect(await postgresRows(to)).toEqual(sqliteRows(from));
  },
);

/** What the apps of all users see: their conversations, and the messages in each. */
async function everything(app: App): Promise<[Conversation, Message[]][]> {
  const conversations = await app.client.conversations.list({ limit: 100 });
  const histories = conversations.map(async (conversation): Promise<[Conversation, Message[]]> => {
    const { messages } = await app.client.messages.list({ conversationId: conversation.id, limit: 100 });
    return [conversation, messages];
  });
  return Promise.all(histories);
}

function presenceOf(seen: readonly [Conversation, Message[]][], userId: string): unknown[] {
  return seen.map(([{ participants }]) => participants.find((each) => each.userId === userId)?.presence);
}

test('clients with storage and old cursors see on Postgres what they saw on SQLite, and strangers nothing', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  const storages = { ada: `${directory.path}/ada.sqlite`, bob: `${directory.path}/bob.sqlite` };
  const before = await startServer({ database: from });
  const app = async (url: string, userId: 'ada' | 'bob'): Promise<App> => {
    const created = new App(url, { userId, storage: fileStorage(storages[userId]) });
    await created.client.connect();
    return created;
  };
  const ada = await app(before.url, 'ada');
  const bob = await app(before.url, 'bob');
  const [pair, crowd] = [await direct(ada, bob), await group(ada, bob)];
  const send = (from_: App, conversationId: string, content: string, more = {}): Promise<Message> =>
    from_.client.messages.send({ conversationId, content, ...more });
  const view = ada.client.conversations.open(pair);
  await view.ready;
  const first = await send(ada, pair, 'first \0 \u{ffff}');
  const answer = await send(bob, pair, 'answer');
  await ada.next('message:new', ({ id }) => id === answer.id);
  const root = await send(bob, crowd, 'root');
  await send(ada, crowd, 'reply', { threadId: root.id });
  await view.markRead();
  view.close();
  // Ada's device is away from here on.
  await ada[Symbol.asyncDispose]();
  await bob.client.messages.react({ conversationId: pair, messageId: first.id, emoji: '👍' });
  const missed = await send(bob, pair, 'missed');
  const removed = await send(bob, pair, 'removed');
  await bob.client.messages.edit({ conversationId: pair, messageId: missed.id, content: 'missed, edited' });
  await bob.client.messages.delete({ conversationId: pair, messageId: removed.id });
  await send(bob, crowd, 'missed reply', { threadId: root.id });
  await expect.poll(async () => presenceOf(await everything(bob), 'ada')).toEqual(['offline', 'offline']);
  const seenByBob = await everything(bob);
  await bob[Symbol.asyncDispose]();
  await before[Symbol.asyncDispose]();

  const to = await newPostgresUrl();
  await using command = new Command(['migrate', '--from', from, '--to', to]);
  expect(await command.exit()).toBe(0);

  await using after = await startServer({ database: to });
  await using bobAgain = await app(after.url, 'bob');
  expect(await everything(bobAgain)).toEqual(seenByBob);
  await using adaAgain = new App(after.url, { userId: 'ada', storage: fileStorage(storages.ada) });
  const reopened = adaAgain.client.conversations.open(pair);
  await adaAgain.client.connect();
  await reopened.ready;
  const contents = (): string[] => reopened.getSnapshot().messages.map(({ content }) => content);
  await expect.poll(contents).toEqual(['first \0 \u{ffff}', 'answer', 'missed, edited', '']);
  expect((await adaAgain.client.messages.list({ conversationId: pair })).messages).toEqual(
    seenByBob.find(([{ id }]) => id === pair)?.[1],
  );
  // Positions go on after the last one.
  const next = await send(adaAgain, pair, 'next');
  expect(next.seq).toBe((removed.seq ?? 0) + 1);
  expect(await bobAgain.next('message:new', ({ id }) => id === next.id)).toMatchObject({ content: 'next' });
  await using stranger = new App(after.url, { userId: 'eve' });
  await stranger.client.connect();
  expect(await stranger.client.conversations.list()).toEqual([]);
  await expect(stranger.client.messages.list({ conversationId: pair })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await stranger.client.messages.search({ query: 'missed' })).toEqual([]);
  expect((await bobAgain.client.messages.search({ query: 'missed' })).map(({ content }) => content).toSorted()).toEqual(
    ['missed reply', 'missed, edited'],
  );
});
