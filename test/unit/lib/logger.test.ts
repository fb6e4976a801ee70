import { expect, test } from 'vitest';
import { errorFields, silentLogger } from '../../../src/lib/logger.ts';

test.each<[title: string, error: unknown, fields: object]>([
  ['an error', new TypeError('secret text'), { error: 'TypeError', code: undefined }],
  [
    'an error with a code',
    Object.assign(new Error('secret text'), { code: 'EPIPE' }),
    { error: 'Error', code: 'EPIPE' },
  ],
  [
    'a code that is no text',
    Object.assign(new Error('secret text'), { code: { a: 'secret text' } }),
    { error: 'Error' },
  ],
  ['a thrown text', 'secret text', { error: 'string' }],
  ['undefined', undefined, { error: 'undefined' }],
])('of %s only its kind is logged, never what it quotes', (_title, error, fields) => {
  expect(errorFields(error)).toEqual(fields);
  expect(JSON.stringify(errorFields(error))).not.toContain('secret');
});

test('the silent logger says nothing and throws nothing', () => {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    expect(silentLogger[level]('message', { id: 'a' })).toBeUndefined();
  }
});
