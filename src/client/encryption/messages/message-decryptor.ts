import { BoundedMap, BoundedSet } from '../../../lib/bounded-map.ts';
import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import { SENDABLE_TYPES } from '../../../protocol/constants.ts';
import type { DecryptionFailure, EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { Message, Reaction } from '../../../protocol/messages.ts';
import { keepDecrypted, parseMessage } from '../../../transport/parse-rows.ts';
import type { ClientContext } from '../../context.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import {
  createPlaintext,
  formatSentAt,
  hashCiphertext,
  parsePlaintext,
  type Plaintext,
  secretFromPayload,
  withSecret,
} from '../keystore/plaintexts.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import { type DecryptionEffects, decryptionFailed, openPayload } from '../sessions/decrypt-envelope.ts';
import { authenticateReactions, ChangeVerifier, unauthenticatedDeletion } from './change-verifier.ts';
import type { MessageDecryptorPorts } from './decryptor-ports.ts';
import {
  type FailedResult,
  handleFailure,
  isDiverged,
  isEnvelope,
  isSessionLost,
  prepareEnvelope,
} from './open-envelope.ts';

type Outcome = { plaintext: Plaintext } | FailedResult;

const CACHE_SIZE = 2_000;

/** Decrypts messages: each once, even if several callers or tabs do so at the same time. */
export class MessageDecryptor {
  readonly #context: ClientContext;
  readonly #policy: 'warn' | 'block';
  readonly #ports: MessageDecryptorPorts;
  readonly #changes: ChangeVerifier;
  /** Plaintexts by message id. */
  readonly #plaintexts = new BoundedMap<string, Plaintext>(CACHE_SIZE);
  /** Messages that could not be decrypted, by id, to be tried again when their sender's keys arrive. */
  readonly #undecrypted = new BoundedMap<string, Message>(CACHE_SIZE);
  /** Failures that were emitted. */
  readonly #reported = new BoundedSet<string>(CACHE_SIZE);

  constructor(context: ClientContext, policy: 'warn' | 'block', ports: MessageDecryptorPorts) {
    this.#context = context;
    this.#policy = policy;
    this.#ports = ports;
    this.#changes = new ChangeVerifier(context, policy, ports);
  }

  /**
   * Decrypts rows, oldest first. A message that can't be decrypted is returned without content, with status `failed`. So is a
   * readable one that was encrypted before, or whose conversation requires encryption. Other readable rows are left out.
   *
   * @param isLive - whether the messages are new: then missing keys are requested
   */
  async decryptRows(rows: readonly object[], isLive: boolean): Promise<Map<object, Message>> {
    const decrypted = new Map<object, Message>();
    const pending: { row: object; message: Message }[] = [];
    const readable: { row: object; message: Message }[] = [];
    for (const row of rows) {
      const message = parseMessage(row);
      // `parseMessage` returns a row that was decrypted before as it is.
      if (message === row) decrypted.set(row, message);
      else if (message !== undefined) (message.encrypted === true ? pending : readable).push({ row, message });
    }
    pending.sort((a, b) => compareByAge(a.message, b.message));
    let keystore: Keystore | undefined;
    try {
      keystore = await this.#ports.keystore();
      const messages = pending.map(({ message }) => message);
      await this.#prefetch(keystore, messages);
      await this.#ports.messagesSeen(keystore, messages);
    } catch {
      // Each message is reported as failed below.
    }
    for (const { row, message } of pending) decrypted.set(row, await this.#decrypt(keystore, message, isLive));
    const sealed = await this.#findSealed(
      keystore,
      readable.map(({ message }) => message),
    );
    for (const { row, message } of readable) {
      if (message.deletedAt !== undefined) {
        const isSealed =
          sealed.has(message) ||
          this.#isKnownFailed(message.id) ||
          (await this.#ports.isRequired(message.conversationId, isLive));
        if (isSealed) decrypted.set(row, await this.#verifyDeletion(keystore, message, isLive));
        continue;
      }
      // Notices of the server, such as the log of a call.
      const isNotice = SENDABLE_TYPES.every((type) => type !== message.type);
      const isRefused =
        sealed.has(message) || (!isNotice && (await this.#ports.isRequired(message.conversationId, isLive)));
      if (isRefused) decrypted.set(row, this.#fail(message, 'not-encrypted'));
    }
    return decrypted;
  }

  /** Returns the messages whose id or client id belongs to an encrypted message. */
  async #findSealed(keystore: Keystore | undefined, messages: readonly Message[]): Promise<Set<Message>> {
    const namesOf = ({ id, senderId, clientId = '' }: Message): string[] => [
      RECORDS.plaintext(id),
      RECORDS.keptPayload(id),
      RECORDS.deletion(id),
      RECORDS.sealed(senderId, clientId),
    ];
    if (keystore === undefined || messages.length === 0) return new Set();
    return keystore.records.transact(
      messages.flatMap(namesOf),
      (tx) => new Set(messages.filter((each) => namesOf(each).some((name) => tx.get(name) !== undefined))),
    );
  }

  /** Tries the undecrypted messages of a sender again. Returns those that are decrypted now, oldest first. */
  async retry(keystore: Keystore, senderId: string): Promise<Message[]> {
    const waiting = [...this.#undecrypted.values()].filter((each) => each.senderId === senderId).sort(compareByAge);
    const recovered: Message[] = [];
    for (const message of waiting) {
      const result = await this.#decrypt(keystore, message, false);
      if (result.undecrypted === undefined && result.deletionUnauthenticated !== true) recovered.push(result);
    }
    for (const id of await this.#changes.retry(keystore, senderId)) {
      this.#plaintexts.delete(id);
      // Not loaded, or not reachable now: it is verified when it is read.
      const held = await this.#ports.findMessage(id).catch(() => undefined);
      if (held === undefined) continue;
      const reactions = await this.#reactionsTo(keystore, id, held.reactions ?? []);
      if (held.deletedAt === undefined) recovered.push(keepDecrypted({ ...held, reactions }));
    }
    return recovered;
  }

  /** Returns the senders of undecrypted messages. */
  sendersOfUndecrypted(): Set<string> {
    return new Set(Array.from(this.#undecrypted.values(), ({ senderId }) => senderId));
  }

  /**
   * Processes the notice of a server that a message was deleted. The plaintext is deleted if this user has deleted the message;
   * otherwise it is kept.
   *
   * @returns true if the message is encrypted and only the server says that it was deleted
   */
  async noticeDeletion(keystore: Keystore, id: string): Promise<boolean> {
    this.#plaintexts.delete(id);
    const name = RECORDS.plaintext(id);
    return keystore.records.transact([name, RECORDS.deletion(id)], (tx) => {
      if (tx.get(RECORDS.deletion(id)) !== undefined) {
        tx.delete(name);
        return false;
      }
      const stored = parsePlaintext(tx.getJson(name));
      if (stored === undefined) return this.#isKnownFailed(id);
      tx.putJson(name, { ...stored, hidden: true });
      return true;
    });
  }

  /** Reads a plaintext from the storage again when it is needed next. */
  plaintextChanged(messageId: string): void {
    this.#plaintexts.delete(messageId);
  }

  /** Verifies a change of the reactions to a message. Returns `reported` itself if the message isn't encrypted. */
  async verifyReactions(
    keystore: Keystore,
    messageId: string,
    reported: Reaction[],
    envelope: unknown,
  ): Promise<Reaction[]> {
    const plaintext = await this.#storedPlaintext(keystore, messageId);
    if (plaintext === undefined)
      return this.#isKnownFailed(messageId) ? authenticateReactions(reported, [], keystore.userId) : reported;
    const { cid: conversationId, senderId, clientId } = plaintext;
    const message = { id: messageId, conversationId, senderId, clientId } as Message;
    const verified = await this.#changes.verifyReactions(keystore, message, [envelope], true);
    if (verified !== undefined) this.#plaintexts.set(messageId, verified);
    return authenticateReactions(reported, (verified ?? plaintext).reactions ?? [], keystore.userId);
  }

  /** Whether a message was shown as failed: it may be encrypted. */
  #isKnownFailed(id: string): boolean {
    return this.#undecrypted.has(id) || this.#reported.has(`${id} not-encrypted`);
  }

  async #reactionsTo(keystore: Keystore, messageId: string, reported: Reaction[]): Promise<Reaction[]> {
    const plaintext = await this.#storedPlaintext(keystore, messageId);
    return authenticateReactions(reported, plaintext?.reactions ?? [], keystore.userId);
  }

  /** Not the cached one: another tab may have stored reactions. */
  #storedPlaintext({ records }: Keystore, messageId: string): Promise<Plaintext | undefined> {
    const name = RECORDS.plaintext(messageId);
    return records.transact([name], (tx) => parsePlaintext(tx.getJson(name)));
  }

  /** Forgets all messages. */
  clear(): void {
    this.#plaintexts.clear();
    this.#undecrypted.clear();
    this.#reported.clear();
    this.#changes.clear();
  }

  /** Reads the stored plaintexts of a page of history in one transaction. */
  async #prefetch(keystore: Keystore, messages: readonly Message[]): Promise<void> {
    const unknown = messages.filter(({ id }) => !this.#plaintexts.has(id));
    if (unknown.length < 2) return;
    const names = unknown.map(({ id }) => RECORDS.plaintext(id));
    const stored = await keystore.records.transact(names, (tx) =>
      names.map((name) => parsePlaintext(tx.getJson(name))),
    );
    for (const [at, { id }] of unknown.entries()) {
      const plaintext = stored[at];
      if (plaintext !== undefined) this.#plaintexts.set(id, plaintext);
    }
  }

  async #decrypt(keystore: Keystore | undefined, message: Message, isLive: boolean): Promise<Message> {
    const { id, envelope } = message;
    if (message.deletedAt !== undefined) return this.#verifyDeletion(keystore, message, isLive);
    if (!isEnvelope(envelope)) return this.#fail(message, 'invalid');
    if (keystore === undefined) return this.#fail(message, 'locked');
    const hash = hashCiphertext(envelope.ciphertext);
    const cached = this.#plaintexts.get(id);
    if (cached?.hash === hash) return this.#succeed(keystore, message, cached, isLive);
    let outcome: Outcome;
    try {
      outcome = await this.#decryptStored(keystore, message, envelope, hash, isLive);
    } catch (error) {
      if (isCommError(error) && error.code === 'E2EE_LOCKED') return this.#fail(message, 'locked');
      this.#context.report(error);
      return this.#fail(message, 'invalid');
    }
    if ('plaintext' in outcome) return this.#succeed(keystore, message, outcome.plaintext, isLive);
    await handleFailure(this.#ports, keystore, message, envelope, outcome, isLive);
    return this.#fail(message, outcome.reason);
  }

  /** Returns the stored plaintext, or decrypts and stores it, in one transaction. */
  async #decryptStored(
    keystore: Keystore,
    message: Message,
    envelope: EncryptedEnvelope,
    hash: string,
    isLive: boolean,
  ): Promise<Outcome> {
    const { id, senderId, conversationId: cid, clientId } = message;
    const isOwn = senderId === keystore.userId;
    const names = [RECORDS.plaintext(id), RECORDS.ownPlaintext(hash), RECORDS.keptPayload(id), RECORDS.deletion(id)];
    const isForeign = !isOwn && envelope.senderId === senderId;
    const options = { policy: this.#policy, now: () => this.#context.clock.now() };
    const opener = isForeign ? await prepareEnvelope(keystore, cid, envelope, options) : undefined;
    if (opener !== undefined) names.push(...opener.names);
    const copyName = isOwn || clientId === undefined ? undefined : RECORDS.resentCopy(senderId, clientId);
    if (copyName !== undefined) names.push(copyName);
    type Step = {
      outcome: Outcome;
      effects?: DecryptionEffects;
      hasCopy?: boolean;
      to?: readonly string[] | undefined;
    };
    const step = await keystore.records.transact(names, (tx): Step => {
      const stored = parsePlaintext(tx.getJson(RECORDS.plaintext(id)));
      if (stored?.hash === hash) {
        const { hidden, ...plaintext } = stored;
        // The server has returned a message again of which it said that it was deleted.
        if (hidden === true) tx.putJson(RECORDS.plaintext(id), plaintext);
        return { outcome: { plaintext } };
      }
      // A message of another sender or conversation never replaces a stored one.
      if (stored !== undefined && (stored.senderId !== senderId || stored.cid !== cid)) {
        return { outcome: decryptionFailed('misplaced') };
      }
      if (isOwn) return { outcome: claimOwnPlaintext(tx, message, hash, stored) };
      if (opener === undefined) return { outcome: decryptionFailed('misplaced') };
      // Its sender has deleted it.
      if (tx.get(RECORDS.deletion(id)) !== undefined) return { outcome: decryptionFailed('replayed') };
      // Its key was deleted when an earlier version of the client decrypted it.
      const kept = getKeptPayload(tx, id, senderId, hash);
      const result = kept === undefined ? opener.open(tx) : openPayload(kept);
      if (!result.ok) {
        const { unsupported } = result;
        if (kept === undefined && unsupported !== undefined)
          tx.putJson(RECORDS.keptPayload(id), { hash, senderId, payload: toBase64(unsupported.plaintext) });
        const hasCopy =
          copyName !== undefined &&
          (isSessionLost(result) || isDiverged(result) || result.reason === 'gap') &&
          tx.get(copyName) !== undefined;
        return { outcome: result, hasCopy };
      }
      const { payload, effects } = result;
      if (payload.kind !== 'message' && payload.kind !== 'edit')
        return { outcome: decryptionFailed('invalid', effects) };
      // An edit carries the client id of the message it replaces, so that it can't replace another one.
      const expectedId = stored?.clientId ?? clientId ?? payload.id;
      if (payload.cid !== cid || payload.id !== expectedId) return { outcome: decryptionFailed('misplaced', effects) };
      const { n, edits } = payload;
      // An edit of a message that was still queued names its client id, which was compared above.
      if (edits !== undefined && edits !== id && edits !== payload.id)
        return { outcome: decryptionFailed('misplaced', effects) };
      // An older edit, or the original of an edited message.
      if (stored !== undefined && (n ?? 0) <= (stored.n ?? 0))
        return { outcome: decryptionFailed('replayed', effects) };
      const sentAt = edits === undefined ? formatSentAt(payload.ts) : stored?.sentAt;
      const plaintext: Plaintext = {
        ...createPlaintext(message, hash, secretFromPayload(payload), payload.id),
        n,
        sentAt,
        reactions: stored?.reactions,
      };
      tx.putJson(RECORDS.plaintext(id), plaintext);
      tx.putJson(RECORDS.sealed(senderId, payload.id), true);
      if (kept !== undefined) tx.delete(RECORDS.keptPayload(id));
      return { outcome: { plaintext }, effects, to: payload.to };
    });
    if (step.to !== undefined) this.#ports.recipientsSeen(keystore, message, step.to, isLive);
    if (step.effects !== undefined) this.#ports.effects(keystore, senderId, step.effects);
    if (step.hasCopy !== true) return step.outcome;
    const { claimResentCopy } = await import('./resent-copies.ts');
    return (await claimResentCopy(keystore, message, hash)) ?? step.outcome;
  }

  /** Rejects a row whose sender or conversation differ from the decrypted ones: the server chooses those of the row. */
  async #succeed(keystore: Keystore, message: Message, plaintext: Plaintext, isLive: boolean): Promise<Message> {
    const isSame = plaintext.senderId === message.senderId && plaintext.cid === message.conversationId;
    if (!isSame) return this.#fail(message, 'misplaced');
    const { reactionEnvelopes, ...rest } = message;
    const verified =
      reactionEnvelopes && (await this.#changes.verifyReactions(keystore, rest, reactionEnvelopes, isLive));
    const known = verified ?? plaintext;
    this.#plaintexts.set(message.id, known);
    this.#undecrypted.delete(message.id);
    return withSecret(withVerified(rest, known, keystore.userId), plaintext);
  }

  /** Verifies the tombstone of a message that was encrypted. If the keys are locked, nothing is verified. */
  async #verifyDeletion(keystore: Keystore | undefined, row: Message, isLive: boolean): Promise<Message> {
    // A tombstone has no reactions.
    const { reactions: _reactions, reactionEnvelopes: _envelopes, ...message } = row;
    if (keystore === undefined) return unauthenticatedDeletion(message);
    const { id } = message;
    const shown = await this.#changes.verifyDeletion(keystore, message, isLive).catch((error: unknown) => {
      this.#context.report(error);
      return unauthenticatedDeletion(message);
    });
    this.#plaintexts.delete(id);
    // The keys of the sender may arrive later.
    if (shown.deletionUnauthenticated === true && isEnvelope(message.envelope)) this.#undecrypted.set(id, message);
    else this.#undecrypted.delete(id);
    return shown;
  }

  #fail(message: Message, reason: DecryptionFailure): Message {
    const { id } = message;
    const { reactionEnvelopes: _reactionEnvelopes, ...rest } = message;
    const shown = {
      ...withSecret(withVerified(rest), { content: '', type: 'text' }),
      status: 'failed',
      undecrypted: reason,
    } as const;
    keepDecrypted(shown);
    if (reason !== 'not-encrypted') this.#undecrypted.set(id, message);
    const failure = `${id} ${reason}`;
    if (!this.#reported.has(failure)) {
      this.#reported.add(failure);
      this.#context.emitter.emit('encryption:decryption-failed', { message: shown, reason });
    }
    return shown;
  }
}

/** Replaces the reactions that the server reports. Without a plaintext none is verified. */
function withVerified(message: Message, plaintext?: Plaintext, ownId?: string): Message {
  const { reactions = [] } = message;
  const verified = plaintext?.reactions ?? [];
  if (reactions.length === 0 && verified.length === 0) return message;
  return { ...message, reactions: authenticateReactions(reactions, verified, ownId) };
}

/** Reads the payload of a message that was decrypted by a version that didn't know its format. */
function getKeptPayload(tx: RecordTransaction, id: string, senderId: string, hash: string): Uint8Array | undefined {
  const kept = tx.getJson(RECORDS.keptPayload(id)) as { hash: string; senderId: string; payload: string } | undefined;
  return kept?.hash === hash && kept.senderId === senderId ? fromBase64(kept.payload) : undefined;
}

/** Finds the plaintext of an own message, which was stored when the message was encrypted. */
function claimOwnPlaintext(
  tx: RecordTransaction,
  message: Message,
  hash: string,
  stored: Plaintext | undefined,
): Outcome {
  const { id, conversationId, clientId, createdAt } = message;
  const own = parsePlaintext(tx.getJson(RECORDS.ownPlaintext(hash)));
  if (own === undefined) return decryptionFailed('not-for-us');
  const isSame = own.cid === conversationId && (clientId === undefined || own.clientId === clientId);
  if (!isSame) return decryptionFailed('misplaced');
  const plaintext = { ...own, createdAt, reactions: stored?.reactions };
  tx.putJson(RECORDS.plaintext(id), plaintext);
  tx.delete(RECORDS.ownPlaintext(hash));
  return { plaintext };
}

/** Orders messages as they were sent: a chain can only advance. */
function compareByAge(a: Message, b: Message): number {
  if (a.conversationId === b.conversationId && a.seq !== undefined && b.seq !== undefined) return a.seq - b.seq;
  return a.createdAt < b.createdAt
    ? -1
    : a.createdAt > b.createdAt
      ? 1
      : a.id.length - b.id.length || (a.id < b.id ? -1 : 1);
}
