import type { DecryptionFailure, EncryptedEnvelope } from '../../protocol/encryption.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import { Remembered } from '../../lib/remembered.ts';
import { keepDecrypted, readMessage } from '../../transport/rows.ts';
import type { ClientContext } from '../context.ts';
import { NAMES, type Account } from './account.ts';
import { failed, namesFor, receiveIn, type News, type Reading } from './receiving.ts';
import type { View } from './records.ts';
import { hasLate, takeLate } from './late.ts';
import { hashOf, readText, secretIn, storable, textFor, withSecret, type Text } from './texts.ts';

export interface IncomingEvents {
  account(): Promise<Account>;
  /** Who wrote in which conversation. */
  seen(account: Account, messages: readonly Message[]): Promise<void>;
  /** Told before the message that it came with. */
  news(account: Account, senderId: string, news: News): void;
  /** The session with that sender is gone here. */
  lost(account: Account, senderId: string): void;
  /** A key of that sender for that group never came. */
  missing(account: Account, senderId: string, cid: string, chainId: number): void;
}

/** Decrypted or failed, and what was brought about. */
type Outcome = { text: Text } | Extract<Reading, { ok: false }>;

const REMEMBERED = 2_000;

const groupKeys = () => import('./group-keys.ts');

/** Decrypts messages: each once, whoever asks, and whatever tabs do it at the same time. */
export class Incoming {
  readonly #context: ClientContext;
  readonly #policy: 'warn' | 'block';
  readonly #events: IncomingEvents;
  /** Texts by message id, the last so many. */
  readonly #texts = new Map<string, Text>();
  /** What couldn't be read, to be tried again when its sender's keys come. */
  readonly #unread = new Map<string, Message>();
  readonly #told = new Remembered(REMEMBERED);

  constructor(context: ClientContext, policy: 'warn' | 'block', events: IncomingEvents) {
    this.#context = context;
    this.#policy = policy;
    this.#events = events;
  }

  /**
   * Decrypts rows, oldest first.
   *
   * @param isLive - what can't be read now was written now: worth asking for its keys
   */
  async read(rows: readonly object[], isLive: boolean): Promise<Map<object, Message>> {
    const opened = new Map<object, Message>();
    const messages: { row: object; message: Message }[] = [];
    for (const row of rows) {
      const message = readMessage(row);
      // What was decrypted before is read as itself.
      if (message === row) opened.set(row, message);
      else if (message !== undefined) messages.push({ row, message });
    }
    messages.sort((a, b) => byAge(a.message, b.message));
    let account: Account | undefined;
    try {
      account = await this.#events.account();
      const all = messages.map(({ message }) => message);
      await this.#prefetch(account, all);
      await this.#events.seen(account, all);
    } catch {
      // Each says so below.
    }
    for (const { row, message } of messages) opened.set(row, await this.#open(account, message, isLive));
    return opened;
  }

  /** Messages of that sender which could not be read before and can now, in the order in which they were sent. */
  async retry(account: Account, senderId: string): Promise<Message[]> {
    const waiting = [...this.#unread.values()].filter((each) => each.senderId === senderId).sort(byAge);
    const healed: Message[] = [];
    for (const message of waiting) {
      const now = await this.#open(account, message, false);
      if (now.undecrypted === undefined) healed.push(now);
    }
    return healed;
  }

  /** Senders of what can't be read. */
  unreadSenders(): Set<string> {
    return new Set(Array.from(this.#unread.values(), ({ senderId }) => senderId));
  }

  forget(messageId: string): void {
    this.#texts.delete(messageId);
    this.#unread.delete(messageId);
  }

  clear(): void {
    this.#texts.clear();
    this.#unread.clear();
    this.#told.clear();
  }

  /** One read of the storage for a page that was read before. */
  async #prefetch(account: Account, messages: readonly Message[]): Promise<void> {
    const unknown = messages.filter(({ id }) => !this.#texts.has(id));
    if (unknown.length < 2) return;
    const names = unknown.map(({ id }) => NAMES.text(id));
    const found = await account.records.transact(names, (view) => names.map((name) => readText(view.read(name))));
    for (const [at, { id }] of unknown.entries()) {
      const text = found[at];
      if (text !== undefined) this.#keep(id, text);
    }
  }

  async #open(account: Account | undefined, message: Message, isLive: boolean): Promise<Message> {
    const { id, senderId, conversationId, envelope } = message;
    if (message.deletedAt !== undefined) {
      await this.#delete(account, id);
      return message;
    }
    if (!isEnvelope(envelope)) return this.#fail(message, 'invalid');
    if (account === undefined) return this.#fail(message, 'locked');
    const hash = hashOf(envelope.ciphertext);
    const held = this.#texts.get(id);
    if (held?.hash === hash) return this.#show(message, held);
    let outcome: Outcome;
    try {
      outcome = await this.#decrypt(account, message, envelope, hash);
    } catch (error) {
      if (isCommError(error) && error.code === 'E2EE_LOCKED') return this.#fail(message, 'locked');
      this.#context.report(error);
      return this.#fail(message, 'invalid');
    }
    if ('text' in outcome) return this.#show(message, outcome.text);
    const { reason, news } = outcome;
    this.#events.news(account, senderId, news);
    if (isLive && isLost(outcome)) this.#events.lost(account, senderId);
    if (isLive && reason === 'no-sender-key') {
      const chainId = (await groupKeys()).chainIdOf(envelope);
      if (chainId !== undefined) this.#events.missing(account, senderId, conversationId, chainId);
    }
    return this.#fail(message, reason);
  }

  /** In one transaction: what is kept already, or the step that reads it. */
  async #decrypt(account: Account, message: Message, envelope: EncryptedEnvelope, hash: string): Promise<Outcome> {
    const { id, senderId, conversationId: cid, clientId } = message;
    const isOwn = senderId === account.userId;
    const isGroup = envelope.recipientId === cid;
    const names = [NAMES.text(id), NAMES.own(hash)];
    if (!isOwn) names.push(...namesFor(senderId));
    const group = !isOwn && isGroup ? await groupKeys() : undefined;
    if (group !== undefined) names.push(NAMES.group(cid));
    if (!isOwn && clientId !== undefined) names.push(NAMES.late(senderId, clientId));
    const step = await account.records.transact(names, (view): { outcome: Outcome; news?: News; isLate?: boolean } => {
      const kept = readText(view.read(NAMES.text(id)));
      if (kept?.hash === hash) return { outcome: { text: kept } };
      if (isOwn) return { outcome: ownIn(view, message, hash) };
      if (envelope.senderId !== senderId) return { outcome: failed('misplaced') };
      if (!isGroup && envelope.recipientId !== account.userId) return { outcome: failed('not-for-us') };
      const now = this.#context.clock.now();
      const reading =
        group === undefined
          ? receiveIn(view, account, envelope, this.#policy, now)
          : group.receiveForGroup(view, account, cid, envelope, now);
      if (!reading.ok) return { outcome: reading, isLate: isLost(reading) && hasLate(view, message) };
      const { payload, news } = reading;
      if (payload.kind !== 'message') return { outcome: failed('invalid', news) };
      // An edit says whose place it takes: what was sent as another message can't stand in for this one.
      const called = kept?.clientId ?? clientId ?? payload.id;
      if (payload.cid !== cid || payload.id !== called) return { outcome: failed('misplaced', news) };
      const text = textFor(message, hash, secretIn(payload), payload.id);
      view.write(NAMES.text(id), storable(text));
      return { outcome: { text }, news };
    });
    if (step.news !== undefined) this.#events.news(account, senderId, step.news);
    return step.isLate === true ? ((await takeLate(account, message, hash)) ?? step.outcome) : step.outcome;
  }

  /** Only as what it was decrypted as: whose it is and where it stands is the server's word in the row. */
  #show(message: Message, text: Text): Message {
    const isTheirs = text.senderId === message.senderId && text.cid === message.conversationId;
    if (!isTheirs) return this.#fail(message, 'misplaced');
    this.#keep(message.id, text);
    this.#unread.delete(message.id);
    return withSecret(message, text);
  }

  #keep(id: string, text: Text): void {
    this.#texts.set(id, text);
    const [oldest] = this.#texts.keys();
    if (this.#texts.size > REMEMBERED && oldest !== undefined) this.#texts.delete(oldest);
  }

  #fail(message: Message, reason: DecryptionFailure): Message {
    const { id } = message;
    const shown = {
      ...withSecret(message, { content: '', type: 'text' }),
      status: 'failed',
      undecrypted: reason,
    } as const;
    keepDecrypted(shown);
    this.#unread.set(id, message);
    const [oldest] = this.#unread.keys();
    if (this.#unread.size > REMEMBERED && oldest !== undefined) this.#unread.delete(oldest);
    if (this.#told.add(`${id} ${reason}`)) {
      this.#context.emitter.emit('encryption:decryption-failed', { message: shown, reason });
    }
    return shown;
  }

  async #delete(account: Account | undefined, id: string): Promise<void> {
    this.forget(id);
    await account?.records.transact([], (view) => view.delete(NAMES.text(id))).catch(this.#context.report);
  }
}

/** It may have been sent once more, because it can't be read here. */
function isLost({ reason }: Extract<Reading, { ok: false }>): boolean {
  return reason === 'unknown-session' || reason === 'unknown-prekey';
}

/** An own message: its key went with the bytes, and its text was kept when they were made. */
function ownIn(view: View, message: Message, hash: string): Outcome {
  const { id, conversationId, clientId, createdAt } = message;
  const own = readText(view.read(NAMES.own(hash)));
  if (own === undefined) return failed('not-for-us');
  if (own.cid !== conversationId || (clientId !== undefined && own.clientId !== clientId)) return failed('misplaced');
  const text = { ...own, createdAt };
  view.write(NAMES.text(id), storable(text));
  view.delete(NAMES.own(hash));
  return { text };
}

function isEnvelope(value: unknown): value is EncryptedEnvelope {
  if (typeof value !== 'object' || value === null) return false;
  const { senderId, recipientId, sessionId, ciphertext } = value as Partial<Record<keyof EncryptedEnvelope, unknown>>;
  return [senderId, recipientId, sessionId, ciphertext].every((each) => typeof each === 'string');
}

/** In the order they were sent: keys only go forward. */
function byAge(a: Message, b: Message): number {
  if (a.conversationId === b.conversationId && a.seq !== undefined && b.seq !== undefined) return a.seq - b.seq;
  return a.createdAt < b.createdAt
    ? -1
    : a.createdAt > b.createdAt
      ? 1
      : a.id.length - b.id.length || (a.id < b.id ? -1 : 1);
}
