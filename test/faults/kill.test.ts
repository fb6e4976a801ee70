import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { isCommError } from '../../src/protocol/errors.ts';
import type { Message } from '../../src/protocol/messages.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { connectUser, type TestUser } from '../../src/testing/connect-user.ts';
import { seededRandom, type Random } from '../../src/lib/seeded-random.ts';
import { startServerProcess } from '../../src/server/testing/server-process.ts';
import { LARGE_BUDGETS_ARGS } from '../helpers/server/comm-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { readDatabase } from './checks.ts';

const SEED = 20_251;
const KILLS = 12;
const PEOPLE = ['ann', 'bob', 'cat'];

/** The requests that the server has acknowledged. */
interface Acknowledged {
  messages: Map<string, { content: string; rev: number }>;
  deleted: Set<string>;
  conversations: Set<string>;
}

/** Sends many concurrent requests until the connection breaks. Calls `acknowledged` after each that was acknowledged. */
async function storm(
  user: TestUser,
  random: Random,
  known: Acknowledged,
  numbered: () => number,
  acknowledged: () => void,
): Promise<void> {
  const [first = ''] = known.conversations;
  const messages: Message[] = [];
  const keep = (message: Message): void => {
    messages.push(message);
    const { content, rev = 0 } = message;
    if ((known.messages.get(message.id)?.rev ?? 0) < rev) known.messages.set(message.id, { content, rev });
    if (message.deletedAt !== undefined) known.deleted.add(message.id);
  };
  const act = async (): Promise<void> => {
    const message = messages.length > 0 && random.chance(0.4) ? random.pick(messages) : undefined;
    const conversationId = message?.conversationId ?? random.pick([...known.conversations]);
    const ref = { conversationId, messageId: message?.id ?? '' };
    const dice = message === undefined ? 1 : random.next();
    if (dice < 0.3) return keep(await user.request('message:edit', { ...ref, content: `word${numbered()}end` }));
    if (dice < 0.5) return keep(await user.request('message:delete', ref));
    if (dice < 0.7) return keep(await user.request('message:react', { ...ref, emoji: '👍', on: random.chance(0.5) }));
    if (dice < 0.9) return void (await user.request('message:read', ref));
    if (message === undefined && random.chance(0.03)) {
      const { id } = await user.request('conversation:create', { type: 'group', participantIds: PEOPLE });
      return void known.conversations.add(id);
    }
    if (message === undefined && random.chance(0.03)) {
      return void (await user.request('conversation:update', { conversationId: first, name: `name ${numbered()}` }));
    }
    keep(await user.send(conversationId, `word${numbered()}end`));
  };
  const lane = async (): Promise<void> => {
    for (;;) {
      try {
        await act();
        acknowledged();
      } catch (error) {
        // The message was deleted meanwhile, or the user may not do this: the server is still running.
        if (isCommError(error) && (error.code === 'CONFLICT' || error.code === 'FORBIDDEN')) continue;
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
}

test(`killed at ${KILLS} random moments, the server loses no acknowledged request and leaves no partial one`, async () => {
  await using directory = await temporaryDirectory();
  const database = `${directory.path}/comm.sqlite`;
  await using server = await startServerProcess({ database, args: LARGE_BUDGETS_ARGS });
  const random = seededRandom(SEED);
  const known: Acknowledged = { messages: new Map(), deleted: new Set(), conversations: new Set() };
  let number = 0;
  const founder = await connectUser({ url: server.url, userId: 'ann' });
  const { id } = await founder.request('conversation:create', { type: 'group', participantIds: PEOPLE });
  known.conversations.add(id);
  founder.close();

  for (let kill = 0; kill < KILLS; kill += 1) {
    const users = await Promise.all(PEOPLE.map((userId) => connectUser({ url: server.url, userId })));
    // A moment in requests instead of time: a slow machine would have acknowledged none.
    let left = random.between(5, 250);
    const moment = deferred<undefined>();
    const acknowledged = (): void => {
      left -= 1;
      if (left === 0) moment.resolve(undefined);
    };
    const storms = Promise.all(
      users.map((user) => storm(user, random.fork(`${user.userId} ${kill}`), known, () => (number += 1), acknowledged)),
    );
    await Promise.race([moment.promise, storms]);
    await pause(random.between(0, 5));
    await server.kill('SIGKILL');
    await storms;
    expect(missing(database, known), `seed ${SEED}, kill ${kill}`).toEqual([]);
    await server.restart();
  }
  expect(known.messages.size).toBeGreaterThan(KILLS * 10);
  await expectSearchable(server.url, known, random);
});

/** Lists acknowledged data that is missing and inconsistencies between tables. */
function missing(database: string, known: Acknowledged): string[] {
  const { rows, problems } = readDatabase(database);
  const byId = new Map(rows.map((row) => [String(row.id), row]));
  for (const [id, { content, rev }] of known.messages) {
    const row = byId.get(id);
    if (row === undefined) problems.push(`${id} is gone`);
    else if (row.rev < rev) problems.push(`${id} is at ${row.rev}, not ${rev}`);
    else if (row.rev === rev && row.content !== content) problems.push(`${id} says ${row.content}, not ${content}`);
    else if (known.deleted.has(id) && row.deleted_at === null) problems.push(`${id} is there again`);
  }
  const db = new DatabaseSync(database);
  const there = new Set(
    db
      .prepare('select id from conversations')
      .all()
      .map((row) => String(row['id'])),
  );
  for (const id of known.conversations) if (!there.has(id)) problems.push(`conversation ${id} is gone`);
  // Throws if the index is damaged.
  db.exec("insert into comm_messages_search (comm_messages_search) values ('integrity-check')");
  db.close();
  return problems;
}

/** The search index is filled after the messages are written: a kill in between must not omit any. */
async function expectSearchable(url: string, known: Acknowledged, random: Random): Promise<void> {
  const all = [...known.messages];
  for (const [id] of Array.from({ length: 40 }, () => random.pick(all))) {
    const ask = async (path: string): Promise<unknown> =>
      await (await fetch(`${url}/__nk_comm${path}`, { headers: { 'x-user-id': 'ann' } })).json();
    const { content, deletedAt } = (await ask(`/messages/${id}`)) as Message;
    const text = deletedAt === undefined ? content : (known.messages.get(id)?.content ?? '');
    const found = text === '' ? [] : ((await ask(`/messages/search?q=${text}`)) as Message[]);
    const exact = found.filter((each) => each.content === text).map((each) => each.id);
    expect(exact, `search for ${text}`).toEqual(deletedAt === undefined ? [id] : []);
  }
}
