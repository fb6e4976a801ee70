import { hash } from 'node:crypto';

/** A value as SQLite stores it. */
export type StoredValue = bigint | number | string | Uint8Array | null;

/** Number and checksum of the rows of a table. */
export interface RowsDigest {
  readonly rows: number;
  /** 32 hexadecimal digits. */
  readonly checksum: string;
}

const DIGITS = 32;
const MODULUS = 1n << 128n;

/**
 * Checksum of rows: the sum of their SHA-256 hashes, cut to 128 bits each. It doesn't depend on the order of the rows, which two
 * databases needn't share.
 */
export class RowChecksum {
  #rows = 0;
  #sum = 0n;

  add(row: readonly StoredValue[]): void {
    this.#rows += 1;
    const digest = hash('sha256', row.map(encode).join(''), 'hex');
    this.#sum = (this.#sum + BigInt(`0x${digest.slice(0, DIGITS)}`)) % MODULUS;
  }

  get digest(): RowsDigest {
    return { rows: this.#rows, checksum: this.#sum.toString(16).padStart(DIGITS, '0') };
  }
}

/** Type, length and text of a value, so that no two rows have the same encoding. */
function encode(value: StoredValue): string {
  if (value === null) return 'n';
  if (value instanceof Uint8Array) return `b${value.byteLength}:${Buffer.from(value).toString('hex')}`;
  const text = String(value);
  return `${TYPES[typeof value as keyof typeof TYPES]}${text.length}:${text}`;
}

const TYPES = { bigint: 'i', number: 'r', string: 't' } as const;
