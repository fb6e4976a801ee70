import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { DeleteMessage, Message, MessageRef, ReactToMessage } from '../../../protocol/messages.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import { parsePlaintext, type Plaintext } from '../keystore/plaintexts.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import type { ChangePayload } from '../nkc1/payload.ts';
import { withReactions } from './change-verifier.ts';

/** A payload that depends on stored records, and what is stored with its envelope. */
export interface ChangeStep {
  readonly cid: string;
  /** The records that the transaction must declare. */
  readonly names: readonly string[];
  payload(tx: RecordTransaction): ChangePayload | undefined;
  store(tx: RecordTransaction, payload: ChangePayload): void;
}

/** What the encryption of a change needs of the encryptor. */
export interface ChangePorts {
  findMessage(messageId: string): Promise<Message>;
  /** True if the server stores the envelopes of changes. */
  canEncryptChanges(): boolean;
  /** Returns `undefined` if the message is no longer stored. */
  encrypt(step: ChangeStep): Promise<EncryptedEnvelope | undefined>;
  now(): number;
}

/**
 * Encrypts the deletion of an own encrypted message. Also records it on this device, so that the plaintext is deleted with the
 * tombstone. If it can't be encrypted, it is sent without envelope: other devices hide the message then, and keep its content.
 */
export async function encryptDeletion(
  keystore: Keystore,
  payload: DeleteMessage,
  ports: ChangePorts,
): Promise<DeleteMessage> {
  const { messageId, conversationId: cid } = payload;
  const stored = await readPlaintext(keystore, messageId);
  const message = stored ?? (await ports.findMessage(messageId).catch(() => undefined));
  const isEncrypted = stored !== undefined || (message as Message | undefined)?.encrypted === true;
  if (message === undefined || !isEncrypted || message.senderId !== keystore.userId) return payload;
  const mark = (tx: RecordTransaction): void => tx.putJson(RECORDS.deletion(messageId), true);
  if (ports.canEncryptChanges()) {
    const id = message.clientId ?? messageId;
    const n = Math.max((stored?.n ?? 0) + 1, ports.now());
    const change: ChangePayload = { kind: 'delete', id, cid, ts: ports.now(), edits: messageId, n };
    try {
      const envelope = await ports.encrypt({ cid, names: [], payload: () => change, store: mark });
      if (envelope !== undefined) return { ...payload, envelope };
    } catch (error) {
      if (!isCommError(error) || error.retryable) throw error;
    }
  }
  await keystore.records.transact([], mark);
  return payload;
}

/** Encrypts all reactions of this user to an encrypted message, after one of them was set or removed. */
export async function encryptReaction(
  keystore: Keystore,
  payload: ReactToMessage,
  ports: ChangePorts,
): Promise<ReactToMessage> {
  const { messageId, conversationId: cid } = payload;
  if ((await readPlaintext(keystore, messageId)) === undefined) return payload;
  const name = RECORDS.plaintext(messageId);
  const { userId } = keystore;
  const step: ChangeStep = {
    cid,
    names: [name],
    payload: (tx) => {
      const stored = parsePlaintext(tx.getJson(name));
      if (stored === undefined) return undefined;
      const n = Math.max((ownReactions(stored, userId)?.n ?? 0) + 1, ports.now());
      const reactions = changedEmojis(stored, userId, payload);
      return { kind: 'reaction', id: stored.clientId, cid, ts: ports.now(), edits: messageId, n, reactions };
    },
    store: (tx, { n, reactions = [] }) => putOwnReactions(tx, messageId, userId, n, reactions),
  };
  // A base server drops the envelope: the own reactions are only stored.
  if (ports.canEncryptChanges()) {
    const envelope = await ports.encrypt(step);
    return envelope === undefined ? payload : { ...payload, envelope };
  }
  await keystore.records.transact([name], (tx) => {
    const change = step.payload(tx);
    if (change !== undefined) step.store(tx, change);
  });
  return payload;
}

/** Undoes a reaction that the server has rejected. */
export async function revertReaction(keystore: Keystore, { messageId, emoji, on }: ReactToMessage): Promise<void> {
  const name = RECORDS.plaintext(messageId);
  const { userId } = keystore;
  await keystore.records.transact([name], (tx) => {
    const stored = parsePlaintext(tx.getJson(name));
    const own = stored && ownReactions(stored, userId);
    if (stored === undefined || own === undefined) return;
    putOwnReactions(tx, messageId, userId, own.n, changedEmojis(stored, userId, { emoji, on: on !== true }));
  });
}

function readPlaintext({ records }: Keystore, messageId: MessageRef['messageId']): Promise<Plaintext | undefined> {
  const name = RECORDS.plaintext(messageId);
  return records.transact([name], (tx) => parsePlaintext(tx.getJson(name)));
}

function ownReactions({ reactions }: Plaintext, userId: string) {
  return reactions?.find((each) => each.userId === userId);
}

function changedEmojis(
  stored: Plaintext,
  userId: string,
  { emoji, on }: Pick<ReactToMessage, 'emoji' | 'on'>,
): string[] {
  // The server stores it trimmed.
  const changed = emoji.trim();
  const others = ownReactions(stored, userId)?.emojis.filter((each) => each !== changed) ?? [];
  return on === true ? [...others, changed] : [...others];
}

function putOwnReactions(
  tx: RecordTransaction,
  messageId: string,
  userId: string,
  n: number,
  emojis: readonly string[],
): void {
  const name = RECORDS.plaintext(messageId);
  const stored = parsePlaintext(tx.getJson(name));
  if (stored !== undefined) tx.putJson(name, withReactions(stored, { userId, n, hash: '', emojis }));
}
