import { retry } from '../../../lib/retry.ts';
import type { DecryptionFailure, EncryptedEnvelope, SessionInitPush } from '../../../protocol/encryption.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { fields } from '../../../transport/fields.ts';
import type { ClientContext } from '../../context.ts';
import { getSessionRecord, type Keystore, RECORDS } from '../keystore/keystore.ts';
import { hashCiphertext } from '../keystore/plaintexts.ts';
import type { FailureReason } from '../nkc1/failures.ts';
import { decodePayload } from '../nkc1/payload.ts';
import { SessionCipher } from '../nkc1/session-cipher.ts';
import {
  decryptFromPeer,
  type DecryptionEffects,
  type DecryptionResult,
  recordsForSender,
} from './decrypt-envelope.ts';

/** What {@link MailboxReceiver} reports, after the transaction has committed. */
export interface MailboxEvents {
  /** `retry`: earlier messages of the sender may be decryptable now. */
  effects(keystore: Keystore, senderId: string, effects: DecryptionEffects, retry: boolean): void;
  /** The sender uses a session or prekey that doesn't exist here. */
  sessionLost(keystore: Keystore, senderId: string, reason: DecryptionFailure): void;
  /** An envelope could not be decrypted on a session that exists. */
  decryptionSuspect(keystore: Keystore, envelope: EncryptedEnvelope): void;
  /** The sender has lost their sessions: messages to them must be encrypted again. */
  sessionReset(keystore: Keystore, senderId: string): void;
}

/** The server delivers more once half of what it has delivered is acknowledged. */
const ACKNOWLEDGE_EVERY = 50;
/** Envelopes of a sender that are recognised when they are delivered again. More are never unacknowledged at a time. */
const MAX_SEEN = 100;

/** Processes what arrives by `encryption:session-init`: payloads about sessions and keys, and resent messages. */
export class MailboxReceiver {
  readonly #context: ClientContext;
  readonly #policy: 'warn' | 'block';
  readonly #events: MailboxEvents;
  /** Mailbox ids that are processed and not yet acknowledged. */
  #processedIds: string[] = [];
  /** Number of pushes that are queued and not yet processed. */
  #pending = 0;
  /** Aborted when the connection is lost: the server delivers again what is not acknowledged by then. */
  #connection = new AbortController();

  constructor(context: ClientContext, policy: 'warn' | 'block', events: MailboxEvents) {
    this.#context = context;
    this.#policy = policy;
    this.#events = events;
  }

  /** Processes a push. It is acknowledged even if it can't be decrypted, because that would fail again on redelivery. */
  async receive(keystore: Keystore, data: unknown): Promise<void> {
    const push = parsePush(data);
    if (push === undefined) {
      const mailboxId = fields(data)?.['mailboxId'];
      if (typeof mailboxId === 'string') this.#processedIds.push(mailboxId);
      return;
    }
    const { senderId, envelope, mailboxId } = push;
    const { result, retry } = await this.#decrypt(keystore, envelope);
    // Until the identity key is accepted, or if nothing can be stored, the push is not acknowledged, so that the server
    // delivers it again.
    const isHeld = (!result.ok && result.reason === 'identity-changed') || !keystore.isStored;
    if (mailboxId !== undefined && !isHeld) this.#processedIds.push(mailboxId);
    this.#events.effects(keystore, senderId, result.effects, retry);
    if (result.ok) {
      if (result.payload.kind === 'session-reset') this.#events.sessionReset(keystore, senderId);
    } else if (result.reason === 'unknown-session' || result.reason === 'unknown-prekey') {
      this.#events.sessionLost(keystore, senderId, result.reason);
    } else if (isDiverged(result.sessionFailure)) {
      this.#events.decryptionSuspect(keystore, envelope);
    }
  }

  /** Call when a push is queued. */
  expect(): void {
    this.#pending += 1;
  }

  /** Call when a queued push was processed or has failed. Acknowledges when no more are queued, or every 50. */
  processed(): void {
    this.#pending -= 1;
    if (this.#pending <= 0 || this.#processedIds.length >= ACKNOWLEDGE_EVERY) this.#acknowledge();
  }

  /**
   * Sent again until the server has it: a server that waits for acknowledgements delivers nothing more, and a request may
   * be refused for a while because the user has just sent many.
   */
  #acknowledge(): void {
    const { requester, report } = this.#context;
    const { signal } = this.#connection;
    while (this.#processedIds.length > 0) {
      const mailboxIds = this.#processedIds.splice(0, LIMITS.mailboxIds);
      if (!this.#context.has('mailbox')) continue;
      const send = (): Promise<unknown> => requester.request('encryption:mailbox-ack', { mailboxIds });
      retry(send, this.#context, { signal }).catch((error: unknown) => {
        if (!signal.aborted) report(error);
      });
    }
  }

  /** Forgets what is pending. The server delivers it again. */
  clear(): void {
    this.#connection.abort();
    this.#connection = new AbortController();
    this.#pending = 0;
    this.#processedIds = [];
  }

  async #decrypt(
    keystore: Keystore,
    envelope: EncryptedEnvelope,
  ): Promise<{ result: DecryptionResult; retry: boolean }> {
    const { records } = keystore;
    const { senderId } = envelope;
    const names = recordsForSender(senderId);
    const now = this.#context.clock.now();
    // Which records and code a payload needs is known only after decryption: a first pass decrypts and stores nothing.
    const preview = await records.transact(names, (tx) => {
      const step = SessionCipher.decrypt(getSessionRecord(tx, senderId), keystore.localParty(tx), envelope, now);
      return step.ok ? decodePayload(step.plaintext) : undefined;
    });
    const chain = preview?.kind === 'sender-key' ? preview.senderKey : undefined;
    const cid = chain?.cid;
    const groups = cid === undefined ? undefined : await import('../groups/group-encryption.ts');
    // A first pass that failed may succeed now, if another tab has stored a session meanwhile.
    const mayBeCopy = preview === undefined || preview.kind === 'message';
    const copies = mayBeCopy ? await import('../messages/resent-copies.ts') : undefined;
    const mayBeUnsupported = preview === undefined || preview.kind === 'unsupported';
    const keeper = mayBeUnsupported ? await import('./kept-mail.ts') : undefined;
    names.push(RECORDS.seenEnvelopes(senderId));
    if (mayBeUnsupported) names.push(RECORDS.keptMail(senderId));
    if (mayBeCopy) names.push(RECORDS.resendAllowance(senderId));
    if (chain !== undefined) {
      names.push(...(groups?.recordsForChain(chain.cid, senderId, chain.chainId) ?? []));
      names.push(RECORDS.distributedKey(chain.cid, chain.chainId, senderId), RECORDS.callKey(senderId));
    }
    return records.transact(names, (tx) => {
      const result = decryptFromPeer(tx, keystore, envelope, this.#policy, now);
      const seen = parseSeen(tx.getJson(RECORDS.seenEnvelopes(senderId)));
      const hash = hashCiphertext(envelope.ciphertext);
      if (!result.ok) {
        // Delivered again, because its acknowledgement was lost: not a sign of a session that has diverged.
        const isRedelivered = seen.includes(hash);
        if (isRedelivered || result.reason !== 'unsupported')
          return { result: isRedelivered ? { ...result, sessionFailure: undefined } : result, retry: false };
        keeper?.keepMail(tx, envelope, result.unsupported, now);
        // Without a decrypted payload the envelope may be invented, and must not evict others from the list.
        if (result.unsupported === undefined) return { result, retry: false };
      }
      tx.putJson(RECORDS.seenEnvelopes(senderId), [...seen, hash].slice(-MAX_SEEN));
      if (!result.ok) return { result, retry: result.effects.sessionStarted === true };
      const { payload, identityKey, effects } = result;
      if (payload.kind === 'message') {
        copies?.putResentCopy(tx, senderId, payload, now);
        return { result, retry: true };
      }
      if (
        payload.kind !== 'sender-key' ||
        payload.senderKey.chainId !== chain?.chainId ||
        payload.cid !== cid ||
        groups === undefined
      ) {
        return { result, retry: effects.sessionStarted === true };
      }
      const { senderKey } = payload;
      const sender = { userId: senderId, identityKey };
      if ('chainKey' in senderKey) return { result, retry: groups.acceptDistribution(tx, sender, senderKey, now) };
      const isEnqueued = groups.redistribute(tx, keystore, sender, senderKey, now);
      return {
        result: { ...result, effects: { ...effects, enqueued: isEnqueued || effects.enqueued } },
        retry: false,
      };
    });
  }
}

function parseSeen(value: unknown): string[] {
  return Array.isArray(value) ? (value as string[]) : [];
}

function isDiverged(failure: FailureReason | undefined): boolean {
  return failure === 'bad-tag' || failure === 'gap' || failure === 'replay';
}

function parsePush(data: unknown): SessionInitPush | undefined {
  const row = fields(data);
  const envelope = fields(row?.['envelope']);
  const { senderId, sessionId, mailboxId } = row ?? {};
  if (typeof senderId !== 'string' || typeof sessionId !== 'string' || envelope?.['senderId'] !== senderId)
    return undefined;
  if (typeof envelope['ciphertext'] !== 'string' || typeof envelope['recipientId'] !== 'string') return undefined;
  const parsed = row?.['envelope'] as EncryptedEnvelope;
  return { senderId, sessionId, envelope: parsed, ...(typeof mailboxId === 'string' && { mailboxId }) };
}
