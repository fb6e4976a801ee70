import { expect, test } from 'vitest';
import { resolveFiles } from '../../../../../src/server/services/files/files-config.ts';

const GIB = 1_024 ** 3;

test('a file of the maximum size must fit into the budget of a day', () => {
  expect(() => resolveFiles({ backend: 'files', maxFileSize: 11, bytesPerUserAndDay: 10 })).toThrow(
    new TypeError('files.bytesPerUserAndDay must be at least files.maxFileSize (11); got 10'),
  );
  expect(resolveFiles({ backend: 'files', maxFileSize: 10, bytesPerUserAndDay: 10 }).bytesPerUserAndDay).toBe(10);
});

test('the default budget is one GiB, and more for larger files', () => {
  expect(resolveFiles('files').bytesPerUserAndDay).toBe(GIB);
  expect(resolveFiles({ backend: 'files', maxFileSize: 2 * GIB }).bytesPerUserAndDay).toBe(2 * GIB);
});
