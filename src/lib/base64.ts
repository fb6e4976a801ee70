const ALPHABET = new TextEncoder().encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const PADDING = 0x3d;
const ascii = new TextDecoder();

/** Encodes bytes as base64 with padding (RFC 4648, section 4). */
export function toBase64(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    const [a = 0, b, c] = [bytes[from], bytes[from + 1], bytes[from + 2]];
    text[to] = ALPHABET[a >> 2] ?? 0;
    text[to + 1] = ALPHABET[((a & 3) << 4) | ((b ?? 0) >> 4)] ?? 0;
    text[to + 2] = b === undefined ? PADDING : (ALPHABET[((b & 15) << 2) | ((c ?? 0) >> 6)] ?? 0);
    text[to + 3] = c === undefined ? PADDING : (ALPHABET[c & 63] ?? 0);
  }
  return ascii.decode(text);
}

/**
 * Decodes base64. Returns `undefined` for anything that {@link toBase64} does not produce, such as white space, missing
 * padding or set bits after the end, so that no two texts decode to the same bytes.
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return undefined;
  }
  if (btoa(binary) !== text) return undefined;
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Encodes bytes as base64url without padding (RFC 4648, section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Decodes base64url without padding, as strictly as {@link fromBase64}. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[\w-]*$/.test(text)) return undefined;
  const padding = '='.repeat((4 - (text.length % 4)) % 4);
  return fromBase64(text.replaceAll('-', '+').replaceAll('_', '/') + padding);
}
