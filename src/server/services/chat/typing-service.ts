import type { Clock } from '../../../lib/clock.ts';
import type { ConversationRef } from '../../../protocol/presence.ts';
import type { ResolvedConfig } from '../../config.ts';
import type { CommunicationStore } from '../../cluster/memory-ephemera.ts';
import type { Caller, Broadcaster } from '../ports.ts';

/** Dependencies of {@link TypingService}. */
export interface TypingDeps {
  ephemera: Pick<CommunicationStore, 'setTyping' | 'clearTyping' | 'isTyping'>;
  broadcaster: Pick<Broadcaster, 'toConversation'>;
  clock: Clock;
  config: Pick<ResolvedConfig, 'typingTimeoutMs'>;
  /**
   * Returns the members from whom the user's typing is hidden, because one of the two has blocked the other. Rejects with
   * `NOT_FOUND` if the user isn't a member.
   */
  requireMember(userId: string, conversationId: string): Promise<readonly string[]>;
}

/** By conversation: when the socket's typing was last pushed. */
type LastPushes = Map<string, number>;

/** Pushes who is typing to the other members. Typing ends when the client doesn't renew it. */
export class TypingService {
  readonly #deps: TypingDeps;
  readonly #bySocket = new Map<string, LastPushes>();
  /** By conversation and user, while the user is typing: the members from whom it is hidden. Without them there is no entry. */
  readonly #hiddenFrom = new Map<string, readonly string[]>();

  constructor(deps: TypingDeps) {
    this.#deps = deps;
  }

  /** Starts or renews typing. @throws CommError `NOT_FOUND` */
  async start(caller: Caller, { conversationId }: ConversationRef): Promise<null> {
    const { ephemera, clock, config } = this.#deps;
    const { userId, socketId } = caller;
    // A user who is typing is a member, because a removed member's typing ends. Therefore a renewal needs no query.
    if (!ephemera.isTyping(conversationId, userId)) {
      const hidden = await this.#deps.requireMember(userId, conversationId);
      if (hidden.length > 0) this.#hiddenFrom.set(key(conversationId, userId), hidden);
    }
    const pushedAt = this.#lastPushes(socketId)?.get(conversationId);
    const stillTyping = ephemera.isTyping(conversationId, userId);
    const expired = (): void => {
      this.#forget(socketId, conversationId);
      this.#pushEnd(conversationId, userId);
    };
    ephemera.setTyping(conversationId, userId, expired, config.typingTimeoutMs);
    // Pushed again at intervals, for members who have joined since and for clients whose own timeout would end it.
    if (stillTyping && pushedAt !== undefined && clock.now() - pushedAt < config.typingTimeoutMs / 2) return null;
    this.#recordPush(socketId, conversationId);
    this.#push(conversationId, userId, true);
    return null;
  }

  /** Ends typing. @throws CommError `NOT_FOUND` */
  async stop(caller: Caller, { conversationId }: ConversationRef): Promise<null> {
    await this.#deps.requireMember(caller.userId, conversationId);
    this.ended(caller.userId, conversationId, caller.socketId);
    return null;
  }

  /** Ends typing because the message was sent, the view was closed or the membership ended. */
  ended(userId: string, conversationId: string, socketId?: string): void {
    this.#forget(socketId, conversationId);
    if (this.#deps.ephemera.clearTyping(conversationId, userId)) this.#pushEnd(conversationId, userId);
  }

  /** Ends the typing of two users, one of whom has blocked the other. What they type next is hidden. */
  blocked(...userIds: readonly string[]): void {
    for (const conversationIds of this.#bySocket.values()) {
      for (const conversationId of conversationIds.keys()) {
        for (const userId of userIds) {
          if (this.#deps.ephemera.isTyping(conversationId, userId)) this.ended(userId, conversationId);
        }
      }
    }
  }

  /** Ends typing in all conversations of a disconnected socket. */
  disconnected({ userId, socketId }: Caller): void {
    const lastPushes = this.#lastPushes(socketId);
    if (socketId === undefined || lastPushes === undefined) return;
    this.#bySocket.delete(socketId);
    for (const conversationId of lastPushes.keys()) this.ended(userId, conversationId);
  }

  #lastPushes(socketId: string | undefined): LastPushes | undefined {
    return socketId === undefined ? undefined : this.#bySocket.get(socketId);
  }

  #recordPush(socketId: string | undefined, conversationId: string): void {
    if (socketId === undefined) return;
    const lastPushes = this.#bySocket.get(socketId) ?? new Map<string, number>();
    this.#bySocket.set(socketId, lastPushes.set(conversationId, this.#deps.clock.now()));
  }

  #forget(socketId: string | undefined, conversationId: string): void {
    const lastPushes = this.#lastPushes(socketId);
    lastPushes?.delete(conversationId);
    if (socketId !== undefined && lastPushes?.size === 0) this.#bySocket.delete(socketId);
  }

  #pushEnd(conversationId: string, userId: string): void {
    this.#push(conversationId, userId, false);
    this.#hiddenFrom.delete(key(conversationId, userId));
  }

  #push(conversationId: string, userId: string, isTyping: boolean): void {
    const data = { conversationId, userId, isTyping };
    const exceptUserIds = this.#hiddenFrom.get(key(conversationId, userId));
    const except = { exceptUserId: userId, ...(exceptUserIds !== undefined && { exceptUserIds }) };
    this.#deps.broadcaster.toConversation(conversationId, { event: 'typing:update', data }, except);
  }
}

function key(conversationId: string, userId: string): string {
  return JSON.stringify([conversationId, userId]);
}
