import type { Clock } from '../../lib/clock.ts';
import type { ConversationRef } from '../../protocol/presence.ts';
import type { ResolvedConfig } from '../config.ts';
import type { CommunicationStore } from '../store/ephemera/memory.ts';
import type { Caller, Hub } from './ports.ts';

export interface TypingDeps {
  ephemera: Pick<CommunicationStore, 'setTyping' | 'clearTyping' | 'isTyping'>;
  hub: Pick<Hub, 'toConversation'>;
  clock: Clock;
  config: Pick<ResolvedConfig, 'typingTimeoutMs'>;
  /** Rejects with `NOT_FOUND` where the user isn't a member. */
  requireMember(userId: string, conversationId: string): Promise<void>;
}

/** Where a socket types, and when the others were last told. */
type Told = Map<string, number>;

/** Who is typing: told to the other people in the room, and never for longer than there are signs of it. */
export class TypingService {
  readonly #deps: TypingDeps;
  readonly #bySocket = new Map<string, Told>();

  constructor(deps: TypingDeps) {
    this.#deps = deps;
  }

  async start(caller: Caller, { conversationId }: ConversationRef): Promise<null> {
    const { ephemera, clock, config } = this.#deps;
    const { userId, socketId } = caller;
    // Somebody who types is a member: whoever is removed stops typing. So a key stroke costs no look-up.
    if (!ephemera.isTyping(conversationId, userId)) await this.#deps.requireMember(userId, conversationId);
    const toldAt = this.#told(socketId)?.get(conversationId);
    const stillTyping = ephemera.isTyping(conversationId, userId);
    const expired = (): void => {
      this.#forget(socketId, conversationId);
      this.#tell(conversationId, userId, false);
    };
    ephemera.setTyping(conversationId, userId, expired, config.typingTimeoutMs);
    // Told again now and then, for those who have joined since and whose own watch on it would run out.
    if (stillTyping && toldAt !== undefined && clock.now() - toldAt < config.typingTimeoutMs / 2) return null;
    this.#note(socketId, conversationId);
    this.#tell(conversationId, userId, true);
    return null;
  }

  async stop(caller: Caller, { conversationId }: ConversationRef): Promise<null> {
    await this.#deps.requireMember(caller.userId, conversationId);
    this.ended(caller.userId, conversationId, caller.socketId);
    return null;
  }

  /** The message was sent, the view closed, the membership lost. */
  ended(userId: string, conversationId: string, socketId?: string): void {
    this.#forget(socketId, conversationId);
    if (this.#deps.ephemera.clearTyping(conversationId, userId)) this.#tell(conversationId, userId, false);
  }

  disconnected({ userId, socketId }: Caller): void {
    const told = this.#told(socketId);
    if (socketId === undefined || told === undefined) return;
    this.#bySocket.delete(socketId);
    for (const conversationId of told.keys()) this.ended(userId, conversationId);
  }

  #told(socketId: string | undefined): Told | undefined {
    return socketId === undefined ? undefined : this.#bySocket.get(socketId);
  }

  #note(socketId: string | undefined, conversationId: string): void {
    if (socketId === undefined) return;
    const told = this.#bySocket.get(socketId) ?? new Map<string, number>();
    this.#bySocket.set(socketId, told.set(conversationId, this.#deps.clock.now()));
  }

  #forget(socketId: string | undefined, conversationId: string): void {
    const told = this.#told(socketId);
    told?.delete(conversationId);
    if (socketId !== undefined && told?.size === 0) this.#bySocket.delete(socketId);
  }

  #tell(conversationId: string, userId: string, isTyping: boolean): void {
    const data = { conversationId, userId, isTyping };
    this.#deps.hub.toConversation(conversationId, { event: 'typing:update', data }, { exceptUserId: userId });
  }
}
