import { type DraftStore, getDraft, putDraft } from '../keystore/draft-store.ts';
import { encryptForPeer, enqueueEnvelope, getTrust, type Keystore, putTrust, RECORDS } from '../keystore/keystore.ts';
import { parsePlaintext, pickSecret, type Plaintext } from '../keystore/plaintexts.ts';
import type { MessagePayload } from '../nkc1/payload.ts';

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
const MAX_MESSAGES = 100;

/** Discards the envelopes of queued messages to a peer who has lost their sessions, so that they are encrypted again. */
export async function discardDraftEnvelopes(
  { records }: Keystore,
  drafts: DraftStore,
  recipientId: string,
): Promise<void> {
  const prefix = RECORDS.draft('');
  for (const [name] of await records.listJson(prefix)) {
    const clientId = decodeURIComponent(name.slice(prefix.length));
    const discarded = await records.transact([name], (tx) => {
      const draft = getDraft(tx, clientId);
      if (draft?.envelope?.recipientId !== recipientId) return undefined;
      const { secret, ts } = draft;
      putDraft(tx, clientId, { secret, ts });
      return { secret, ts };
    });
    if (discarded !== undefined) drafts.replace(clientId, discarded);
  }
}

/**
 * Enqueues copies of the messages sent to a peer in the last seven days, at most 100, on the new session. For a peer who has
 * lost their sessions. Only messages that were encrypted for the pinned identity key are included. At most once per hour.
 *
 * @returns whether envelopes were enqueued
 */
export async function resendRecentMessages(keystore: Keystore, peerId: string, now: number): Promise<boolean> {
  const { records, userId } = keystore;
  const pinnedKey = await records.transact([RECORDS.trust(peerId)], (tx) => {
    const trust = getTrust(tx, peerId);
    if (trust === undefined || now - (trust.resentAt ?? 0) < HOUR_MS) return undefined;
    putTrust(tx, peerId, { ...trust, resentAt: now });
    return trust.key;
  });
  if (pinnedKey === undefined) return false;
  const stored = [
    ...(await records.listJson(RECORDS.plaintext(''))),
    ...(await records.listJson(RECORDS.ownPlaintext(''))),
  ];
  const plaintexts = stored
    .map(([, value]) => parsePlaintext(value))
    .filter((each) => each !== undefined)
    .filter(({ senderId, to }: Plaintext) => senderId === userId && to?.userId === peerId && to.key === pinnedKey)
    .filter(({ createdAt }) => createdAt === undefined || now - Date.parse(createdAt) < WEEK_MS)
    .sort((a, b) => ((a.createdAt ?? '~') < (b.createdAt ?? '~') ? -1 : 1))
    .slice(-MAX_MESSAGES);
  if (plaintexts.length === 0) return false;
  return records.transact([RECORDS.identity, RECORDS.session(peerId)], (tx) => {
    for (const plaintext of plaintexts) {
      const { clientId, cid } = plaintext;
      const payload: MessagePayload = {
        ...pickSecret(plaintext),
        kind: 'message',
        id: clientId,
        cid,
        ts: now,
      };
      const step = encryptForPeer(tx, keystore, peerId, payload);
      if (!step.ok) return false;
      enqueueEnvelope(tx, keystore, step.envelope);
    }
    return true;
  });
}
