import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import { concat, decodeUtf8, encodeUtf8, readStrictly } from '../../../lib/bytes.ts';
import { decodeKey } from '../nkc1/envelope.ts';
import { openSecretbox, type Random, scrypt, secretbox } from '../nkc1/primitives.ts';

/** The content of a backup. It never contains ratchet state or prekeys. */
export interface BackupContent {
  readonly userId: string;
  /** Seed of the identity, 32 bytes. */
  readonly seed: Uint8Array;
  /** The identity keys of other users. */
  readonly pins: readonly PinnedKey[];
  /** JSON of the stored plaintexts, if they are included. */
  readonly history?: string | undefined;
  /** Ids of the conversations that require encryption. Absent in backups of earlier versions. */
  readonly required?: readonly string[] | undefined;
}

/** Another user's identity key in a backup. */
export interface PinnedKey {
  readonly userId: string;
  readonly identityKey: Uint8Array;
  readonly verified: boolean;
}

/** Why a backup can't be decrypted. `unsupported`: a later version wrote it. `too-costly`: its scrypt parameters exceed the limits. */
export type BackupFailure = 'malformed' | 'unsupported' | 'too-costly' | 'wrong-passphrase';

const MAGIC = encodeUtf8('NKB1');
const SALT_BYTES = 16;
const NONCE_BYTES = 24;
const BLOCK_SIZE = 8;
const PARALLEL = 1;
/** Limits for backups from elsewhere: 1 GB of memory. */
const MAX_LOG2_N = 20;
const MAX_PARALLEL = 4;

/**
 * Encrypts a backup in the format NKB1.
 *
 * @param log2N - scrypt's cost N = 2^log2N; 17 needs 128 MB of memory
 */
export async function encryptBackup(
  content: BackupContent,
  passphrase: string,
  random: Random,
  log2N = 17,
): Promise<Uint8Array<ArrayBuffer>> {
  const salt = random(SALT_BYTES);
  const nonce = random(NONCE_BYTES);
  const key = await scrypt(normalizePassphrase(passphrase), salt, { log2N, r: BLOCK_SIZE, p: PARALLEL });
  const box = secretbox(encodeContent(content), nonce, key);
  return concat(MAGIC, Uint8Array.of(log2N, BLOCK_SIZE, PARALLEL), salt, nonce, box);
}

/** Decrypts and parses a backup. */
export async function decryptBackup(
  bytes: Uint8Array,
  passphrase: string,
): Promise<{ ok: true; content: BackupContent } | { ok: false; reason: BackupFailure }> {
  const file = readStrictly(bytes, (reader) => {
    for (const byte of MAGIC) if (reader.u8() !== byte) reader.fail();
    const cost = { log2N: reader.u8(), r: reader.u8(), p: reader.u8() };
    return { cost, salt: reader.take(SALT_BYTES), nonce: reader.take(NONCE_BYTES), box: reader.take(reader.left) };
  });
  if (file === undefined) return { ok: false, reason: isLaterBackup(bytes) ? 'unsupported' : 'malformed' };
  const { log2N, r, p } = file.cost;
  if (log2N < 1 || r < 1 || p < 1) return { ok: false, reason: 'malformed' };
  if (log2N > MAX_LOG2_N || r > BLOCK_SIZE || p > MAX_PARALLEL) return { ok: false, reason: 'too-costly' };
  const key = await scrypt(normalizePassphrase(passphrase), file.salt, file.cost);
  const opened = openSecretbox(file.box, file.nonce, key);
  if (opened === undefined) return { ok: false, reason: 'wrong-passphrase' };
  const content = decodeContent(opened);
  return typeof content === 'string' ? { ok: false, reason: content } : { ok: true, content };
}

/** Whether the file names a later format: NKB2 and so on. */
function isLaterBackup(bytes: Uint8Array): boolean {
  const last = MAGIC.length - 1;
  return MAGIC.subarray(0, last).every((byte, at) => bytes[at] === byte) && (bytes[last] ?? 0) > (MAGIC[last] ?? 0);
}

/** Keyboards encode the same text differently; NFKC makes the encodings equal. */
function normalizePassphrase(passphrase: string): Uint8Array {
  return encodeUtf8(passphrase.normalize('NFKC'));
}

function encodeContent({ userId, seed, pins, history, required }: BackupContent): Uint8Array {
  const keys = pins.map((pin) => ({ ...pin, identityKey: toBase64(pin.identityKey) }));
  return encodeUtf8(JSON.stringify({ v: 1, userId, seed: toBase64(seed), pins: keys, history, required }));
}

function decodeContent(bytes: Uint8Array): BackupContent | BackupFailure {
  let json: unknown;
  try {
    json = JSON.parse(decodeUtf8(bytes) ?? '');
  } catch {
    return 'malformed';
  }
  const { v, userId, seed: seedText, pins, history, required } = asRecord(json);
  const seed = typeof seedText === 'string' ? fromBase64(seedText) : undefined;
  if (typeof v === 'number' && v > 1) return 'unsupported';
  if (v !== 1 || typeof userId !== 'string' || seed?.length !== 32 || !Array.isArray(pins)) return 'malformed';
  if (history !== undefined && typeof history !== 'string') return 'malformed';
  if (required !== undefined && !isStringArray(required)) return 'malformed';
  const parsed = pins.map(parsePin);
  const valid = parsed.filter((pin) => pin !== undefined);
  return valid.length < parsed.length ? 'malformed' : { userId, seed, pins: valid, history, required };
}

function parsePin(value: unknown): PinnedKey | undefined {
  const { userId, identityKey: text, verified } = asRecord(value);
  const identityKey = decodeKey(text);
  if (typeof userId !== 'string' || identityKey === undefined || typeof verified !== 'boolean') return undefined;
  return { userId, identityKey, verified };
}

function isStringArray(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
