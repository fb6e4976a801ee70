import { afterEach, describe, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import { createIdentify, tokenOf, type IdentifyOptions, type IdentifyRequest } from '../../../src/server/auth.ts';

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

describe('who somebody is', () => {
  test.each<[by: string, options: IdentifyOptions, request: Partial<IdentifyRequest>]>([
    ['authenticate', { authenticate: () => ({ userId: 'authenticate' }), getUserId: () => 'getUserId' }, everywhere],
    ['getUserId', { getUserId: () => 'getUserId' }, everywhere],
    ['framework', {}, everywhere],
    ['header', {}, { ...everywhere, user: undefined }],
    ['query', {}, { query: { userId: 'query' } }],
    ['first', {}, { query: { userId: ['first', 'second'] } }],
  ])('is said by %s before all that comes after it', async (by, options, request) => {
    expect(await identify(options, request)).toEqual({ userId: by });
  });

  test.each([
    ['text', 'ada'],
    ['an id', { id: 'ada' }],
    ['a user id', { userId: 'ada' }],
    ['a subject', { sub: 'ada' }],
    ['the first of them that is one', { id: '', sub: 'ada' }],
  ])('may stand in the framework’s user as %s', async (_, user) => {
    expect(await identify({}, { user })).toEqual({ userId: 'ada' });
  });

  test('a number of the framework becomes text', async () => {
    expect(await identify({}, { user: { id: 7 } })).toEqual({ userId: '7' });
  });

  test.each<[why: string, options: IdentifyOptions, request: Partial<IdentifyRequest>]>([
    ['nothing is there', {}, {}],
    ['authenticate knows nobody, whatever the header says', { authenticate: () => undefined }, everywhere],
    ['getUserId knows nobody, whatever the header says', { getUserId: () => undefined }, everywhere],
    ['the id is empty', {}, { query: { userId: '' } }],
    ['the id is too long', {}, { query: { userId: 'x'.repeat(257) } }],
    ['the id has a control character', {}, { query: { userId: 'a\nb' } }],
    ['the framework’s user is none', {}, { user: { name: 'Ada' } }],
  ])('is nobody where %s', async (_, options, request) => {
    await expect(identify(options, request)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('is said once in the log where everybody is believed, and not where that is asked for', async () => {
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

  test('in production a plain user id is believed only where that is asked for', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    const request = { headers: { 'x-user-id': 'ada' } };
    await expect(identify({}, request)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await identify({ trustUserIdHeader: true }, request)).toEqual({ userId: 'ada' });
  });

  test('a refusal is handed on, and any other failure is no refusal', async () => {
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
])('a token is taken from %s', (_, request, token) => {
  expect(tokenOf({ query: { token: 'never from the URL' }, ...request })).toBe(token);
});
