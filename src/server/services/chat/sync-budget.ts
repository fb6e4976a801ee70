import type { Message } from '../../../protocol/messages.ts';

/**
 * Maximum size of the rows and conversations of one reply in bytes of JSON. While a frame is being transferred, a slow
 * connection appears dead, because nothing else arrives. 128 KiB take 1.5 s at 100 KB/s.
 */
const ANSWER_BYTES = 131_072;
/** Maximum number of conversations in one reply. More never fit, so they aren't loaded. */
export const ANSWER_CONVERSATIONS = 500;

/** Bytes of JSON that are left in one part of a reply. */
export class ByteBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  get left(): number {
    return this.#left;
  }

  /** Takes the size of a value and a comma. @returns whether it fits; if it doesn't, nothing is taken */
  take(value: unknown): boolean {
    const bytes = bytesOf(value) + 1;
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  /** Takes the size of a value that can't be omitted. */
  force(value: unknown): void {
    this.#left -= bytesOf(value) + 1;
  }
}

/** Returns the rows that fit, at least one. */
export function trimRows(rows: readonly Message[], bytes = ANSWER_BYTES): Message[] {
  let left = bytes;
  // Plus one byte for the comma.
  const end = rows.findIndex((row, at) => (left -= bytesOf(row) + 1) < 0 && at > 0);
  return rows.slice(0, end === -1 ? rows.length : end);
}

/** Returns the size of a value in bytes of JSON. */
export function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
