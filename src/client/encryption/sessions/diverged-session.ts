import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import { hashCiphertext } from '../keystore/plaintexts.ts';

/** Failures of one peer after which the sessions with them are considered diverged. */
const MAX_FAILURES = 3;
const DAY_MS = 24 * 3_600_000;

/** A message that could not be decrypted on a session that exists. */
interface SessionFailure {
  readonly hash: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Counts an envelope that failed on an existing session: forged, replayed, or sent in a state that this device doesn't have.
 * One such envelope proves nothing, because the server can forge it.
 *
 * @returns whether at least three different ones have failed within a day: the session must be reset
 */
export function countFailure(
  { records }: Keystore,
  { senderId, ciphertext }: EncryptedEnvelope,
  now: number,
): Promise<boolean> {
  const name = RECORDS.failures(senderId);
  return records.transact([name], (tx) => {
    const hash = hashCiphertext(ciphertext);
    const others = parseFailures(tx.getJson(name)).filter((each) => each.hash !== hash && now - each.at < DAY_MS);
    const failures = [...others, { hash, at: now }].slice(-MAX_FAILURES);
    tx.putJson(
      name,
      failures.map((each) => ({ ...each })),
    );
    return failures.length >= MAX_FAILURES;
  });
}

function parseFailures(value: unknown): SessionFailure[] {
  return Array.isArray(value) ? (value as SessionFailure[]) : [];
}
