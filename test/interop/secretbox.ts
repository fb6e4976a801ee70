/** NaCl's secretbox (XSalsa20-Poly1305), implemented from its specification because node:crypto lacks it. */
const SIGMA = Buffer.from('expand 32-byte k');
const MASK = 0xffff_ffff;

const rotate = (value: number, by: number): number => ((value << by) | (value >>> (32 - by))) >>> 0;

const QUARTERS = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14],
] as const;

/** The Salsa20 state before and after its 20 rounds. */
function rounds(key: Buffer, input: Buffer): { before: number[]; after: number[] } {
  const word = (bytes: Buffer, at: number): number => bytes.readUInt32LE(at * 4);
  const before = Array.from({ length: 16 }, (_, at) => {
    if (at % 5 === 0) return word(SIGMA, at / 5);
    if (at < 5) return word(key, at - 1);
    return at < 10 ? word(input, at - 6) : word(key, at - 7);
  });
  const x = [...before];
  const at = (index: number): number => x[index] ?? 0;
  for (let round = 0; round < 10; round += 1) {
    for (const [a, b, c, d] of QUARTERS) {
      x[b] = (at(b) ^ rotate((at(a) + at(d)) & MASK, 7)) >>> 0;
      x[c] = (at(c) ^ rotate((at(b) + at(a)) & MASK, 9)) >>> 0;
      x[d] = (at(d) ^ rotate((at(c) + at(b)) & MASK, 13)) >>> 0;
      x[a] = (at(a) ^ rotate((at(d) + at(c)) & MASK, 18)) >>> 0;
    }
  }
  return { before, after: x };
}

function words(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, at * 4);
  return bytes;
}

function stream(key: Buffer, nonce: Buffer, length: number): Buffer {
  const { after } = rounds(key, nonce.subarray(0, 16));
  const subkey = words([0, 5, 10, 15, 6, 7, 8, 9].map((at) => after[at] ?? 0));
  const blocks: Buffer[] = [];
  for (let counter = 0; counter * 64 < length; counter += 1) {
    const input = Buffer.alloc(16);
    nonce.copy(input, 0, 16);
    input.writeUInt32LE(counter, 8);
    const block = rounds(subkey, input);
    blocks.push(words(block.before.map((value, at) => (value + (block.after[at] ?? 0)) & MASK)));
  }
  return Buffer.concat(blocks).subarray(0, length);
}

const littleEndian = (bytes: Buffer): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex') || '0'}`);

function poly1305(key: Buffer, message: Buffer): Buffer {
  const r = littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = Buffer.concat([message.subarray(at, at + 16), Buffer.from([1])]);
    sum = ((sum + littleEndian(block)) * r) % (2n ** 130n - 5n);
  }
  const tag = (sum + littleEndian(key.subarray(16))) & (2n ** 128n - 1n);
  return Buffer.from(tag.toString(16).padStart(32, '0'), 'hex').reverse();
}

const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)));

export function secretboxSeal(key: Buffer, nonce: Buffer, plaintext: Buffer): Buffer {
  const keys = stream(key, nonce, 32 + plaintext.length);
  const ciphertext = xor(plaintext, keys.subarray(32));
  return Buffer.concat([poly1305(keys.subarray(0, 32), ciphertext), ciphertext]);
}

export function secretboxOpen(key: Buffer, nonce: Buffer, box: Buffer): Buffer {
  const keys = stream(key, nonce, 16 + box.length);
  const ciphertext = box.subarray(16);
  if (!poly1305(keys.subarray(0, 32), ciphertext).equals(box.subarray(0, 16))) throw new Error('The tag is wrong');
  return xor(ciphertext, keys.subarray(32));
}
