const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Concatenates byte arrays. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concatAll(parts);
}

function concatAll(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Encodes a string as UTF-8. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return utf8.encode(text);
}

/** Decodes UTF-8. Returns `undefined` for invalid bytes. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Encodes an unsigned 32-bit integer, big-endian. */
export function u32(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

/** Encodes a string as its UTF-8 length in two bytes, big-endian, and the UTF-8. @throws RangeError beyond 65,535 bytes */
export function lp(text: string): Uint8Array<ArrayBuffer> {
  const bytes = utf8.encode(text);
  if (bytes.length > 0xffff) throw new RangeError('The string has more than 65,535 bytes of UTF-8');
  return concat(Uint8Array.of(bytes.length >>> 8, bytes.length & 0xff), bytes);
}

/** Compares byte arrays in constant time. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (const [at, byte] of a.entries()) difference |= byte ^ (b[at] ?? 0);
  return difference === 0;
}

/** Returns whether all bytes are zero, in constant time. */
export function isZero(bytes: Uint8Array): boolean {
  let any = 0;
  for (const byte of bytes) any |= byte;
  return any === 0;
}

class Malformed extends Error {}

/** Reads values from bytes, from the start. A missing or invalid value makes {@link readStrictly} return `undefined`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** Returns a copy, so that holding it does not keep the whole buffer in memory. */
  take(length: number): Uint8Array<ArrayBuffer> {
    if (length > this.left) this.fail();
    const taken = new Uint8Array(length);
    taken.set(this.#bytes.subarray(this.#at, (this.#at += length)));
    return taken;
  }

  u8(): number {
    const byte = this.#bytes[this.#at];
    this.#at += 1;
    return byte ?? this.fail();
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16();
  }

  /** Reads an integer up to 2⁵³ − 1, such as a time. */
  u64(): number {
    const value = this.u32() * 0x1_0000_0000 + this.u32();
    return Number.isSafeInteger(value) ? value : this.fail();
  }

  /** Reads a string that {@link lp} wrote. */
  text(): string {
    return decodeUtf8(this.take(this.u16())) ?? this.fail();
  }

  flag(): boolean {
    const value = this.u8();
    return value > 1 ? this.fail() : value === 1;
  }

  /** Reads a flag, and a value if it is set; else returns `undefined`. */
  maybe<T>(read: () => T): T | undefined {
    return this.flag() ? read() : undefined;
  }

  list<T>(read: () => T): T[] {
    const list: T[] = [];
    for (let left = this.u32(); left > 0; left -= 1) list.push(read());
    return list;
  }

  fail(): never {
    throw new Malformed();
  }
}

/** Returns what `read` reads, or `undefined` if bytes are missing, invalid or left over. */
export function readStrictly<T>(bytes: Uint8Array, read: (reader: ByteReader) => T): T | undefined {
  const reader = new ByteReader(bytes);
  try {
    const value = read(reader);
    return reader.left === 0 ? value : undefined;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

/** Writes values in the format of {@link ByteReader}. */
export class ByteWriter {
  readonly #parts: Uint8Array[] = [];

  bytes(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  u8(value: number): this {
    return this.bytes(Uint8Array.of(value));
  }

  u32(value: number): this {
    return this.bytes(u32(value));
  }

  u64(value: number): this {
    return this.u32(Math.floor(value / 0x1_0000_0000)).u32(value % 0x1_0000_0000);
  }

  text(text: string): this {
    return this.bytes(lp(text));
  }

  flag(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  maybe<T>(value: T | undefined, write: (value: T) => void): this {
    this.flag(value !== undefined);
    if (value !== undefined) write(value);
    return this;
  }

  list<T>(values: readonly T[], write: (value: T) => void): this {
    this.u32(values.length);
    for (const value of values) write(value);
    return this;
  }

  done(): Uint8Array<ArrayBuffer> {
    // Not `concat(...)`: an engine may reject tens of thousands of arguments.
    return concatAll(this.#parts);
  }
}
