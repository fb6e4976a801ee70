import { ObservableValue, type Observable } from '../../lib/observable.ts';
import type { TypingUpdate } from '../../protocol/presence.ts';
import { requireId, type ClientContext } from '../context.ts';

/** Until the server says otherwise in its hello. */
const DEFAULT_TIMEOUT_MS = 5_000;
const NOBODY: readonly string[] = Object.freeze([]);

interface Room {
  readonly users: ObservableValue<readonly string[]>;
  readonly expiries: Map<string, () => void>;
}

/** Who is typing, and saying so oneself: throttled, and it stops by itself. */
export class TypingClient {
  readonly #context: ClientContext;
  readonly #rooms = new Map<string, Room>();
  /** Own typing: when `typing:start` was last sent, and the timer that ends it. */
  readonly #own = new Map<string, { sentAt: number; cancel: () => void }>();
  #timeoutMs = DEFAULT_TIMEOUT_MS;

  /** @internal */
  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** Call it with each keystroke: what goes out is throttled, and ends by itself when the keystrokes do. */
  start(conversationId: string): void {
    requireId('conversationId', conversationId);
    const now = this.#context.clock.now();
    const held = this.#own.get(conversationId);
    held?.cancel();
    const cancel = this.#context.clock.after(this.#timeoutMs, () => this.stop(conversationId));
    // Often enough that the others don't take it for the end.
    const isDue = held === undefined || now - held.sentAt >= this.#timeoutMs / 2;
    this.#own.set(conversationId, { sentAt: isDue ? now : held.sentAt, cancel });
    if (isDue) this.#tell('typing:start', conversationId);
  }

  /** Ends the own typing before it ends by itself; sending a message does it too. */
  stop(conversationId: string): void {
    const held = this.#own.get(conversationId);
    if (held === undefined) return;
    held.cancel();
    this.#own.delete(conversationId);
    this.#tell('typing:stop', conversationId);
  }

  /** Ids of the others who are typing there, in the order they started. */
  in(conversationId: string): readonly string[] {
    return this.#rooms.get(conversationId)?.users.getSnapshot() ?? NOBODY;
  }

  /** @internal */
  observe(conversationId: string): Observable<readonly string[]> {
    return this.#room(conversationId).users;
  }

  /** @internal A message was sent: that ends the typing, and the server knows. */
  sent(conversationId: string): void {
    this.#own.get(conversationId)?.cancel();
    this.#own.delete(conversationId);
  }

  /** @internal */
  configure(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
  }

  /** @internal */
  apply({ conversationId, userId, isTyping }: TypingUpdate): void {
    if (userId === this.#context.userId()) return;
    // Every message ends the typing of its sender: mostly there was none.
    if (!isTyping && !this.#rooms.has(conversationId)) return;
    const { users, expiries } = this.#room(conversationId);
    expiries.get(userId)?.();
    expiries.delete(userId);
    const others = users.getSnapshot().filter((id) => id !== userId);
    if (isTyping) {
      // The end may get lost with a connection: nobody types for ever.
      const forget = (): void => this.apply({ conversationId, userId, isTyping: false });
      expiries.set(userId, this.#context.clock.after(this.#timeoutMs + 1_000, forget));
    }
    if (isTyping && users.getSnapshot().includes(userId)) return;
    const next = isTyping ? [...others, userId] : others;
    users.set(next.length === 0 ? NOBODY : Object.freeze(next));
    if (next.length === 0 && !users.watched) this.#rooms.delete(conversationId);
  }

  /** @internal */
  lineLost(): void {
    for (const { cancel } of this.#own.values()) cancel();
    this.#own.clear();
    for (const { users, expiries } of this.#rooms.values()) {
      for (const cancel of expiries.values()) cancel();
      expiries.clear();
      users.set(NOBODY);
    }
  }

  #room(conversationId: string): Room {
    const room = this.#rooms.get(conversationId) ?? {
      users: new ObservableValue<readonly string[]>(NOBODY, this.#context.report),
      expiries: new Map<string, () => void>(),
    };
    this.#rooms.set(conversationId, room);
    return room;
  }

  #tell(name: 'typing:start' | 'typing:stop', conversationId: string): void {
    // Nobody waits for it, and nothing depends on it.
    if (this.#context.online()) this.#context.requester.request(name, { conversationId }).catch(() => undefined);
  }
}
