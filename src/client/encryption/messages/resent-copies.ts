import type { Message } from '../../../protocol/messages.ts';
import type { Secret } from '../../cipher.ts';
import { type Keystore, RECORDS, RESENT_COPIES } from '../keystore/keystore.ts';
import { createPlaintext, parsePlaintext, type Plaintext, secretFromPayload } from '../keystore/plaintexts.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import { encodePayload, type MessagePayload } from '../nkc1/payload.ts';

const WEEK_MS = 7 * 24 * 3_600_000;
/** Size of all copies that a sender may store here after one reset. */
const ALLOWED_BYTES = 1_024 * 1_024;

/** What a sender may still send again. */
interface ResendAllowance {
  readonly bytes: number;
  /** When the session was reset, in milliseconds since the epoch. */
  readonly at: number;
}

/** Call when the session with a peer is reset: from then on they may send messages again, for a week. */
export function allowResending(tx: RecordTransaction, peerId: string, now: number): void {
  tx.putJson(RECORDS.resendAllowance(peerId), { bytes: ALLOWED_BYTES, at: now });
}

/** A copy of a message that its sender has sent again by mailbox, for a message that can't be decrypted. */
interface ResentCopy {
  readonly cid: string;
  readonly at: number;
  readonly secret: Secret;
}

/**
 * Stores a resent copy, if the session with the sender was reset within a week, up to 1 MiB: otherwise a contact could fill the
 * storage. The transaction must declare the sender's `resendAllowance`.
 */
export function putResentCopy(tx: RecordTransaction, senderId: string, payload: MessagePayload, now: number): void {
  const allowance = tx.getJson(RECORDS.resendAllowance(senderId)) as ResendAllowance | undefined;
  if (allowance === undefined || now - allowance.at > WEEK_MS) return;
  const bytes = allowance.bytes - encodePayload(payload).length;
  if (bytes < 0) return;
  tx.putJson(RECORDS.resendAllowance(senderId), { ...allowance, bytes });
  const copy: ResentCopy = { cid: payload.cid, at: now, secret: secretFromPayload(payload) };
  tx.putJson(RECORDS.resentCopy(senderId, payload.id), copy);
}

/**
 * Deletes the copy of a message and stores it as the message's plaintext. If the same message was decrypted under another
 * message id, the copy is only deleted: the sender doesn't know what was decrypted, and the server could otherwise show the
 * message twice.
 */
export async function claimResentCopy(
  { records }: Keystore,
  message: Message,
  hash: string,
): Promise<{ plaintext: Plaintext } | undefined> {
  const { id, senderId, conversationId, clientId = '' } = message;
  const name = RECORDS.resentCopy(senderId, clientId);
  const isDecrypted = (await records.listJson(RECORDS.plaintext(''))).some(([storedName, value]) => {
    const stored = parsePlaintext(value);
    return storedName !== RECORDS.plaintext(id) && stored?.senderId === senderId && stored.clientId === clientId;
  });
  return records.transact([RECORDS.plaintext(id), name], (tx) => {
    const copy = tx.getJson(name) as ResentCopy | undefined;
    if (copy?.cid !== conversationId) return undefined;
    tx.delete(name);
    if (isDecrypted) return undefined;
    const plaintext = createPlaintext(message, hash, copy.secret, clientId);
    tx.putJson(RECORDS.plaintext(id), plaintext);
    return { plaintext };
  });
}

/** Deletes copies that are older than a week: their message was decrypted, or no longer exists. */
export async function deleteExpiredCopies({ records }: Keystore, now: number): Promise<void> {
  const expired = (await records.listJson(RESENT_COPIES)).filter(
    ([, value]) => now - (value as ResentCopy).at > WEEK_MS,
  );
  if (expired.length === 0) return;
  await records.transact([], (tx) => {
    for (const [name] of expired) tx.delete(name);
  });
}
