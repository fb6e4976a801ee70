import type { Random } from './primitives.ts';

/** A record as it rests, under a data key of 32 bytes: bound to where it is stored and to its revision (u32). */
export function sealRecord(
  _dataKey: Uint8Array,
  _storeKey: string,
  _rev: number,
  _data: Uint8Array,
  _random: Random,
): string {
  throw new Error('not yet');
}

/** `undefined` for what was changed, moved from another place, or sealed under another key. */
export function openRecord(
  _dataKey: Uint8Array,
  _storeKey: string,
  _sealed: unknown,
): { rev: number; data: Uint8Array } | undefined {
  throw new Error('not yet');
}
