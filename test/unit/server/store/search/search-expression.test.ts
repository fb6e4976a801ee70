import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { matchExpression } from '../../../../../src/server/store/search/search.ts';
import { fc } from '../../../../helpers/property.ts';

test.each([
  ['hello', 'content : ("hello" *)'],
  ['  hello   world ', 'content : ("hello" AND "world" *)'],
  ['say "hi"', 'content : ("say" AND """hi""" *)'],
  ['a OR b*', 'content : ("a" AND "OR" AND "b*" *)'],
  ['- + !', undefined],
  ['', undefined],
])('%j becomes the expression %j', (text, expected) => {
  expect(matchExpression(text, 'prefix')).toBe(expected);
  expect(matchExpression(text, 'word')).toBe(expected?.replace(' *)', ')'));
});

test('no input breaks the syntax of the index', () => {
  const db = new DatabaseSync(':memory:');
  db.exec("CREATE VIRTUAL TABLE t USING fts5(scope, content, content='', contentless_delete=1)");
  const search = db.prepare('SELECT rowid FROM t WHERE t MATCH ?');
  const unit = fc.oneof(
    fc.constantFrom('"', '*', '(', ')', ':', '^', '-', ' ', '\0', 'OR', 'NEAR', '{', 'a'),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 20 }), (parts) => {
      const expression = matchExpression(parts.join(''), 'prefix');
      expect(expression === undefined ? [] : search.all(expression)).toEqual([]);
    }),
    { numRuns: 500 },
  );
  db.close();
});
