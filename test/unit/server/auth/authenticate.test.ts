import { afterEach, describe, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import {
  createIdentify,
  tokenOf,
  type IdentifyOptions,
  type IdentifyRequest,
} from '../../../../src/server/auth/authenticate.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

const identify = async (options: IdentifyOptions, request: Partial<IdentifyRequest>) =>
  await createIdentify(options, silentLogger)({ headers: {}, query: {}, ...request });

const everywhere: Partial<IdentifyRequest> = {
  headers: { 'x-user-id': 'header' },
  query: { userId: 'query' },
  user: 'framework',
};

describe('createIdentify', () => {
  test.each<[by: string, options: IdentifyOptions, request: Partial<IdentifyRequest>]>([
    ['authenticate', { authenticate: () => ({ userId: 'authenticate' }), getUserId: () => 'getUserId' }, everywhere],
    ['getUserId', { getUserId: () => 'getUserId' }, everywhere],
    ['framework', {}, everywhere],
    ['header', {}, { ...everywhere, user: undefined }],
    ['query', {}, { query: { userId: 'query' } }],
    ['first', {}, { query: { userId: ['first', 'second'] } }],
    [
      'query',
      { getUserId: (headers, query) => headers['x-user-id'] || query['userId'] },
      { query: { userId: 'query' } },
    ],
  ])('%s takes precedence over all later sources', async (by, options, request) => {
    expect(await identify(options, request)).toEqual({ userId: by });
  });

  test.each([
    ['text', 'ada'],
    ['an id', { id: 'ada' }],
    ['a user id', { userId: 'ada' }],
    ['a subject', { sub: 'ada' }],
    ['the first of them that is one', { id: '', sub: 'ada' }],
  ])("the framework's user may be %s", async (_, user) => {
    expect(await identify({}, { user })).toEqual({ userId: 'ada' });
  });

  test('a numeric id of the framework becomes a string', async () => {
    expect(await identify({}, { user: { id: 7 } })).toEqual({ userId: '7' });
  });

  test.each<[why: string, options: IdentifyOptions, request: Partial<IdentifyRequest>]>([
    ['the request names no user', {}, {}],
    ['authenticate returns no user and the header names one', { authenticate: () => undefined }, everywhere],
    ['getUserId returns no user and the header names one', { getUserId: () => undefined }, everywhere],
    ['getUserId returns a list', { getUserId: (_, query) => query['userId'] }, { query: { userId: ['ada', 'bob'] } }],
    ['the id is empty', {}, { query: { userId: '' } }],
    ['the id is too long', {}, { query: { userId: 'x'.repeat(257) } }],
    ['the id has a control character', {}, { query: { userId: 'a\nb' } }],
    ['the id begins with a space', { authenticate: () => ({ userId: ' ada' }) }, {}],
    ['the id ends with a no-break space', { authenticate: () => ({ userId: 'ada\u00A0' }) }, {}],
    ['the id reverses the direction of its text', { authenticate: () => ({ userId: 'a\u202Eda' }) }, {}],
    ['the id has a character without width', { authenticate: () => ({ userId: 'a\u200Bda' }) }, {}],
    ['the header is empty and the query names a user', {}, { headers: { 'x-user-id': '' }, query: { userId: 'ada' } }],
    ['the header was sent twice', {}, { headers: { 'x-user-id': 'ada, bob' } }],
    ['the header is a list', {}, { headers: { 'x-user-id': ['ada', 'bob'] } }],
    [
      'the header is trusted and only the query names a user',
      { trustUserIdHeader: true },
      { query: { userId: 'ada' } },
    ],
    ['the user of the framework has no id', {}, { user: { name: 'Ada' } }],
  ])('rejects with UNAUTHENTICATED if %s', async (_, options, request) => {
    await expect(identify(options, request)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('accepting unverified user ids is logged once, unless it was configured', async () => {
    const warn = vi.fn<() => void>();
    const logger = { ...silentLogger, warn };
    const request = { headers: { 'x-user-id': 'ada' }, query: {} };
    const believing = createIdentify({}, logger);
    await believing({ headers: {}, query: {}, user: 'ada' });
    expect(warn).not.toHaveBeenCalled();
    await believing(request);
    await believing(request);
    expect(warn).toHaveBeenCalledOnce();
    await createIdentify({ trustUserIdHeader: true }, logger)(request);
    expect(warn).toHaveBeenCalledOnce();
  });

  test('in production, unverified user ids require trustUserIdHeader', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    const request = { headers: { 'x-user-id': 'ada' } };
    await expect(identify({}, request)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await identify({ trustUserIdHeader: true }, request)).toEqual({ userId: 'ada' });
  });

  test('a CommError is passed on, and any other failure is UNAVAILABLE', async () => {
    const expired = new CommError('TOKEN_EXPIRED', 'Too late');
    await expect(identify({ authenticate: () => Promise.reject(expired) }, {})).rejects.toBe(expired);
    const broken = () => {
      throw new Error('The directory is down');
    };
    await expect(identify({ authenticate: broken }, {})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

test.each([
  ['the handshake', { token: 'abc', headers: {} }, 'abc'],
  ['the header', { headers: { authorization: 'Bearer abc' } }, 'abc'],
  ['the header in small letters', { headers: { authorization: 'bearer  abc' } }, 'abc'],
  ['the handshake before the header', { token: 'abc', headers: { authorization: 'Bearer def' } }, 'abc'],
  ['nowhere', { headers: {} }, undefined],
  ['another scheme', { headers: { authorization: 'Basic abc' } }, undefined],
])('a token is read from %s', (_, request, token) => {
  expect(tokenOf({ query: { token: 'never from the URL' }, ...request })).toBe(token);
});
