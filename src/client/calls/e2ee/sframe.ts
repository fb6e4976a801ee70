type Bytes = Uint8Array<ArrayBuffer>;

/** Encryption keys derived from a device's media key (RFC 9605, section 4.4.2). */
export interface FrameKeys {
  readonly key: CryptoKey;
  readonly salt: Bytes;
}

/** A parsed SFrame header (RFC 9605, section 4.3). */
export interface FrameHeader {
  readonly keyId: number;
  readonly counter: number;
  /** Length of the header in bytes. */
  readonly length: number;
}

/** The operations of SFrame. */
export interface SFrame {
  /** Concatenates byte arrays. */
  concat(...parts: readonly Bytes[]): Bytes;
  /** Encodes a header: values below 8 in the first byte, larger ones after it, with their length in the first byte. */
  header(keyId: number, counter: number): Bytes;
  /** Parses a header. Returns `undefined` if it is truncated or its numbers exceed the safe integers. */
  parse(bytes: Bytes): FrameHeader | undefined;
  /** Derives the keys for a media key (RFC 9605, section 4.4.2). */
  derive(secret: Bytes, keyId: number): Promise<FrameKeys>;
  /** Returns header and ciphertext. Never call it twice with the same key and counter. */
  encrypt(keys: FrameKeys, keyId: number, counter: number, metadata: Bytes, frame: Bytes): Promise<Bytes>;
  /** Returns the frame. @throws OperationError if header, metadata or ciphertext was modified */
  decrypt(keys: FrameKeys, header: FrameHeader, metadata: Bytes, ciphertext: Bytes): Promise<Bytes>;
}

/**
 * SFrame (RFC 9605) with the cipher suite AES_256_GCM_SHA512_128. Must not use anything outside of its body, because its
 * source text is run in the worker.
 */
export function sframe(): SFrame {
  const SUITE = 5;
  const KEY_BITS = 256;
  const SALT_BITS = 96;

  function concat(...parts: readonly Bytes[]): Bytes {
    const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let offset = 0;
    for (const part of parts) {
      joined.set(part, offset);
      offset += part.length;
    }
    return joined;
  }

  /** Encodes a number in big-endian order, in `length` bytes or as few as possible. */
  function toBytes(value: number, length?: number): Bytes {
    const bytes: number[] = [];
    for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
    while (bytes.length < (length ?? 1)) bytes.unshift(0);
    return Uint8Array.from(bytes);
  }

  function header(keyId: number, counter: number): Bytes {
    const [kid, ctr] = [keyId, counter].map((value) => (value < 8 ? undefined : toBytes(value)));
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
        toBytes(keyId, 8),
        toBytes(SUITE, 2),
      );
      return crypto.subtle.deriveBits(
        { name: 'HKDF', hash: 'SHA-512', salt: new Uint8Array(0), info },
        material,
        length,
      );
    };
    const [key, salt] = await Promise.all([bits('key', KEY_BITS), bits('salt', SALT_BITS)]);
    const aesKey = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
    return { key: aesKey, salt: new Uint8Array(salt) };
  }

  function gcmParams(salt: Bytes, counter: number, head: Bytes, metadata: Bytes): AesGcmParams {
    const number = toBytes(counter, salt.length);
    const iv = salt.map((byte, at) => byte ^ (number[at] ?? 0));
    return { name: 'AES-GCM', iv, additionalData: concat(head, metadata) };
  }

  async function encrypt(
    { key, salt }: FrameKeys,
    keyId: number,
    counter: number,
    metadata: Bytes,
    frame: Bytes,
  ): Promise<Bytes> {
    const head = header(keyId, counter);
    const ciphertext = await crypto.subtle.encrypt(gcmParams(salt, counter, head, metadata), key, frame);
    return concat(head, new Uint8Array(ciphertext));
  }

  async function decrypt(
    { key, salt }: FrameKeys,
    { counter, length }: FrameHeader,
    metadata: Bytes,
    ciphertext: Bytes,
  ): Promise<Bytes> {
    const head = ciphertext.slice(0, length);
    const frame = await crypto.subtle.decrypt(
      gcmParams(salt, counter, head, metadata),
      key,
      ciphertext.subarray(length),
    );
    return new Uint8Array(frame);
  }

  return { concat, header, parse, derive, encrypt, decrypt };
}
