import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
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

describe('a server with tokens', () => {
  const auth = jwtAuth({ secret: SECRET });

  test('serves who has a valid one, in the handshake or in the header', async () => {
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

  test.each<[code: string, what: string, token: () => Promise<string | undefined>]>([
    ['UNAUTHENTICATED', 'no token', () => Promise.resolve(undefined)],
    ['UNAUTHENTICATED', 'a token that is not valid', () => Promise.resolve('abc.def.ghi')],
    ['TOKEN_EXPIRED', 'an expired one', () => tokenFor('alice', -1)],
  ])('answers %s to a connection with %s, and to a request over REST', async (code, _, token) => {
    await using server = await startServer({ auth });
    const given = await token();
    expect(await refusal(server.url, { userId: 'alice', token: given })).toMatchObject({ code });
    const headers: Record<string, string> = given === undefined ? {} : { authorization: `Bearer ${given}` };
    const response = await server.rest('/conversations?userId=alice', 'alice', { headers });
    expect([response.status, await response.json()]).toMatchObject([401, { error: { code } }]);
  });

  test('does not take a token from the URL', async () => {
    await using server = await startServer({ auth });
    const response = await server.rest(`/conversations?token=${await tokenFor('alice')}`, 'alice');
    expect(response.status).toBe(401);
  });
});

test('a token that expires while connected is told, and ends the connection', async () => {
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

test('a token that lives for years is no reason to disconnect', async () => {
  const clock = manualClock(Date.now());
  const years = 5 * 365 * 86_400_000;
  const auth: Authenticate = () => ({ userId: 'alice', expiresAt: Date.now() + years });
  await using server = await startServer({ auth, clock });
  const alice = await server.connect('alice');
  clock.advance(years / 2);
  await alice.settled();
  expect(alice.events).not.toContain('error');
});

test('trouble of the server’s own is no refusal', async () => {
  const auth: Authenticate = () => Promise.reject(new Error('The directory is down'));
  await using server = await startServer({ auth });
  expect(await refusal(server.url, { userId: 'alice' })).toMatchObject({ code: 'UNAVAILABLE' });
  expect((await server.rest('/conversations', 'alice')).status).toBe(503);
});
