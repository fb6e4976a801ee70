import * as v from 'valibot';
import { expect, test } from 'vitest';
import {
  LIMITS,
  listChangesQuerySchema,
  listConversationsQuerySchema,
  listMessagesQuerySchema,
  REST_ROUTES,
  searchQuerySchema,
} from '../../../src/protocol/index.ts';

test.each<[text: string, limit: number]>([
  ['1', 1],
  ['50', 50],
  ['007', 7],
  [String(LIMITS.maxPageSize), LIMITS.maxPageSize],
])('a limit of %j is %i', (text, limit) => {
  expect(v.parse(listMessagesQuerySchema, { limit: text })).toEqual({ limit });
});

test.each(['', '0', '-1', '+1', '1.5', '1e2', '0x10', ' 5', '5 ', '٥', 'NaN', 'Infinity', '9'.repeat(400)])(
  'a limit of %j is refused',
  (text) => {
    expect(v.is(listMessagesQuerySchema, { limit: text })).toBe(false);
  },
);

test('a limit above the largest page is rejected', () => {
  expect(v.is(listConversationsQuerySchema, { limit: String(LIMITS.maxPageSize + 1) })).toBe(false);
});

test.each<[query: Record<string, string>, taken: boolean]>([
  [{}, true],
  [{ before: '1' }, true],
  [{ after: '1' }, true],
  [{ around: '1' }, true],
  [{ before: '1', after: '2' }, false],
  [{ before: '1', around: '2' }, false],
  [{ before: '1', after: '2', around: '3' }, false],
  [{ before: '' }, false],
])('history accepts at most one of before, after and around: %j → %s', (query, taken) => {
  expect(v.is(listMessagesQuerySchema, query)).toBe(taken);
});

test.each<[query: Record<string, string>, parsed: object | undefined]>([
  [{ after: '0' }, { after: 0 }],
  [
    { after: '12', limit: '5' },
    { after: 12, limit: 5 },
  ],
  [{}, undefined],
  [{ after: '-1' }, undefined],
  [{ after: 'latest' }, undefined],
])('changes require a numeric cursor: %j', (query, parsed) => {
  const result = v.safeParse(listChangesQuerySchema, query);
  expect(result.success ? result.output : undefined).toEqual(parsed);
});

test.each<[q: string, parsed: string | undefined]>([
  [' hello ', 'hello'],
  ['" OR 1=1 --', '" OR 1=1 --'],
  ['', undefined],
  ['   ', undefined],
  ['x'.repeat(LIMITS.searchLength + 1), undefined],
])('a search for %j is validated', (q, parsed) => {
  const result = v.safeParse(searchQuerySchema, { q });
  expect(result.success ? result.output.q : undefined).toBe(parsed);
});

test('no two routes match the same request', () => {
  const shapes = Object.values(REST_ROUTES).map(({ method, path }) => `${method} ${path}`);
  expect(new Set(shapes).size).toBe(shapes.length);
});
