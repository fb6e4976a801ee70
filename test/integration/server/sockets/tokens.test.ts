import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { CommError } from '../../../../src/protocol/errors.ts';
import { jwtAuth, type Authenticate } from '../../../../src/server/index.ts';
import { openSocket, type CheckedClientOptions } from '../../../helpers/server/checked-client.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

const SECRET = 'a secret that is long enough for HS256';

const tokenFor = (userId: string, secondsFromNow = 60): Promise<string> =>
  new SignJWT({ sub: userId, exp: Math.floor(Date.now() / 1_000) + secondsFromNow })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET));

/** Why a connection was refused: what the client finds in its `connect_error`. */
async function refusal(url: string, options: CheckedClientOptions): Promise<unknown> {
  const socket = openSocket(url, options);
  try {
    return await new Promise((resolve, reject) => {
      socket.once('connect_error', (error: Error & { data?: unknown }) => resolve(error.data));
      socket.once('connect', () => reject(new Error('It was let in')));
    });
  } finally {
    socket.disconnect();
  }
}

describe('authentication by tokens', () => {
  const auth = jwtAuth({ secret: SECRET });

  test('a valid token is accepted in the handshake and in the header', async () => {
    await using server = await startServer({ auth });
    const token = await tokenFor('alice');
    const alice = await server.connect('mallory', { token });
    expect(alice.payloads('comm:hello')[0]).toMatchObject({ userId: 'alice' });
    const phone = await server.connect('mallory', { headers: { authorization: `Bearer ${token}` } });
    expect(phone.payloads('comm:hello')[0]).toMatchObject({ userId: 'alice' });
    expect(
      (await server.rest('/conversations', 'mallory', { headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(200);
  });

  test.each<[code: string, reason: string, what: string, token: () => Promise<string | undefined>]>([
    ['UNAUTHENTICATED', 'credentials-missing', 'no token', () => Promise.resolve(undefined)],
    ['UNAUTHENTICATED', 'token-malformed', 'a token that is not valid', () => Promise.resolve('abc.def.ghi')],
    ['UNAUTHENTICATED', 'user-id-invalid', 'an empty subject', () => tokenFor('')],
    ['TOKEN_EXPIRED', 'token-expired', 'an expired one', () => tokenFor('alice', -1)],
  ])('%s (%s) is returned for %s, by socket and REST', async (code, reason, _, token) => {
    await using server = await startServer({ auth });
    const given = await token();
    expect(await refusal(server.url, { userId: 'alice', token: given })).toMatchObject({ code, reason });
    const headers: Record<string, string> = given === undefined ? {} : { authorization: `Bearer ${given}` };
    const response = await server.rest('/conversations?userId=alice', 'alice', { headers });
    expect([response.status, await response.json()]).toMatchObject([401, { error: { code, reason } }]);
  });

  test('a token in the URL is ignored', async () => {
    await using server = await startServer({ auth });
    const response = await server.rest(`/conversations?token=${await tokenFor('alice')}`, 'alice');
    expect(response.status).toBe(401);
  });
});

test('a token that expires during the connection ends it with an error', async () => {
  const clock = manualClock(Date.now());
  const auth: Authenticate = ({ query }) => ({ userId: String(query['userId']), expiresAt: clock.now() + 60_000 });
  await using server = await startServer({ auth, clock });
  const alice = await server.connect('alice');
  clock.advance(59_999);
  await alice.settled();
  clock.advance(1);
  expect(await alice.next('error')).toMatchObject({ code: 'TOKEN_EXPIRED' });
  expect(await alice.disconnected()).toBe('io server disconnect');
});

test("a token with a lifetime of years doesn't end the connection", async () => {
  const clock = manualClock(Date.now());
  const years = 5 * 365 * 86_400_000;
  const auth: Authenticate = () => ({ userId: 'alice', expiresAt: Date.now() + years });
  await using server = await startServer({ auth, clock });
  const alice = await server.connect('alice');
  clock.advance(years / 2);
  await alice.settled();
  expect(alice.events).not.toContain('error');
});

test('credentials that a custom function refuses are distinguished from missing ones', async () => {
  await using server = await startServer({ auth: () => undefined });
  expect(await refusal(server.url, { userId: 'alice' })).toMatchObject({ reason: 'credentials-missing' });
  expect(await refusal(server.url, { userId: 'alice', token: 'x' })).toMatchObject({ reason: 'credentials-refused' });
});

test('a rejection tells the client how long to wait', async () => {
  const auth: Authenticate = () => Promise.reject(new CommError('RATE_LIMITED', 'Too many', { retryAfterMs: 5_000 }));
  await using server = await startServer({ auth });
  expect(await refusal(server.url, { userId: 'alice' })).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 5_000 });
});

test("a failure of the server isn't reported as a rejection", async () => {
  const auth: Authenticate = () => Promise.reject(new Error('The directory is down'));
  await using server = await startServer({ auth });
  expect(await refusal(server.url, { userId: 'alice' })).toMatchObject({ code: 'UNAVAILABLE' });
  expect((await server.rest('/conversations', 'alice')).status).toBe(503);
});
