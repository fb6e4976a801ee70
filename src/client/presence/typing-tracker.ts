import { ObservableValue, type Observable } from '../../lib/observable.ts';
import type { TypingUpdate } from '../../protocol/presence.ts';
import type { ClientContext } from '../context.ts';

/** Used until the server's hello names its own timeout. */
const DEFAULT_TIMEOUT_MS = 5_000;
/** How much longer than its sender a typing indicator of another user lasts without a `typing:update`. */
const EXPIRY_MARGIN_MS = 1_000;
const NONE: readonly string[] = Object.freeze([]);

interface Room {
  readonly users: ObservableValue<readonly string[]>;
  /** By user id: cancels the timer that removes the user. */
  readonly expiries: Map<string, () => void>;
}

/** Holds the typing indicators of all conversations, the user's own included. */
export class TypingTracker {
  readonly #context: ClientContext;
  readonly #rooms = new Map<string, Room>();
  /** By conversation id: when `typing:start` was last sent, and what cancels the timer that ends the own indicator. */
  readonly #own = new Map<string, { sentAt: number; cancel: () => void }>();
  readonly #serverTimeoutMs: () => number | undefined;

  /** @param serverTimeoutMs - the time after which the server ends an indicator, once it has told it */
  constructor(context: ClientContext, serverTimeoutMs: () => number | undefined) {
    this.#context = context;
    this.#serverTimeoutMs = serverTimeoutMs;
  }

  start(conversationId: string): void {
    const now = this.#context.clock.now();
    const held = this.#own.get(conversationId);
    held?.cancel();
    const cancel = this.#context.clock.after(this.#timeoutMs, () => this.stop(conversationId));
    // Sent twice per timeout, so that the indicator doesn't expire for the others between two keystrokes.
    const isDue = held === undefined || now - held.sentAt >= this.#timeoutMs / 2;
    this.#own.set(conversationId, { sentAt: isDue ? now : held.sentAt, cancel });
    if (isDue) this.#send('typing:start', conversationId);
  }

  stop(conversationId: string): void {
    const held = this.#own.get(conversationId);
    if (held === undefined) return;
    held.cancel();
    this.#own.delete(conversationId);
    this.#send('typing:stop', conversationId);
  }

  in(conversationId: string): readonly string[] {
    return this.#rooms.get(conversationId)?.users.getSnapshot() ?? NONE;
  }

  observe(conversationId: string): Observable<readonly string[]> {
    return this.#room(conversationId).users;
  }

  /** Ends the own indicator without a request: the server ends it when it stores the message. */
  sent(conversationId: string): void {
    this.#own.get(conversationId)?.cancel();
    this.#own.delete(conversationId);
  }

  apply({ conversationId, userId, isTyping }: TypingUpdate): void {
    if (userId === this.#context.userId()) return;
    // Each message ends the indicator of its sender, and most senders had none.
    if (!isTyping && !this.#rooms.has(conversationId)) return;
    const { users, expiries } = this.#room(conversationId);
    expiries.get(userId)?.();
    expiries.delete(userId);
    const others = users.getSnapshot().filter((id) => id !== userId);
    if (isTyping) {
      // The sender's `typing:stop` is lost if their connection drops.
      const expire = (): void => this.apply({ conversationId, userId, isTyping: false });
      expiries.set(userId, this.#context.clock.after(this.#timeoutMs + EXPIRY_MARGIN_MS, expire));
    }
    if (isTyping && users.getSnapshot().includes(userId)) return;
    const next = isTyping ? [...others, userId] : others;
    users.set(next.length === 0 ? NONE : Object.freeze(next));
    if (next.length === 0 && !users.watched) this.#rooms.delete(conversationId);
  }

  /** Clears all indicators: without a connection none of them can be trusted. */
  connectionLost(): void {
    for (const { cancel } of this.#own.values()) cancel();
    this.#own.clear();
    for (const { users, expiries } of this.#rooms.values()) {
      for (const cancel of expiries.values()) cancel();
      expiries.clear();
      users.set(NONE);
    }
  }

  get #timeoutMs(): number {
    return this.#serverTimeoutMs() ?? DEFAULT_TIMEOUT_MS;
  }

  #room(conversationId: string): Room {
    const room = this.#rooms.get(conversationId) ?? {
      users: new ObservableValue<readonly string[]>(NONE, this.#context.report),
      expiries: new Map<string, () => void>(),
    };
    this.#rooms.set(conversationId, room);
    return room;
  }

  #send(name: 'typing:start' | 'typing:stop', conversationId: string): void {
    // Best effort: a lost request only delays the indicator.
    if (this.#context.online()) this.#context.requester.request(name, { conversationId }).catch(() => undefined);
  }
}
