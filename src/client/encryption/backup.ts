import type { Random } from './primitives.ts';

/** What a backup holds; never ratchets nor prekeys. `history` is the client's own text. */
export interface Backup {
  readonly userId: string;
  /** The identity's seed, 32 bytes. */
  readonly seed: Uint8Array;
  readonly pins: readonly { readonly userId: string; readonly identityKey: Uint8Array; readonly verified: boolean }[];
  readonly history?: string | undefined;
}

export type BackupFailure = 'malformed' | 'too-costly' | 'wrong-passphrase';

/** `log2N` is the cost of guessing the passphrase; 17 needs 128 MB for a moment. */
export function writeBackup(
  _backup: Backup,
  _passphrase: string,
  _random: Random,
  _log2N = 17,
): Promise<Uint8Array<ArrayBuffer>> {
  return Promise.reject(new Error('not yet'));
}

export function readBackup(
  _bytes: Uint8Array,
  _passphrase: string,
): Promise<{ ok: true; backup: Backup } | { ok: false; reason: BackupFailure }> {
  return Promise.reject(new Error('not yet'));
}
