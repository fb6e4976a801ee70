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
    'an error with a code that is no string',
    Object.assign(new Error('secret text'), { code: { a: 'secret text' } }),
    { error: 'Error' },
  ],
  ['a thrown string', 'secret text', { error: 'string' }],
  ['undefined', undefined, { error: 'undefined' }],
])('of %s only the name and code are logged', (_title, error, fields) => {
  expect(errorFields(error)).toEqual(fields);
  expect(JSON.stringify(errorFields(error))).not.toContain('secret');
});

test('the silent logger discards all entries', () => {
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    expect(silentLogger[level]('message', { id: 'a' })).toBeUndefined();
  }
});
