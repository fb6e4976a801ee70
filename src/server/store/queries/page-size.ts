import { sql, type RawBuilder } from 'kysely';

/** Size of a page of messages. */
export interface PageSize {
  readonly limit: number;
  /** Content to read at most, in bytes. The first row is always read. */
  readonly bytes: number;
}

/** Bytes of the stored content of a message. SQLite knows them without reading the content. */
export const storedBytes: RawBuilder<number> = sql<number>`
  (octet_length(messages.content) + coalesce(octet_length(messages.attachment), 0)
    + coalesce(octet_length(messages.reaction_envelopes), 0) + coalesce(octet_length(messages.mentions), 0)
    + coalesce(octet_length(messages.metadata), 0))`;

/** Returns how many of the rows with these sizes fit in a page, at least one if there is one. */
export function countFitting(sizes: readonly { readonly bytes: number }[], { limit, bytes }: PageSize): number {
  let total = 0;
  const end = sizes.slice(0, limit).findIndex((each, at) => (total += each.bytes) > bytes && at > 0);
  return end === -1 ? Math.min(limit, sizes.length) : end;
}

/** UTF-8 has at most this number of bytes per UTF-16 code unit. */
const MAX_BYTES_PER_UNIT = 3;

/** Returns how many of the rows, written as JSON, fit in a number of bytes: at least one. Usually without measuring each. */
export function countWritten(rows: readonly string[], bytes: number): number {
  // Plus one byte for the comma.
  const units = rows.reduce((sum, row) => sum + row.length + 1, 0);
  if (units * MAX_BYTES_PER_UNIT <= bytes) return rows.length;
  let left = bytes;
  const end = rows.findIndex((row, at) => (left -= Buffer.byteLength(row) + 1) < 0 && at > 0);
  return end === -1 ? rows.length : end;
}
