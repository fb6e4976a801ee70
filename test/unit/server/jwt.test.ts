import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jwtAuth } from '../../../src/server/auth/jwt.ts';

const SECRET = 'a secret that is long enough for HS256';
const key = (secret: string) => new TextEncoder().encode(secret);
const sign = (claims: JWTPayload, secret = SECRET, alg = 'HS256') =>
  new SignJWT(claims).setProtectedHeader({ alg }).sign(key(secret));
const request = (token: string) => ({ headers: { authorization: `Bearer ${token}` }, query: {} });

describe('with a shared secret', () => {
  const authenticate = jwtAuth({ secret: SECRET, issuer: 'us', audience: 'chat' });
  const claims = { sub: 'ada', iss: 'us', aud: 'chat' };

  test('the subject is who somebody is, until the token expires', async () => {
    const exp = Math.floor(Date.now() / 1_000) + 60;
    expect(await authenticate(request(await sign({ ...claims, exp })))).toEqual({
      userId: 'ada',
      expiresAt: exp * 1_000,
    });
    expect(await authenticate(request(await sign(claims)))).toEqual({ userId: 'ada' });
  });

  test('no token is nobody', async () => {
    expect(await authenticate({ headers: {}, query: {} })).toBeUndefined();
  });

  test('an expired token is told apart from one that is not valid', async () => {
    const token = await sign({ ...claims, exp: Math.floor(Date.now() / 1_000) - 1 });
    await expect(authenticate(request(token))).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
  });

  test.each<[what: string, token: () => string | Promise<string>]>([
    ['another secret', () => sign(claims, 'another secret, just as long as it has to be')],
    ['another algorithm', () => sign(claims, SECRET.repeat(2), 'HS512')],
    ['no signature', () => new UnsecuredJWT(claims).encode()],
    ['another issuer', () => sign({ ...claims, iss: 'them' })],
    ['another audience', () => sign({ ...claims, aud: 'mail' })],
    ['no subject', () => sign({ iss: 'us', aud: 'chat' })],
    ['a time before it is valid', () => sign({ ...claims, nbf: Math.floor(Date.now() / 1_000) + 60 })],
    ['no sense', () => 'not.a.token'],
  ])('a token with %s is refused', async (_, token) => {
    await expect(authenticate(request(await token()))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('an empty secret is refused at once', () => {
    expect(() => jwtAuth({ secret: '' })).toThrow(TypeError);
  });
});

describe('with the keys of a signer', () => {
  let server: Server;
  let jwksUrl: string;
  let signed: (claims: JWTPayload) => Promise<string>;
  let publicKey: string;

  beforeAll(async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(pair.publicKey);
    publicKey = JSON.stringify(jwk);
    signed = (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(pair.privateKey);
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

  test('a token signed with one of them is believed', async () => {
    expect(await jwtAuth({ jwksUrl })(request(await signed({ sub: 'ada' })))).toEqual({ userId: 'ada' });
  });

  test('a public key is no HMAC secret', async () => {
    const token = await sign({ sub: 'ada' }, publicKey);
    await expect(jwtAuth({ jwksUrl })(request(token))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('keys that cannot be had say nothing about the token', async () => {
    const authenticate = jwtAuth({ jwksUrl: jwksUrl.replace('/keys', '/gone') });
    const refusal = await Promise.resolve(authenticate(request(await signed({ sub: 'ada' })))).catch(String);
    expect(refusal).toMatch(/Key Set/);
  });
});
