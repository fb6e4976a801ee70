import { BoundedMap } from '../../../lib/bounded-map.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import { isEmoji } from '../../../protocol/emoji.ts';
import type { Message, Reaction } from '../../../protocol/messages.ts';
import { keepDecrypted } from '../../../transport/parse-rows.ts';
import type { ClientContext } from '../../context.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import {
  hashCiphertext,
  parsePlaintext,
  type Plaintext,
  type UserReactions,
  withoutFiles,
} from '../keystore/plaintexts.ts';
import type { ChangePayload } from '../nkc1/payload.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import type { DecryptionEffects, DecryptionResult } from '../sessions/decrypt-envelope.ts';
import type { MessageDecryptorPorts } from './decryptor-ports.ts';
import { type FailedResult, handleFailure, isEnvelope, prepareEnvelope } from './open-envelope.ts';

/** What the transaction of an envelope has found. */
interface Step<T> {
  readonly result: T;
  readonly effects?: DecryptionEffects;
  readonly failed?: FailedResult;
}

/** A reaction whose sender's keys have not arrived. */
interface WaitingReaction {
  readonly message: Message;
  readonly envelope: EncryptedEnvelope;
}

const MAX_WAITING = 500;
/** As many as the server accepts of one user. */
const MAX_EMOJIS = 20;

/**
 * Verifies deletions of encrypted messages and reactions to them. What the server claims without the encrypted payload of the
 * user hides a message, or is shown as unauthenticated. It deletes nothing.
 */
export class ChangeVerifier {
  readonly #ports: MessageDecryptorPorts;
  readonly #options: {
    readonly policy: 'warn' | 'block';
    readonly now: () => number;
    readonly report: (error: unknown) => void;
  };
  readonly #waiting = new BoundedMap<string, WaitingReaction>(MAX_WAITING);

  constructor(context: ClientContext, policy: 'warn' | 'block', ports: MessageDecryptorPorts) {
    this.#ports = ports;
    this.#options = { policy, now: () => context.clock.now(), report: context.report };
  }

  /**
   * Verifies the tombstone of an encrypted message. The stored plaintext is deleted if the sender has deleted the message;
   * otherwise it is kept, and the tombstone is marked as unauthenticated.
   */
  async verifyDeletion(keystore: Keystore, message: Message, isLive: boolean): Promise<Message> {
    const { id, senderId, conversationId: cid, clientId, envelope } = message;
    const opener =
      isEnvelope(envelope) && envelope.senderId === senderId && senderId !== keystore.userId
        ? await prepareEnvelope(keystore, cid, envelope, this.#options)
        : undefined;
    const names = [RECORDS.plaintext(id), RECORDS.keptPayload(id), RECORDS.deletion(id), ...(opener?.names ?? [])];
    const verify = (tx: RecordTransaction, isOpened: boolean): Step<boolean> => {
      const stored = parsePlaintext(tx.getJson(RECORDS.plaintext(id)));
      const opened =
        tx.get(RECORDS.deletion(id)) === undefined && (stored?.senderId ?? senderId) === senderId
          ? isOpened
            ? opener?.open(tx)
            : undefined
          : undefined;
      requireKind(opened, 'delete');
      const isGenuine =
        tx.get(RECORDS.deletion(id)) !== undefined ||
        (opened?.ok === true &&
          opened.payload.kind === 'delete' &&
          isAbout(opened.payload, { id, cid: stored?.cid ?? cid, clientId: stored?.clientId ?? clientId }));
      if (isGenuine) {
        tx.delete(RECORDS.plaintext(id));
        tx.delete(RECORDS.keptPayload(id));
        tx.putJson(RECORDS.deletion(id), true);
      } else if (stored !== undefined && stored.hidden !== true) {
        tx.putJson(RECORDS.plaintext(id), { ...stored, hidden: true });
      }
      if (opened === undefined) return { result: isGenuine };
      return opened.ok ? { result: isGenuine, effects: opened.effects } : { result: false, failed: opened };
    };
    const transact = (isOpened: boolean): Promise<Step<boolean>> =>
      keystore.records.transact(names, (tx) => verify(tx, isOpened));
    const step = await transact(true).catch((error: unknown) => {
      if (isOtherKind(error)) return transact(false);
      throw error;
    });
    if (step.effects !== undefined) this.#ports.effects(keystore, senderId, step.effects);
    if (step.failed !== undefined && envelope !== undefined)
      await handleFailure(this.#ports, keystore, message, envelope, step.failed, isLive);
    if (!step.result) return unauthenticatedDeletion(message);
    // Only the sender's own deletion is authenticated. The user that the server names is not.
    return keepDecrypted({ ...withoutFiles(message), content: '', deletedBy: senderId });
  }

  /**
   * Verifies the encrypted reactions to a message, which must be decrypted: its plaintext stores them.
   *
   * @returns the stored plaintext with all verified reactions
   */
  async verifyReactions(
    keystore: Keystore,
    message: Message,
    envelopes: readonly unknown[],
    isLive: boolean,
  ): Promise<Plaintext | undefined> {
    let plaintext: Plaintext | undefined;
    for (const envelope of envelopes) {
      if (!isEnvelope(envelope)) continue;
      try {
        plaintext = (await this.#verifyReaction(keystore, message, envelope, isLive)) ?? plaintext;
      } catch (error) {
        // What can't be processed verifies nothing, and must not prevent the others.
        this.#options.report(error);
      }
    }
    return plaintext;
  }

  /** Verifies the reactions of a sender again whose keys had not arrived. Returns the ids of the messages with new ones. */
  async retry(keystore: Keystore, senderId: string): Promise<string[]> {
    const changed: string[] = [];
    for (const [key, { message, envelope }] of Array.from(this.#waiting)) {
      if (envelope.senderId !== senderId) continue;
      await this.#verifyReaction(keystore, message, envelope, false);
      if (!this.#waiting.has(key)) changed.push(message.id);
    }
    return changed;
  }

  /** Forgets the reactions that wait for keys. */
  clear(): void {
    this.#waiting.clear();
  }

  async #verifyReaction(
    keystore: Keystore,
    message: Message,
    envelope: EncryptedEnvelope,
    isLive: boolean,
  ): Promise<Plaintext | undefined> {
    const { id, conversationId: cid } = message;
    const { senderId: userId, ciphertext } = envelope;
    const hash = hashCiphertext(ciphertext);
    const name = RECORDS.plaintext(id);
    const opener = await prepareEnvelope(keystore, cid, envelope, this.#options);
    const verify = (tx: RecordTransaction): Step<Plaintext | undefined> => {
      const stored = parsePlaintext(tx.getJson(name));
      if (stored === undefined || stored.cid !== cid) return { result: undefined };
      const known = stored.reactions?.find((each) => each.userId === userId);
      // This user's own reactions were stored when they were encrypted.
      if (known?.hash === hash || userId === keystore.userId) return { result: stored };
      const opened = opener.open(tx);
      requireKind(opened, 'reaction');
      if (!opened.ok) return { result: stored, failed: opened };
      const { payload, effects } = opened;
      const isNews =
        payload.kind === 'reaction' &&
        isAbout(payload, { id, cid, clientId: stored.clientId }) &&
        payload.n > (known?.n ?? 0);
      if (!isNews) return { result: stored, effects };
      const emojis = (payload.reactions ?? []).filter(isEmoji).slice(0, MAX_EMOJIS);
      const result = withReactions(stored, { userId, n: payload.n, hash, emojis });
      tx.putJson(name, result);
      return { result, effects };
    };
    const step: Step<Plaintext | undefined> = await keystore.records
      .transact([name, ...opener.names], verify)
      .catch((error: unknown): Step<undefined> => {
        if (isOtherKind(error)) return { result: undefined };
        throw error;
      });
    const key = JSON.stringify([id, userId]);
    if (step.failed === undefined) this.#waiting.delete(key);
    else this.#waiting.set(key, { message, envelope });
    if (step.effects !== undefined) this.#ports.effects(keystore, userId, step.effects);
    if (step.failed !== undefined) {
      const about = { ...message, senderId: userId };
      await handleFailure(this.#ports, keystore, about, envelope, step.failed, isLive);
    }
    return step.result;
  }
}

/**
 * Ends the transaction if the envelope contains something else, such as a message: its key must not be used up for nothing.
 *
 * @throws CommError `E2EE_DECRYPTION_FAILED`
 */
function requireKind(opened: DecryptionResult | undefined, kind: ChangePayload['kind']): void {
  if (opened?.ok === true && opened.payload.kind !== kind)
    throw new CommError('E2EE_DECRYPTION_FAILED', 'The envelope contains another kind of payload');
}

function isOtherKind(error: unknown): boolean {
  return isCommError(error) && error.code === 'E2EE_DECRYPTION_FAILED';
}

/** Whether a payload names this message. One that was still queued when it was changed is named by its client id. */
function isAbout(
  payload: ChangePayload,
  { id, cid, clientId = id }: Pick<Message, 'id' | 'clientId'> & { readonly cid: string },
): boolean {
  const { edits } = payload;
  return payload.cid === cid && payload.id === clientId && (edits === id || edits === clientId);
}

/** Marks the tombstone of an encrypted message that its sender has not deleted. */
export function unauthenticatedDeletion(message: Message): Message {
  return keepDecrypted({ ...withoutFiles(message), content: '', deletionUnauthenticated: true });
}

/** Replaces the reactions of a user to a message. */
export function withReactions(plaintext: Plaintext, reactions: UserReactions): Plaintext {
  const others = plaintext.reactions?.filter(({ userId }) => userId !== reactions.userId) ?? [];
  return { ...plaintext, reactions: [...others, reactions] };
}

/**
 * Compares the reactions that the server reports with the verified ones. Those that only the server reports are marked, and those
 * that it leaves out are added, except this user's own, which it may have rejected.
 */
export function authenticateReactions(
  reported: readonly Reaction[],
  verified: readonly UserReactions[],
  ownId: string | undefined,
): Reaction[] {
  const shown = reported.map((each): Reaction => {
    const { emoji, count, users } = each;
    const unauthenticated = users.filter(
      (userId) => !verified.some((known) => known.userId === userId && known.emojis.includes(emoji)),
    );
    return { emoji, count, users: [...users], ...(unauthenticated.length > 0 && { unauthenticated }) };
  });
  for (const { userId, emojis } of verified) {
    if (userId === ownId) continue;
    for (const emoji of emojis) {
      const same = shown.find((each) => each.emoji === emoji);
      if (same === undefined) shown.push({ emoji, count: 1, users: [userId] });
      else if (!same.users.includes(userId)) {
        same.users.push(userId);
        same.count += 1;
      }
    }
  }
  return shown;
}
