import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, test } from 'vitest';
import { indexTerms } from '../../../../../src/server/store/search/search-terms.ts';

const db = new DatabaseSync(':memory:');
db.exec(`
  CREATE VIRTUAL TABLE texts USING fts5(content, tokenize='unicode61 remove_diacritics 2');
  CREATE VIRTUAL TABLE terms USING fts5vocab(texts, 'instance');
`);
const insert = db.prepare('INSERT INTO texts (rowid, content) VALUES (1, ?)');
const select = db.prepare('SELECT term FROM terms ORDER BY offset');
afterAll(() => db.close());

function fts5Terms(text: string): string[] {
  insert.run(text);
  const terms = select.all().map(({ term }) => String(term));
  db.exec('DELETE FROM texts');
  return terms;
}

test.each([
  'The quick brown fox',
  'a.b c-d e_f',
  'Crème brûlée, ÄÖÜ, ñandú, Ångström, Việt Nam',
  'e\u0301 combined, o\u0308',
  'Ελληνικά Привет мир',
  '世界 你好世界 こんにちは 한국어 가나다',
  'שלום مرحبا',
  '1st 2² ½ ⅷ x²',
  '👍 :+1: #tag @user',
  "don't can’t",
  '',
  '\u{e000}\u{f8ff} private',
])('%j has the terms of FTS5', (text) => {
  expect(indexTerms(text)).toEqual(fts5Terms(text));
});
