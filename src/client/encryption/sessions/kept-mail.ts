/* Loaded on demand: only a peer with a later version causes it. */
import { toBase64 } from '../../../lib/base64.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import type { Storable } from '../../../storage/comm-storage.ts';
import { getTrust, RECORDS } from '../keystore/keystore.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import type { UnsupportedContent } from './decrypt-envelope.ts';

/** Size of what is kept of one sender, as JSON. Decrypted payloads displace the oldest entries. */
const MAX_LENGTH = 64 * 1_024;

/**
 * Keeps an envelope with the time of its arrival, because the server deletes acknowledged envelopes. If it was decrypted, its
 * payload and the sender's identity key are kept instead. Up to 64 KiB per sender, and only of users whose key is known: the server
 * could invent others. The transaction must declare `keptMail` and `trust`.
 */
export function keepMail(
  tx: RecordTransaction,
  envelope: EncryptedEnvelope,
  content: UnsupportedContent | undefined,
  at: number,
): void {
  const { senderId } = envelope;
  if (getTrust(tx, senderId) === undefined) return;
  const entry =
    content === undefined
      ? { at, envelope: { ...envelope } }
      : { at, payload: toBase64(content.plaintext), identityKey: toBase64(content.identityKey) };
  const earlier = (tx.getJson(RECORDS.keptMail(senderId)) ?? []) as readonly Storable[];
  const kept: Storable[] = [...earlier, entry];
  // An envelope that nothing authenticates, which the server may have invented, displaces nothing.
  if (content === undefined && JSON.stringify(kept).length > MAX_LENGTH) return;
  while (JSON.stringify(kept).length > MAX_LENGTH) kept.shift();
  tx.putJson(RECORDS.keptMail(senderId), kept);
}
