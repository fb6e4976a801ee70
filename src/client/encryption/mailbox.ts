import type { EncryptedEnvelope, SessionInitPush } from '../../protocol/encryption.ts';
import { isCommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { fields } from '../../transport/fields.ts';
import type { ClientContext } from '../context.ts';
import { NAMES, peerIn, type Account } from './account.ts';
import { readPayload } from './payload.ts';
import { receive } from './receive.ts';
import { namesFor, receiveIn, type News, type Reading } from './receiving.ts';
import { keepLate } from './late.ts';

export interface MailboxEvents {
  /** `unlocked`: what its sender has sent may be readable now. */
  news(account: Account, senderId: string, news: News, unlocked: boolean): void;
  lost(account: Account, senderId: string): void;
  /** The peer has lost its sessions: what waits for it has to be encrypted anew. */
  reset(account: Account, senderId: string): void;
}

/** The server hands over more once half of what it has handed over is confirmed. */
const CONFIRM_EVERY = 50;

/** What comes by `session-init`: about sessions and keys, in no conversation. */
export class Mailbox {
  readonly #context: ClientContext;
  readonly #policy: 'warn' | 'block';
  readonly #events: MailboxEvents;
  /** Kept here now, and not yet confirmed to the server. */
  #kept: string[] = [];
  /** How many wait to be taken. */
  #expected = 0;

  constructor(context: ClientContext, policy: 'warn' | 'block', events: MailboxEvents) {
    this.#context = context;
    this.#policy = policy;
    this.#events = events;
  }

  /** What was taken is acknowledged by {@link taken}; what can't be read will not be readable when it comes again. */
  async take(account: Account, data: unknown): Promise<void> {
    const push = readPush(data);
    if (push === undefined) {
      const mailboxId = fields(data)?.['mailboxId'];
      if (typeof mailboxId === 'string') this.#kept.push(mailboxId);
      return;
    }
    const { senderId, envelope, mailboxId } = push;
    const { reading, unlocked } = await this.#read(account, envelope);
    // Held until the key is accepted: it comes again with the next connection.
    const isHeld = !reading.ok && reading.reason === 'identity-changed';
    if (mailboxId !== undefined && !isHeld) this.#kept.push(mailboxId);
    this.#events.news(account, senderId, reading.news, unlocked);
    if (reading.ok) {
      if (reading.payload.kind === 'session-reset') this.#events.reset(account, senderId);
    } else if (reading.reason === 'unknown-session' || reading.reason === 'unknown-prekey') {
      this.#events.lost(account, senderId);
    }
  }

  /** One waits to be taken. */
  expect(): void {
    this.#expected += 1;
  }

  /** It was, or could not be. Confirmed is what was taken once no more waits. */
  taken(): void {
    this.#expected -= 1;
    if (this.#expected <= 0 || this.#kept.length >= CONFIRM_EVERY) this.#confirm();
  }

  /** Tells the server what it may forget. Lost on the way, it comes again and is known. */
  #confirm(): void {
    while (this.#kept.length > 0) {
      const mailboxIds = this.#kept.splice(0, LIMITS.mailboxIds);
      if (!this.#context.has('mailbox')) continue;
      this.#context.requester.request('encryption:mailbox-ack', { mailboxIds }).catch((error: unknown) => {
        if (!isCommError(error) || !error.retryable) this.#context.report(error);
      });
    }
  }

  clear(): void {
    this.#expected = 0;
    this.#kept = [];
  }

  async #read(account: Account, envelope: EncryptedEnvelope): Promise<{ reading: Reading; unlocked: boolean }> {
    const { records } = account;
    const { senderId } = envelope;
    const names = namesFor(senderId);
    const now = this.#context.clock.now();
    // Which group it is about is known once it is read, and the group's record has to be in the same transaction.
    const cid = await records.transact(names, (view) => {
      const step = receive(peerIn(view, senderId), account.own(view), envelope, now);
      const payload = step.ok ? readPayload(step.plaintext) : undefined;
      return payload?.kind === 'sender-key' ? payload.cid : undefined;
    });
    const group = cid === undefined ? undefined : await import('./group-keys.ts');
    if (cid !== undefined) names.push(NAMES.group(cid), NAMES.given(cid), NAMES.media(senderId));
    return records.transact(names, (view) => {
      const reading = receiveIn(view, account, envelope, this.#policy, now);
      if (!reading.ok) return { reading, unlocked: false };
      const { payload, identityKey, news } = reading;
      if (payload.kind === 'message') {
        keepLate(view, senderId, payload, now);
        return { reading, unlocked: true };
      }
      if (payload.kind !== 'sender-key' || payload.cid !== cid || group === undefined) {
        return { reading, unlocked: news.started === true };
      }
      const { senderKey } = payload;
      if ('chainKey' in senderKey) {
        return { reading, unlocked: group.acceptKey(view, { userId: senderId, identityKey }, senderKey, now) };
      }
      const posted = group.giveAgain(view, account, { userId: senderId, identityKey }, senderKey, now);
      return { reading: { ...reading, news: { ...news, posted: posted || news.posted } }, unlocked: false };
    });
  }
}

function readPush(data: unknown): SessionInitPush | undefined {
  const row = fields(data);
  const envelope = fields(row?.['envelope']);
  const { senderId, sessionId, mailboxId } = row ?? {};
  if (typeof senderId !== 'string' || typeof sessionId !== 'string' || envelope?.['senderId'] !== senderId)
    return undefined;
  if (typeof envelope['ciphertext'] !== 'string' || typeof envelope['recipientId'] !== 'string') return undefined;
  const read = row?.['envelope'] as EncryptedEnvelope;
  return { senderId, sessionId, envelope: read, ...(typeof mailboxId === 'string' && { mailboxId }) };
}
