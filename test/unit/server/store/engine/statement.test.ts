import { sql } from 'kysely';
import { expect, test } from 'vitest';
import {
  arrayStatement,
  insertion,
  listed,
  query,
  statement,
  type Params,
} from '../../../../../src/server/store/engine/statement.ts';

test('parameters are bound at every use, between constants', () => {
  const find = statement((p: Params<{ id: string; limit: number }>) =>
    query
      .selectFrom('messages')
      .select('id')
      .where('conversation_id', '=', p.id)
      .where('type', '=', 'text')
      .where('sender_id', '!=', p.id)
      .limit(p.limit),
  );
  expect(find({ id: 'c', limit: 3 })).toMatchObject({ parameters: ['c', 'text', 'c', 3], kind: 'rows', writes: false });
  expect(find({ id: 'd', limit: 4 }).parameters).toEqual(['d', 'text', 'd', 4]);
  expect(find({ id: 'c', limit: 3 }).sql).toBe(find({ id: 'd', limit: 4 }).sql);
});

test('writing statements are recognized, and return rows only with RETURNING', () => {
  const remove = query.deleteFrom('read_receipts');
  expect(statement((p: Params<{ id: number }>) => remove.where('message_id', '=', p.id))({ id: 1 })).toMatchObject({
    kind: 'run',
    writes: true,
  });
  const returning = remove.returning('user_id');
  expect(statement((p: Params<{ id: number }>) => returning.where('message_id', '=', p.id))({ id: 1 })).toMatchObject({
    kind: 'rows',
    writes: true,
  });
});

test('a list is one parameter', () => {
  const find = statement(
    (p: Params<{ ids: string }>) => sql<{ id: number }>`select id from t where id in ${listed(p.ids)}`,
  );
  expect(find({ ids: '["a","b"]' })).toMatchObject({
    sql: 'select id from t where id in (select value from json_each(?))',
    parameters: ['["a","b"]'],
  });
});

test('rows are inserted by few statements, in order', () => {
  const insert = insertion(2, (rows) => sql<{ id: number }>`insert into t (a, b) values ${rows} returning id`);
  const rows = Array.from({ length: 75 }, (_, at) => [at, null]);
  const statements = insert(rows);
  expect(statements.map(({ parameters }) => parameters.length / 2)).toEqual([32, 32, 8, 2, 1]);
  expect(statements.flatMap(({ parameters }) => parameters)).toEqual(rows.flat());
  expect(statements.at(-2)).toMatchObject({
    sql: 'insert into t (a, b) values (?, ?), (?, ?) returning id',
    kind: 'rows',
    writes: true,
  });
  expect(insert([])).toEqual([]);
});

test('null is a value', () => {
  const find = statement((p: Params<{ name: string | null }>) => sql<never>`select ${p.name}`);
  expect(find({ name: null }).parameters).toEqual([null]);
});

test('the value of a limit is hidden from the planner, which would compile the statement for each value', () => {
  const find = statement((p: Params<{ from: number }>) =>
    query.selectFrom('messages').select('id').limit(2).offset(p.from),
  );
  expect(find({ from: 4 })).toMatchObject({
    sql: 'select "id" from "messages" limit ? + 0 offset ? + 0',
    parameters: [2, 4],
  });
});

test('rows can be returned as arrays', () => {
  const find = arrayStatement(
    (p: Params<{ id: number }>) => sql<readonly [id: number]>`select id from t where id = ${p.id}`,
  );
  expect(find({ id: 1 })).toMatchObject({ kind: 'arrays', writes: false, parameters: [1] });
});
