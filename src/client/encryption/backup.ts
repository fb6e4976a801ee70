import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { concat, decodeUtf8, encodeUtf8, readStrictly } from '../../lib/bytes.ts';
import { readKey } from './envelope.ts';
import { openSecretbox, type Random, scrypt, secretbox } from './primitives.ts';

/** What a backup holds; never ratchets nor prekeys. `history` is the client's own text. */
export interface Backup {
  readonly userId: string;
  /** The identity's seed, 32 bytes. */
  readonly seed: Uint8Array;
  readonly pins: readonly Pin[];
  readonly history?: string | undefined;
}
export interface Pin {
  readonly userId: string;
  readonly identityKey: Uint8Array;
  readonly verified: boolean;
}

export type BackupFailure = 'malformed' | 'too-costly' | 'wrong-passphrase';

const MAGIC = encodeUtf8('NKB1');
const SALT_BYTES = 16;
const NONCE_BYTES = 24;
const BLOCK_SIZE = 8;
const PARALLEL = 1;
/** A file from elsewhere may ask for so much and no more: 1 GB of memory, and the time that it takes. */
const MAX_LOG2_N = 20;
const MAX_PARALLEL = 4;

/** `log2N` is the cost of guessing the passphrase; 17 needs 128 MB for a moment. */
export async function writeBackup(
  backup: Backup,
  passphrase: string,
  random: Random,
  log2N = 17,
): Promise<Uint8Array<ArrayBuffer>> {
  const salt = random(SALT_BYTES);
  const nonce = random(NONCE_BYTES);
  const key = await scrypt(normalized(passphrase), salt, { log2N, r: BLOCK_SIZE, p: PARALLEL });
  const box = secretbox(encodeBackup(backup), nonce, key);
  return concat(MAGIC, Uint8Array.of(log2N, BLOCK_SIZE, PARALLEL), salt, nonce, box);
}

export async function readBackup(
  bytes: Uint8Array,
  passphrase: string,
): Promise<{ ok: true; backup: Backup } | { ok: false; reason: BackupFailure }> {
  const file = readStrictly(bytes, (reader) => {
    for (const byte of MAGIC) if (reader.u8() !== byte) reader.fail();
    const cost = { log2N: reader.u8(), r: reader.u8(), p: reader.u8() };
    return { cost, salt: reader.take(SALT_BYTES), nonce: reader.take(NONCE_BYTES), box: reader.take(reader.left) };
  });
  if (file === undefined) return { ok: false, reason: 'malformed' };
  const { log2N, r, p } = file.cost;
  if (log2N < 1 || r < 1 || p < 1) return { ok: false, reason: 'malformed' };
  if (log2N > MAX_LOG2_N || r > BLOCK_SIZE || p > MAX_PARALLEL) return { ok: false, reason: 'too-costly' };
  const key = await scrypt(normalized(passphrase), file.salt, file.cost);
  const opened = openSecretbox(file.box, file.nonce, key);
  if (opened === undefined) return { ok: false, reason: 'wrong-passphrase' };
  const backup = decodeBackup(opened);
  return backup === undefined ? { ok: false, reason: 'malformed' } : { ok: true, backup };
}

/** The same text typed on another keyboard is the same passphrase. */
function normalized(passphrase: string): Uint8Array {
  return encodeUtf8(passphrase.normalize('NFKC'));
}

function encodeBackup({ userId, seed, pins, history }: Backup): Uint8Array {
  const keys = pins.map((pin) => ({ ...pin, identityKey: toBase64(pin.identityKey) }));
  return encodeUtf8(JSON.stringify({ v: 1, userId, seed: toBase64(seed), pins: keys, history }));
}

function decodeBackup(bytes: Uint8Array): Backup | undefined {
  let read: unknown;
  try {
    read = JSON.parse(decodeUtf8(bytes) ?? '');
  } catch {
    return undefined;
  }
  const { v, userId, seed: seedText, pins, history } = fieldsOf(read);
  const seed = typeof seedText === 'string' ? fromBase64(seedText) : undefined;
  if (v !== 1 || typeof userId !== 'string' || seed?.length !== 32 || !Array.isArray(pins)) return undefined;
  if (history !== undefined && typeof history !== 'string') return undefined;
  const known = pins.map(readPin);
  const sound = known.filter((pin) => pin !== undefined);
  return sound.length < known.length ? undefined : { userId, seed, pins: sound, history };
}

function readPin(value: unknown): Pin | undefined {
  const { userId, identityKey: text, verified } = fieldsOf(value);
  const identityKey = readKey(text);
  if (typeof userId !== 'string' || identityKey === undefined || typeof verified !== 'boolean') return undefined;
  return { userId, identityKey, verified };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
