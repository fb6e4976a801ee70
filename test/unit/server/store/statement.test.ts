import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { listed, query, statement, type Params } from '../../../../src/server/store/statement.ts';

test('parameters stand where they are used, as often as they are, among constants', () => {
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

test('what is written is known as such, with rows only where they come back', () => {
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

test('null is a value', () => {
  const find = statement((p: Params<{ name: string | null }>) => sql<never>`select ${p.name}`);
  expect(find({ name: null }).parameters).toEqual([null]);
});
