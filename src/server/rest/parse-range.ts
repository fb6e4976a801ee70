import type { ByteRange } from '../services/files/file-backend.ts';

/**
 * Parses a `Range` header (RFC 9110, section 14.2) with one range.
 *
 * @returns `undefined` if the whole content is to be sent: without a header, and for several ranges and other units,
 *   which a server may ignore; `unsatisfiable` if the range contains no byte
 */
export function parseRange(
  header: string | readonly string[] | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = typeof header === 'string' ? (/^bytes=(\d{0,15})-(\d{0,15})$/.exec(header) ?? []) : [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  // A range that ends before it starts is not valid, and an invalid header is ignored.
  if (last !== '' && Number(last) < start) return undefined;
  return start >= size ? 'unsatisfiable' : { start, end };
}
