import * as v from 'valibot';
import { expect, test, vi } from 'vitest';
import {
  CLIENT_ERROR_CODES,
  CommError,
  commErrorFrom,
  type ErrorCode,
  errorBodySchema,
  HTTP_STATUS,
  isCommError,
  SERVER_ERROR_CODES,
  type ServerErrorCode,
} from '../../../src/protocol/index.ts';

const CODES: readonly (readonly [code: ErrorCode, status: number | undefined, retryable: boolean])[] = [
  ['INVALID', 400, false],
  ['UNAUTHENTICATED', 401, false],
  ['TOKEN_EXPIRED', 401, true],
  ['FORBIDDEN', 403, false],
  ['NOT_FOUND', 404, false],
  ['CONFLICT', 409, false],
  ['MESSAGE_TOO_LONG', 413, false],
  ['FILE_TOO_LARGE', 413, false],
  ['MIME_TYPE_NOT_ALLOWED', 415, false],
  ['RATE_LIMITED', 429, true],
  ['BUSY', 409, false],
  ['UNSUPPORTED', 501, false],
  ['UNAVAILABLE', 503, true],
  ['INTERNAL', 500, true],
  ['TIMEOUT', undefined, true],
  ['DISCONNECTED', undefined, true],
  ['OUTBOX_FULL', undefined, true],
  ['CANCELLED', undefined, false],
  ['UPLOAD_FAILED', undefined, true],
  ['STORAGE', undefined, false],
  ['MEDIA_DENIED', undefined, false],
  ['MEDIA_UNAVAILABLE', undefined, false],
  ['E2EE_NO_KEYS', undefined, false],
  ['E2EE_IDENTITY_CHANGED', undefined, false],
  ['E2EE_DECRYPTION_FAILED', undefined, false],
  ['E2EE_OTHER_DEVICE', undefined, false],
  ['E2EE_LOCKED', undefined, false],
  ['E2EE_MEMBERS_CHANGED', undefined, false],
];

test.each(CODES)('%s has the HTTP status %s; retryable: %s', (code, status, retryable) => {
  expect((HTTP_STATUS as Partial<Record<ErrorCode, number>>)[code]).toBe(status);
  expect(new CommError(code, '').retryable).toBe(retryable);
});

test('the table above contains every code', () => {
  expect([...SERVER_ERROR_CODES, ...CLIENT_ERROR_CODES].toSorted()).toEqual(CODES.map(([code]) => code).toSorted());
});

test('an error has code, fix, retryAfterMs and cause', () => {
  const cause = new Error('socket');
  const error = new CommError('RATE_LIMITED', 'Too fast', { retryAfterMs: 5, fix: 'Wait', cause });
  expect(error).toMatchObject({ name: 'CommError', code: 'RATE_LIMITED', message: 'Too fast', retryAfterMs: 5 });
  expect(error).toMatchObject({ fix: 'Wait', cause });
  expect(error).toBeInstanceOf(Error);
  expect('cause' in new CommError('INVALID', '')).toBe(false);
});

test.each<[title: string, value: unknown, is: boolean]>([
  ['a CommError', new CommError('INVALID', ''), true],
  ['another error', new Error('INVALID'), false],
  ['a look-alike', { name: 'CommError', code: 'INVALID', message: '', retryable: false }, false],
  ['null', null, false],
  ['undefined', undefined, false],
])('isCommError of %s', (_title, value, is) => {
  expect(isCommError(value)).toBe(is);
});

test.each(SERVER_ERROR_CODES)('%s is parsed from the wire', (code: ServerErrorCode) => {
  const error = commErrorFrom(v.parse(errorBodySchema, { code, message: 'why', retryAfterMs: 7 }));
  expect(error).toMatchObject({ code, message: 'why', retryAfterMs: 7 });
});

test.each<[title: string, body: unknown]>([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'FORBIDDEN'],
  ['a number', 404],
  ['a list', ['FORBIDDEN']],
  ['an empty object', {}],
  ['an unknown code', { code: 'TEAPOT', message: '' }],
  ['a client-only code', { code: 'TIMEOUT', message: '' }],
  ['a property name of Object.prototype', { code: 'constructor', message: '' }],
  ['a code that is not a string', { code: { toString: () => 'FORBIDDEN' }, message: '' }],
  ['an array that converts to a code', { code: ['FORBIDDEN'], message: '' }],
])('an error body with %s becomes INTERNAL', (_title, body) => {
  const error = commErrorFrom(body);
  expect(error.code).toBe('INTERNAL');
  expect(typeof error.message).toBe('string');
});

test.each([-1, Number.NaN, '5', null, {}])('retryAfterMs of %s is ignored', (retryAfterMs) => {
  expect(commErrorFrom({ code: 'RATE_LIMITED', message: '', retryAfterMs }).retryAfterMs).toBeUndefined();
});

test.each([undefined, null, 1, {}])('an invalid message (%s) is replaced by a default', (message) => {
  expect(commErrorFrom({ code: 'FORBIDDEN', message }).message).not.toBe('');
});

test('isCommError() is true for an error of another copy of the package', async () => {
  vi.resetModules();
  const copy = await import('../../../src/protocol/errors.ts');
  const foreign = new copy.CommError('INVALID', 'x');
  expect(foreign).not.toBeInstanceOf(CommError);
  expect(isCommError(foreign)).toBe(true);
});
