import { ED25519_P as P, littleEndian } from './ed25519.ts';

/** The two u of order 8 on the curve; those of lower order and of its twist are 0, 1 and −1 (RFC 7748, section 4.1). */
const ORDER_8_U = [
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
];
/** With these every secret makes the same shared secret, all zeros (RFC 7748, section 6.1). */
const LOW_ORDER_U: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, ...ORDER_8_U]);

/** Whether 32 bytes, read as X25519 reads them (the topmost bit ignored, not reduced), are a key that shares no secret. */
export function isLowOrderX25519(bytes: Uint8Array): boolean {
  return LOW_ORDER_U.has((littleEndian(bytes) & (2n ** 255n - 1n)) % P);
}
