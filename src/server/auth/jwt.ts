import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { CommError } from '../../protocol/errors.ts';
import { tokenOf, type Authenticate, type Identity } from '../auth.ts';

interface JwtClaims {
  /** The `iss` that tokens must have. @defaultValue not looked at */
  issuer?: string | undefined;
  /** The `aud` that tokens must have. @defaultValue not looked at */
  audience?: string | undefined;
}
/** Tokens signed with a shared secret (HS256). */
export interface JwtSecretOptions extends JwtClaims {
  /** Shared with whoever signs the tokens (HS256). RFC 7518 asks for 32 bytes or more. */
  secret: string | Uint8Array;
}
/** Tokens signed with a private key whose public half is published (RSA, ECDSA, EdDSA). */
export interface JwksOptions extends JwtClaims {
  /** Where the public keys of the signer are (RFC 7517); fetched when needed and kept. */
  jwksUrl: string | URL;
}
/** How tokens are checked. */
export type JwtAuthOptions = JwtSecretOptions | JwksOptions;

// Pinned per kind of key: a token signed with a public key as an HMAC secret must never pass (RFC 8725, section 3.1).
const SECRET_ALGORITHMS = ['HS256'];
const PUBLIC_KEY_ALGORITHMS = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
];

/**
 * Who somebody is by a JSON Web Token (RFC 7519) in the Socket.IO `auth` payload or the `Authorization: Bearer` header:
 * its `sub`, until its `exp`. Rejects with `TOKEN_EXPIRED` or `UNAUTHENTICATED`.
 */
export function jwtAuth(options: JwtAuthOptions): Authenticate {
  const verify = verifier(options);
  return async (request) => {
    const token = tokenOf(request);
    if (token === undefined) return undefined;
    try {
      return identityOf(await verify(token));
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new CommError('TOKEN_EXPIRED', 'The token has expired');
      // Our own trouble with the key server says nothing about the token.
      if (!isTokenFault(error)) throw error;
      throw new CommError('UNAUTHENTICATED', 'The token is not valid');
    }
  };
}

const TOKEN_FAULTS = [
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSMultipleMatchingKeys,
  errors.JWKSNoMatchingKey,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
];

function isTokenFault(error: unknown): boolean {
  return TOKEN_FAULTS.some((fault) => error instanceof fault);
}

function verifier(options: JwtAuthOptions): (token: string) => Promise<JWTPayload> {
  const claims: JWTVerifyOptions = {
    requiredClaims: ['sub'],
    ...(options.issuer !== undefined && { issuer: options.issuer }),
    ...(options.audience !== undefined && { audience: options.audience }),
  };
  if ('jwksUrl' in options) {
    const keys = createRemoteJWKSet(new URL(options.jwksUrl));
    return async (token) => (await jwtVerify(token, keys, { ...claims, algorithms: PUBLIC_KEY_ALGORITHMS })).payload;
  }
  const secret = typeof options.secret === 'string' ? new TextEncoder().encode(options.secret) : options.secret;
  if (secret.length === 0) throw new TypeError('secret must not be empty');
  return async (token) => (await jwtVerify(token, secret, { ...claims, algorithms: SECRET_ALGORITHMS })).payload;
}

function identityOf({ sub, exp }: JWTPayload): Identity | undefined {
  if (sub === undefined) return undefined;
  return { userId: sub, ...(exp !== undefined && { expiresAt: exp * 1_000 }) };
}
