import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REST_ROUTES, type RestRouteName } from '../../../../src/protocol/constants.ts';
import { REQUEST_SCHEMAS } from '../../../../src/protocol/event-schemas.ts';
import type { ErrorBody } from '../../../../src/protocol/errors.ts';
import { MADE_UP, OUTSIDERS, ROLES, SECRET, startWorld, type Ids, type Role, type Room, type World } from './world.ts';
import { REST_ROWS, SOCKET_ROWS, TESTED_ELSEWHERE, type Answer, type RestRow, type SocketRow } from './table.ts';

/** A reply, whole: users compare every field of it. */
type Reply = { readonly ok: true; readonly data: unknown } | { readonly ok: false; readonly error: ErrorBody };

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

async function ask(row: SocketRow | RestRow, role: Role, ids: Ids): Promise<Reply> {
  if ('event' in row) return await world.client(role).raw(row.event, row.payload(ids));
  const { method } = REST_ROUTES[row.route];
  const body = row.body && JSON.stringify(row.body(ids));
  const response = await world.server.rest(row.path(ids), role, { method, ...(body !== undefined && { body }) });
  const json = (await response.json()) as { readonly error: ErrorBody };
  return response.ok ? { ok: true, data: json } : { ok: false, error: json.error };
}

/** What the request says, to tell whether it names an id. */
function written(row: SocketRow | RestRow, ids: Ids): string {
  if ('event' in row) return JSON.stringify(row.payload(ids));
  return JSON.stringify([row.path(ids), row.body?.(ids)]);
}

const isRefused = (answer: Answer): boolean => typeof answer === 'string' && answer !== 'ok';

/** What a reply is in the terms of the table. */
function answerOf(reply: Reply, expected: Answer): Answer {
  if (!reply.ok) return reply.error.code;
  return typeof expected === 'object' ? { data: reply.data } : 'ok';
}

/** The ids with some of them replaced: one by one, and all. */
function replaced(ids: Ids, by: Partial<Ids>): Ids[] {
  const names = Object.keys(by) as (keyof Ids)[];
  return [...names.map((name) => ({ ...ids, [name]: by[name] ?? ids[name] })), { ...ids, ...by }];
}

/** Groups of requests that the caller must not be able to tell apart, by the ids that they name. */
function indistinguishable(row: SocketRow | RestRow, role: Role, room: Room): Ids[][] {
  const { foreign } = room;
  const ids = room.idsFor(role);
  if (OUTSIDERS.includes(role)) return [[ids, ...replaced(ids, MADE_UP), ...replaced(ids, foreign)]];
  // A message that doesn't exist, and one of a conversation in which the caller is not.
  const { root, reply, own } = MADE_UP;
  const others = replaced(ids, foreign);
  return replaced(ids, { root, reply, own })
    .map((madeUp, at) => [madeUp, others[at] ?? madeUp])
    .filter(([madeUp = ids]) => written(row, madeUp) !== written(row, ids));
}

/** Roles that are refused come first: they find everything as it was. */
const inOrder = (row: SocketRow | RestRow): Role[] =>
  ROLES.toSorted((one, other) => Number(isRefused(row.answers[other])) - Number(isRefused(row.answers[one])));

describe.each([...SOCKET_ROWS, ...REST_ROWS].map((row) => [row.title, row] as const))('%s', (_, row) => {
  test('is answered by the role of the caller', async () => {
    const room = await world.room(row.isPublic);
    for (const role of inOrder(row)) {
      const answer = row.answers[role];
      const before = isRefused(answer) ? { rows: world.rows(), pushed: await world.pushed() } : undefined;
      const groups = answer === 'ok' && OUTSIDERS.includes(role) ? [] : indistinguishable(row, role, room);
      for (const requests of groups) {
        const replies: Reply[] = [];
        for (const ids of requests) replies.push(await ask(row, role, ids));
        for (const each of replies) expect([role, each]).toEqual([role, replies[0]]);
        expect([role, OUTSIDERS.includes(role) || replies[0]?.ok === false]).toEqual([role, true]);
      }
      const reply = await ask(row, role, room.idsFor(role));
      // An answer that isn't `ok` has no part of what the caller may not read.
      const leaks = answer !== 'ok' && JSON.stringify(reply).includes(SECRET);
      expect([role, answerOf(reply, answer), leaks]).toEqual([role, answer, false]);
      if (before === undefined) continue;
      expect([role, world.rows()]).toEqual([role, before.rows]);
      expect([role, await world.pushed()]).toEqual([role, before.pushed]);
    }
  });
});

test('every request and every route of the protocol has a row, or is named as tested elsewhere', () => {
  const names = [...Object.keys(REQUEST_SCHEMAS), ...(Object.keys(REST_ROUTES) as RestRouteName[])];
  const rows = new Set<string>([...SOCKET_ROWS.map(({ event }) => event), ...REST_ROWS.map(({ route }) => route)]);
  expect([...new Set([...rows, ...TESTED_ELSEWHERE])].toSorted()).toEqual(names.toSorted());
  expect(TESTED_ELSEWHERE.filter((name) => rows.has(name))).toEqual([]);
});
