import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorBodyOf, type CredentialFault } from '../../../../src/protocol/errors.ts';
import { jwtAuth } from '../../../../src/server/auth/jwt.ts';

const SECRET = 'a secret that is long enough for HS256';
const key = (secret: string) => new TextEncoder().encode(secret);
const sign = (claims: JWTPayload, secret = SECRET, alg = 'HS256') =>
  new SignJWT(claims).setProtectedHeader({ alg }).sign(key(secret));
const request = (token: string) => ({ headers: { authorization: `Bearer ${token}` }, query: {} });

describe('jwtAuth with a shared secret', () => {
  const authenticate = jwtAuth({ secret: SECRET, issuer: 'us', audience: 'chat' });
  const claims = { sub: 'ada', iss: 'us', aud: 'chat' };

  test('the user id is the subject, until the token expires', async () => {
    const exp = Math.floor(Date.now() / 1_000) + 60;
    expect(await authenticate(request(await sign({ ...claims, exp })))).toEqual({
      userId: 'ada',
      expiresAt: exp * 1_000,
    });
  });

  test('a token without exp is accepted for a day after its iat', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const iat = now - 60;
    const day = 24 * 60 * 60;
    expect(await authenticate(request(await sign({ ...claims, iat })))).toMatchObject({
      expiresAt: (iat + day) * 1_000,
    });
    // A later exp doesn't extend it.
    expect(await authenticate(request(await sign({ ...claims, iat, exp: now + 2 * day })))).toMatchObject({
      expiresAt: (iat + day) * 1_000,
    });
    await expect(authenticate(request(await sign({ ...claims, iat: now - day - 1 })))).rejects.toMatchObject({
      code: 'TOKEN_EXPIRED',
    });
    const weekly = jwtAuth({ secret: SECRET, maxTokenAgeMs: 7 * day * 1_000 });
    expect(await weekly(request(await sign({ ...claims, iat: now - day - 1 })))).toMatchObject({ userId: 'ada' });
  });

  test.each([0, -1, Number.NaN])('a maximum age of %s is a TypeError', (maxTokenAgeMs) => {
    expect(() => jwtAuth({ secret: SECRET, maxTokenAgeMs })).toThrow(TypeError);
  });

  test('a request without a token has no user', async () => {
    expect(await authenticate({ headers: {}, query: {} })).toBeUndefined();
  });

  test('an expired token is distinguished from an invalid one', async () => {
    const token = await sign({ ...claims, exp: Math.floor(Date.now() / 1_000) - 1 });
    await expect(authenticate(request(token))).rejects.toMatchObject({
      code: 'TOKEN_EXPIRED',
      reason: 'token-expired',
    });
  });

  test.each<[what: string, reason: CredentialFault, token: () => string | Promise<string>]>([
    ['another secret', 'token-signature', () => sign(claims, 'another secret, just as long as it has to be')],
    ['another algorithm', 'token-algorithm', () => sign(claims, SECRET.repeat(2), 'HS512')],
    ['no signature', 'token-algorithm', () => new UnsecuredJWT(claims).encode()],
    ['another issuer', 'token-issuer', () => sign({ ...claims, iss: 'them' })],
    ['no issuer', 'token-issuer', () => sign({ sub: 'ada', aud: 'chat' })],
    ['another audience', 'token-audience', () => sign({ ...claims, aud: 'mail' })],
    ['no subject', 'token-subject', () => sign({ iss: 'us', aud: 'chat' })],
    [
      'a start in the future',
      'token-not-yet-valid',
      () => sign({ ...claims, nbf: Math.floor(Date.now() / 1_000) + 60 }),
    ],
    ['a text as its expiry', 'token-lifetime', () => sign({ ...claims, exp: 'never' as unknown as number })],
    ['three invalid parts', 'token-malformed', () => 'not.a.token'],
    ['no parts', 'token-malformed', () => 'token'],
    ['no limited lifetime', 'token-lifetime', () => sign(claims)],
  ])('a token with %s is rejected as %s', async (_, reason, token) => {
    await expect(authenticate(request(await token()))).rejects.toMatchObject({ code: 'UNAUTHENTICATED', reason });
  });

  test('a rejection contains no expected value and nothing of the token', async () => {
    const token = await sign({ ...claims, aud: 'mail' });
    const rejection: unknown = await Promise.resolve(authenticate(request(token))).catch((error: unknown) => error);
    expect(errorBodyOf(rejection)).toEqual({
      code: 'UNAUTHENTICATED',
      message: 'The claim aud of the token is not accepted',
      reason: 'token-audience',
    });
    expect(rejection).not.toHaveProperty('cause');
  });

  test('an empty secret is a TypeError', () => {
    expect(() => jwtAuth({ secret: '' })).toThrow(TypeError);
  });
});

describe('jwtAuth with a key set', () => {
  let server: Server;
  let jwksUrl: string;
  let signed: (claims: JWTPayload) => Promise<string>;
  let publicKey: string;

  beforeAll(async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(pair.publicKey);
    publicKey = JSON.stringify(jwk);
    signed = (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'one' }).setIssuedAt().sign(pair.privateKey);
    server = createServer((incoming, outgoing) => {
      if (incoming.url === '/keys') outgoing.end(JSON.stringify({ keys: [{ ...jwk, kid: 'one', alg: 'ES256' }] }));
      else outgoing.writeHead(500).end();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  });
  afterAll(() => void server.close());

  test('a token signed with one of the keys is accepted', async () => {
    expect(await jwtAuth({ jwksUrl })(request(await signed({ sub: 'ada' })))).toMatchObject({ userId: 'ada' });
  });

  test('a public key is not accepted as an HMAC secret', async () => {
    const token = await sign({ sub: 'ada' }, publicKey);
    await expect(jwtAuth({ jwksUrl })(request(token))).rejects.toMatchObject({ reason: 'token-algorithm' });
  });

  test('a token of a key that is not in the set is rejected as token-key', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const token = await new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg: 'ES256', kid: 'two' }).sign(privateKey);
    await expect(jwtAuth({ jwksUrl })(request(token))).rejects.toMatchObject({ reason: 'token-key' });
  });

  test('a failure to fetch the keys is not an invalid token', async () => {
    const authenticate = jwtAuth({ jwksUrl: jwksUrl.replace('/keys', '/gone') });
    const refusal = await Promise.resolve(authenticate(request(await signed({ sub: 'ada' })))).catch(String);
    expect(refusal).toMatch(/Key Set/);
  });
});
