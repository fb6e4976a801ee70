/** Primitives of NKC1 on node:crypto. Shares no code with `src`. */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
} from 'node:crypto';

const X25519_PRIVATE = Buffer.from('302e020100300506032b656e04220420', 'hex');
const X25519_PUBLIC = Buffer.from('302a300506032b656e032100', 'hex');
const ED25519_PRIVATE = Buffer.from('302e020100300506032b657004220420', 'hex');
const ED25519_PUBLIC = Buffer.from('302a300506032b6570032100', 'hex');
const P = 2n ** 255n - 19n;

const privateKey = (prefix: Buffer, raw: Buffer): KeyObject =>
  createPrivateKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'pkcs8' });
const publicKey = (prefix: Buffer, raw: Buffer): KeyObject =>
  createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' });
const rawPublic = (key: KeyObject): Buffer =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);

export const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
const sha512 = (bytes: Buffer): Buffer => createHash('sha512').update(bytes).digest();
export const hmac = (key: Buffer, byte: number): Buffer =>
  createHmac('sha256', key)
    .update(Buffer.from([byte]))
    .digest();
export const hkdf = (ikm: Buffer, salt: Buffer, info: Buffer | string, length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', ikm, salt, info, length));

export const x25519Public = (secret: Buffer): Buffer => rawPublic(privateKey(X25519_PRIVATE, secret));
/** OpenSSL throws if the result is zero. */
export const x25519 = (secret: Buffer, other: Buffer): Buffer =>
  diffieHellman({ privateKey: privateKey(X25519_PRIVATE, secret), publicKey: publicKey(X25519_PUBLIC, other) });

export const ed25519Public = (seed: Buffer): Buffer => rawPublic(privateKey(ED25519_PRIVATE, seed));
export const ed25519Sign = (seed: Buffer, message: Buffer): Buffer =>
  nodeSign(null, message, privateKey(ED25519_PRIVATE, seed));
export const ed25519Verify = (key: Buffer, message: Buffer, signature: Buffer): boolean =>
  nodeVerify(null, message, publicKey(ED25519_PUBLIC, key), signature);

/** clamp(SHA-512(seed)[0..32]) */
export function seedToX25519(seed: Buffer): Buffer {
  const secret = sha512(seed).subarray(0, 32);
  secret.writeUInt8(secret.readUInt8(0) & 248, 0);
  secret.writeUInt8((secret.readUInt8(31) & 127) | 64, 31);
  return secret;
}

/** u = (1 + y) / (1 − y) mod p */
export function ed25519ToX25519(key: Buffer): Buffer {
  const y = BigInt(`0x${Buffer.from(key).reverse().toString('hex')}`) & (2n ** 255n - 1n);
  const u = ((1n + y) * power((1n - y + P) % P, P - 2n)) % P;
  return Buffer.from(u.toString(16).padStart(64, '0'), 'hex').reverse();
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, base];
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

export function aeadSeal(key: Buffer, nonce: Buffer, plaintext: Buffer, ad: Buffer): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  cipher.setAAD(ad, { plaintextLength: plaintext.length });
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

export function aeadOpen(key: Buffer, nonce: Buffer, sealed: Buffer, ad: Buffer): Buffer {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  decipher.setAAD(ad, { plaintextLength: sealed.length - 16 });
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function lp(text: string): Buffer {
  const utf8 = Buffer.from(text, 'utf8');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(utf8.length);
  return Buffer.concat([length, utf8]);
}

export function pad(plaintext: Buffer): Buffer {
  const padded = Buffer.concat([plaintext, Buffer.from([0x80])]);
  return Buffer.concat([padded, Buffer.alloc((256 - (padded.length % 256)) % 256)]);
}

export function unpad(padded: Buffer): Buffer {
  const end = padded.lastIndexOf(0x80);
  if (end < 0 || padded.subarray(end + 1).some((byte) => byte !== 0)) throw new Error('The padding is wrong');
  return padded.subarray(0, end);
}
