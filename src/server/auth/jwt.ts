import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { CommError, isCommError, type CredentialFault } from '../../protocol/errors.ts';
import { tokenOf, type Authenticate, type Identity } from './authenticate.ts';

interface JwtClaims {
  /** Required value of the claim `iss`. @defaultValue not checked */
  issuer?: string | undefined;
  /** Required value of the claim `aud`. @defaultValue not checked */
  audience?: string | undefined;
  /**
   * Longest validity of a token in ms, from its claim `iat`. A token without `exp` and `iat` is rejected.
   *
   * @defaultValue 86_400_000 (24 hours)
   */
  maxTokenAgeMs?: number | undefined;
}
/** Verifies tokens that are signed with a shared secret (HS256). */
export interface JwtSecretOptions extends JwtClaims {
  /** Shared secret. RFC 7518 requires at least 32 bytes. */
  secret: string | Uint8Array;
}
/** Verifies tokens that are signed with a private key (RSA, ECDSA, EdDSA) against published public keys. */
export interface JwksOptions extends JwtClaims {
  /** URL of the JSON Web Key Set (RFC 7517). Fetched on demand and cached. */
  jwksUrl: string | URL;
}
/** Options of {@link jwtAuth}. */
export type JwtAuthOptions = JwtSecretOptions | JwksOptions;

// Algorithms are fixed per kind of key, so that a public key can't be used as an HMAC secret (RFC 8725, section 3.1).
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

/** Default of `maxTokenAgeMs`. */
const DEFAULT_MAX_TOKEN_AGE_MS = 24 * 60 * 60 * 1_000;

/**
 * Authenticates by a JSON Web Token (RFC 7519) in the Socket.IO `auth` payload or the `Authorization: Bearer` header.
 * The user id is its `sub`; the claims `name` and `picture` are the user's profile where no other source has one; the identity expires at its `exp`, or `maxTokenAgeMs` after its `iat` if that is earlier.
 * Rejects with `TOKEN_EXPIRED` or `UNAUTHENTICATED`.
 *
 * @throws TypeError if the secret is empty or `maxTokenAgeMs` is not a number above 0
 */
export function jwtAuth(options: JwtAuthOptions): Authenticate {
  const { maxTokenAgeMs = DEFAULT_MAX_TOKEN_AGE_MS } = options;
  if (!(maxTokenAgeMs > 0)) throw new TypeError(`maxTokenAgeMs must be a number above 0; got ${maxTokenAgeMs}`);
  const verify = verifier(options);
  return async (request) => {
    const token = tokenOf(request);
    if (token === undefined) return undefined;
    try {
      return identityOf(await verify(token), maxTokenAgeMs);
    } catch (error) {
      // A failure to fetch the keys says nothing about the token.
      throw isCommError(error) ? error : (tokenError(error) ?? error);
    }
  };
}

const FAULTS: readonly (readonly [fault: new (...args: never[]) => Error, reason: CredentialFault, message: string])[] =
  [
    [errors.JWSSignatureVerificationFailed, 'token-signature', 'The signature of the token is not valid'],
    [errors.JOSEAlgNotAllowed, 'token-algorithm', 'The algorithm of the token is not accepted'],
    [errors.JOSENotSupported, 'token-algorithm', 'The algorithm of the token is not accepted'],
    [errors.JWKSNoMatchingKey, 'token-key', 'The token is signed with an unknown key'],
    [errors.JWKSMultipleMatchingKeys, 'token-key', 'The token does not identify its key by a kid'],
    [errors.JWSInvalid, 'token-malformed', 'The token is not a signed JSON Web Token'],
    [errors.JWTInvalid, 'token-malformed', 'The token is not a signed JSON Web Token'],
  ];
/** By claim. The signature is checked before the claims, so that only a signer learns which claim is not valid. */
const CLAIM_REASONS: Readonly<Record<string, CredentialFault>> = {
  sub: 'token-subject',
  iss: 'token-issuer',
  aud: 'token-audience',
  nbf: 'token-not-yet-valid',
  iat: 'token-lifetime',
  exp: 'token-lifetime',
};

/** Returns the error that is sent to the client, or `undefined` if the token is not to blame. */
function tokenError(error: unknown): CommError | undefined {
  if (error instanceof errors.JWTExpired) {
    return new CommError('TOKEN_EXPIRED', 'The token has expired', { reason: 'token-expired' });
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim } = error;
    const problem = error.reason === 'missing' ? 'is missing' : 'is not accepted';
    return new CommError('UNAUTHENTICATED', `The claim ${claim} of the token ${problem}`, {
      reason: CLAIM_REASONS[claim] ?? 'token-malformed',
    });
  }
  const fault = FAULTS.find(([type]) => error instanceof type);
  return fault === undefined ? undefined : new CommError('UNAUTHENTICATED', fault[2], { reason: fault[1] });
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

/** @throws CommError `UNAUTHENTICATED` if the token has no limited lifetime, `TOKEN_EXPIRED` if it is too old */
function identityOf({ sub, exp, iat, name, picture }: JWTPayload, maxTokenAgeMs: number): Identity | undefined {
  if (sub === undefined) return undefined;
  if (exp === undefined && iat === undefined) {
    throw new CommError('UNAUTHENTICATED', 'The token must have a claim exp or iat', { reason: 'token-lifetime' });
  }
  const oldestMs = iat === undefined ? Number.POSITIVE_INFINITY : Math.min(iat * 1_000, Date.now()) + maxTokenAgeMs;
  const expiresAt = Math.min(exp === undefined ? Number.POSITIVE_INFINITY : exp * 1_000, oldestMs);
  if (expiresAt <= Date.now()) {
    throw new CommError('TOKEN_EXPIRED', 'The token has expired', { reason: 'token-expired' });
  }
  // The standard claims of OpenID Connect Core 1.0, section 5.1.
  const profile = {
    ...(typeof name === 'string' && { displayName: name }),
    ...(typeof picture === 'string' && { avatarUrl: picture }),
  };
  return { userId: sub, expiresAt, ...(Object.keys(profile).length > 0 && { profile }) };
}
