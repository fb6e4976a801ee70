/** Bytes of a file in one segment. Only the last one may have fewer. */
export const SEGMENT_BYTES = 65_536;
/** Bytes of the tag after each segment. */
export const TAG_BYTES = 16;

/** Returns the number of segments. An empty file has one, which authenticates its end. @param size - in bytes */
export function segmentsOf(size: number): number {
  return Math.max(1, Math.ceil(size / SEGMENT_BYTES));
}

/** Returns the size of an encrypted file. @param size - of the file in bytes */
export function sealedSize(size: number): number {
  return size + segmentsOf(size) * TAG_BYTES;
}
