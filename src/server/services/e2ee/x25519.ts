import { ED25519_P as P, littleEndian } from './ed25519.ts';

/**
 * The two u-coordinates of order 8 on the curve. Those of lower order, and those of the twist, are 0, 1 and −1 (RFC
 * 7748, section 4.1).
 */
const ORDER_8_U = [
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
];
/** With these every private key results in the shared secret zero (RFC 7748, section 6.1). */
const LOW_ORDER_U: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, ...ORDER_8_U]);

/**
 * Returns whether a public key has low order. The key is read as X25519 reads it: the most significant bit is ignored,
 * and the value isn't reduced.
 */
export function isLowOrderX25519(bytes: Uint8Array): boolean {
  return LOW_ORDER_U.has((littleEndian(bytes) & (2n ** 255n - 1n)) % P);
}
