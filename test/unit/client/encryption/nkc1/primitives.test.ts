import { ed25519 } from '@noble/curves/ed25519.js';
import { expect, test } from 'vitest';
import {
  x25519,
  x25519KeyPair,
  hkdf,
  hmacSha256,
  ed25519ToX25519,
  aeadOpen,
  scrypt,
  sha256,
  sha256Stream,
  aeadSeal,
  sha512,
  ed25519Sign,
  ed25519KeyPair,
  ed25519Verify,
} from '../../../../../src/client/encryption/nkc1/primitives.ts';
import { ascii, bytesOf, fromHex, hex } from './parties.ts';

const L = 2n ** 252n + 27742317777372353535851937790883648493n;

test.each([
  [
    'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
    'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
    'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
  ],
  [
    '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
    'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
    '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
  ],
])('X25519 matches RFC 7748, section 5.2: %s', (scalar, u, result) => {
  expect(hex(x25519(fromHex(scalar), fromHex(u)) ?? bytesOf(0))).toBe(result);
});

test('1,000 iterations of X25519 match RFC 7748, section 5.2', () => {
  const nine = fromHex(`09${'00'.repeat(31)}`);
  const results = [nine, nine];
  for (let round = 0; round < 1_000; round += 1) {
    const [u = nine, k = nine] = results.slice(-2);
    results.push(x25519(k, u) ?? bytesOf(0));
  }
  expect(results.slice(2, 3).map(hex)).toEqual(['422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079']);
  expect(results.slice(-1).map(hex)).toEqual(['684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51']);
});

const RFC_8032 = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const;

test.each(RFC_8032)('Ed25519 matches RFC 8032, section 7.1: %s', (seed, publicKey, message, signature) => {
  const pair = ed25519KeyPair(fromHex(seed));
  expect(hex(pair.publicKey)).toBe(publicKey);
  expect(hex(ed25519Sign(fromHex(message), pair.secretKey))).toBe(signature);
  expect(ed25519Verify(fromHex(signature), fromHex(message), pair.publicKey)).toBe(true);
  expect(ed25519Verify(fromHex(signature), fromHex(`${message}00`), pair.publicKey)).toBe(false);
});

test.each([
  [
    '0b'.repeat(22),
    '000102030405060708090a0b0c',
    'f0f1f2f3f4f5f6f7f8f9',
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  ],
  ['0b'.repeat(22), '', '', '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8'],
])('HKDF matches RFC 5869, appendix A: %s %s', (ikm, salt, info, result) => {
  expect(hex(hkdf(fromHex(ikm), fromHex(salt), fromHex(info), 42))).toBe(result);
});

test('HMAC matches RFC 4231, section 4.2', () => {
  const result = 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7';
  expect(hex(hmacSha256(bytesOf(0x0b, 20), ascii('Hi There')))).toBe(result);
});

test('ChaCha20-Poly1305 matches RFC 8439, section 2.8.2', () => {
  const key = Uint8Array.from({ length: 32 }, (_, at) => 0x80 + at);
  const nonce = fromHex('070000004041424344454647');
  const ad = fromHex('50515253c0c1c2c3c4c5c6c7');
  const text =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
  const sealed =
    'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6' +
    '3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36' +
    '92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc' +
    '3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691';
  expect(hex(aeadSeal(key, nonce, ascii(text), ad))).toBe(sealed);
  expect(aeadOpen(key, nonce, fromHex(sealed), ad)).toEqual(ascii(text));
  expect(aeadOpen(key, nonce, fromHex(sealed), ascii('other'))).toBeUndefined();
});

test.each([
  ['', '', { log2N: 4, r: 1, p: 1 }, '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442'],
  ['password', 'NaCl', { log2N: 10, r: 8, p: 16 }, 'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162'],
])('scrypt matches RFC 7914, section 12: %s', async (password, salt, cost, result) => {
  expect(hex(await scrypt(ascii(password), ascii(salt), cost))).toBe(result);
});

/** Encodings of the points of order 1, 2, 4 and 8. */
const SMALL_ORDER = [
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  `${'00'.repeat(31)}80`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
];
const NOT_CANONICAL = [
  `01${'00'.repeat(30)}80`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(31)}`,
  'ff'.repeat(32),
  // y = p + 3, which is on the curve after reduction.
  `f0${'ff'.repeat(30)}7f`,
];

test.each([...SMALL_ORDER, ...NOT_CANONICAL])('the identity key %s is rejected and verifies no signature', (key) => {
  expect(ed25519ToX25519(fromHex(key))).toBeUndefined();
  // R = the key, S = 0 verifies for any message under the identity point in a lax implementation.
  expect(ed25519Verify(fromHex(key + '00'.repeat(32)), ascii('any'), fromHex(key))).toBe(false);
});

test.each(SMALL_ORDER)(
  'a valid key plus a point of small order (%s) is rejected unless it is the identity point',
  (small) => {
    const valid = ed25519.Point.fromBytes(ed25519KeyPair(bytesOf(9)).publicKey);
    const added = valid.add(ed25519.Point.fromBytes(fromHex(small), true)).toBytes();
    const isNeutral = small === SMALL_ORDER[0];
    expect(ed25519ToX25519(added) !== undefined).toBe(isNeutral);
  },
);

test.each([
  ['an empty key', new Uint8Array(0)],
  ['a key of 31 bytes', bytesOf(1, 31)],
  ['a key of 33 bytes', bytesOf(1, 33)],
  ['a key that is not on the curve', fromHex(`02${'00'.repeat(31)}`)],
])('%s is rejected as an identity key', (_title, key) => {
  expect(ed25519ToX25519(key)).toBeUndefined();
});

test('a malleated signature with S + L is rejected', () => {
  const pair = ed25519KeyPair(bytesOf(3));
  const signature = ed25519Sign(ascii('once'), pair.secretKey);
  const s = BigInt(`0x${hex(signature.slice(32).reverse())}`) + L;
  const other = new Uint8Array([...signature.slice(0, 32), ...fromHex(s.toString(16).padStart(64, '0')).reverse()]);
  expect(ed25519Verify(signature, ascii('once'), pair.publicKey)).toBe(true);
  expect(ed25519Verify(other, ascii('once'), pair.publicKey)).toBe(false);
});

test('a signature whose R is not canonical is refused, also where its sum comes out right', () => {
  // y = p stands for y = 0, a point of order 4: with S = k·a the equation holds, up to the cofactor.
  const r = fromHex(`ed${'ff'.repeat(30)}7f`);
  const { publicKey, x25519PrivateKey } = ed25519KeyPair(bytesOf(3));
  const number = (bytes: Uint8Array): bigint => BigInt(`0x${hex(bytes.slice().reverse())}`);
  const k = number(sha512(new Uint8Array([...r, ...publicKey, ...ascii('once')])));
  const s = ((k % L) * number(x25519PrivateKey)) % L;
  const signature = new Uint8Array([...r, ...fromHex(s.toString(16).padStart(64, '0')).reverse()]);
  expect(ed25519.verify(signature, ascii('once'), publicKey, { zip215: true })).toBe(true);
  expect(ed25519Verify(signature, ascii('once'), publicKey)).toBe(false);
});

test.each([0, 32, 63, 65, 128])('a signature of %s bytes is rejected', (length) => {
  expect(ed25519Verify(bytesOf(1, length), ascii('any'), ed25519KeyPair(bytesOf(3)).publicKey)).toBe(false);
});

test('the X25519 forms of public and private key match', () => {
  for (const byte of [1, 2, 3, 200]) {
    const { publicKey, x25519PrivateKey } = ed25519KeyPair(bytesOf(byte));
    expect(ed25519ToX25519(publicKey)).toEqual(x25519KeyPair(x25519PrivateKey).publicKey);
  }
});

test('a converted key is unchanged after it was evicted from the cache', () => {
  const first = ed25519KeyPair(bytesOf(77)).publicKey;
  const form = ed25519ToX25519(first);
  for (let at = 0; at < 1_100; at += 1)
    ed25519ToX25519(Uint8Array.from({ length: 32 }, (_, i) => (i < 2 ? at >> (8 * i) : 255)));
  expect(ed25519ToX25519(first)).toEqual(form);
});

// RFC 7748, section 6.1: all points of small order, and their non-canonical encodings.
test.each([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
])('x25519 with %s returns undefined', (publicKey) => {
  expect(x25519(bytesOf(42), fromHex(publicKey))).toBeUndefined();
});

test.each(['Node has a hash of its own', 'a browser has none'])(
  'SHA-256 of a stream is that of its bytes: %s',
  (where) => {
    const original: unknown = Reflect.get(process, 'getBuiltinModule');
    if (where === 'a browser has none') Reflect.set(process, 'getBuiltinModule', undefined);
    try {
      const hash = sha256Stream();
      for (const part of ['a', '', 'bc']) hash.update(ascii(part));
      expect(hex(hash.digest())).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
      expect(hex(sha256(ascii('abc')))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    } finally {
      Reflect.set(process, 'getBuiltinModule', original);
    }
  },
);
