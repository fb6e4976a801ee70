/** Derived from the key of a device: good for frames that name that key. */
export interface FrameKeys {
  readonly key: CryptoKey;
  readonly salt: Uint8Array<ArrayBuffer>;
}
export interface FrameHeader {
  readonly keyId: number;
  readonly counter: number;
  /** Of the header itself, in bytes. */
  readonly length: number;
}
type Bytes = Uint8Array<ArrayBuffer>;

export interface SFrame {
  concat(...parts: readonly Bytes[]): Bytes;
  /** Section 4.3: small numbers stand in the first byte, others behind it, with their length in it. */
  header(keyId: number, counter: number): Bytes;
  /** Nothing where it isn't one, or one with numbers that no device of ours gets to. */
  parse(bytes: Bytes): FrameHeader | undefined;
  /** Section 4.4.2. */
  derive(secret: Bytes, keyId: number): Promise<FrameKeys>;
  /** @returns header and ciphertext. A counter must never come twice with one key. */
  seal(keys: FrameKeys, keyId: number, counter: number, metadata: Bytes, frame: Bytes): Promise<Bytes>;
  /** @throws OperationError where it isn't what was sealed */
  open(keys: FrameKeys, header: FrameHeader, metadata: Bytes, sealed: Bytes): Promise<Bytes>;
}

/**
 * SFrame (RFC 9605) with AES_256_GCM_SHA512_128. One function that needs nothing around it, because its text is what the
 * worker runs.
 */
export function sframe(): SFrame {
  const SUITE = 5;
  const KEY_BITS = 256;
  const SALT_BITS = 96;

  function concat(...parts: readonly Bytes[]): Bytes {
    const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  /** Big-endian; as short as it can be where no length is given. */
  function bytesOf(value: number, length?: number): Bytes {
    const bytes: number[] = [];
    for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
    while (bytes.length < (length ?? 1)) bytes.unshift(0);
    return Uint8Array.from(bytes);
  }

  function header(keyId: number, counter: number): Bytes {
    const [kid, ctr] = [keyId, counter].map((value) => (value < 8 ? undefined : bytesOf(value)));
    const field = (value: number, long: Bytes | undefined): number =>
      long === undefined ? value : 8 + long.length - 1;
    const first = (field(keyId, kid) << 4) | field(counter, ctr);
    return concat(Uint8Array.of(first), kid ?? new Uint8Array(0), ctr ?? new Uint8Array(0));
  }

  function parse(bytes: Bytes): FrameHeader | undefined {
    const [first] = bytes;
    if (first === undefined) return undefined;
    let length = 1;
    const read = (field: number): number => {
      if (field < 8) return field;
      const end = length + field - 7;
      let value = 0;
      while (length < end) value = value * 256 + (bytes[length++] ?? Number.NaN);
      return value;
    };
    const keyId = read(first >> 4);
    const counter = read(first & 15);
    return Number.isSafeInteger(keyId) && Number.isSafeInteger(counter) ? { keyId, counter, length } : undefined;
  }

  async function derive(secret: Bytes, keyId: number): Promise<FrameKeys> {
    const material = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
    const bits = (label: string, length: number): Promise<ArrayBuffer> => {
      const info = concat(
        new TextEncoder().encode(`SFrame 1.0 Secret ${label} `),
        bytesOf(keyId, 8),
        bytesOf(SUITE, 2),
      );
      return crypto.subtle.deriveBits(
        { name: 'HKDF', hash: 'SHA-512', salt: new Uint8Array(0), info },
        material,
        length,
      );
    };
    const [key, salt] = await Promise.all([bits('key', KEY_BITS), bits('salt', SALT_BITS)]);
    const usable = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
    return { key: usable, salt: new Uint8Array(salt) };
  }

  function algorithm(salt: Bytes, counter: number, head: Bytes, metadata: Bytes): AesGcmParams {
    const number = bytesOf(counter, salt.length);
    const iv = salt.map((byte, at) => byte ^ (number[at] ?? 0));
    return { name: 'AES-GCM', iv, additionalData: concat(head, metadata) };
  }

  async function seal(
    { key, salt }: FrameKeys,
    keyId: number,
    counter: number,
    metadata: Bytes,
    frame: Bytes,
  ): Promise<Bytes> {
    const head = header(keyId, counter);
    const sealed = await crypto.subtle.encrypt(algorithm(salt, counter, head, metadata), key, frame);
    return concat(head, new Uint8Array(sealed));
  }

  async function open(
    { key, salt }: FrameKeys,
    { counter, length }: FrameHeader,
    metadata: Bytes,
    sealed: Bytes,
  ): Promise<Bytes> {
    const head = sealed.slice(0, length);
    const opened = await crypto.subtle.decrypt(algorithm(salt, counter, head, metadata), key, sealed.subarray(length));
    return new Uint8Array(opened);
  }

  return { concat, header, parse, derive, seal, open };
}
