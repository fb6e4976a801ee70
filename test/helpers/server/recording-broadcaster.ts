import type { Push, PushName, Pushes } from '../../../src/protocol/events.ts';
import type { Broadcaster, PushOptions } from '../../../src/server/services/ports.ts';

export type Recorded = Push & { readonly to: string; readonly except?: string };

/**
 * Keeps what was pushed, in order: `to` is `user:<id>`, `mailbox:<id>` (a user's sockets with that capability),
 * `base:<id>` (those without it), `conversation:<id>`, with ` with batch` or ` without batch` if only these sockets receive it, or
 * `socket:<id>`.
 */
export class RecordingBroadcaster implements Broadcaster {
  readonly pushes: Recorded[] = [];
  /** Who enters and leaves which room. */
  readonly rooms: string[] = [];
  /** By conversation: users with a base client in the room. */
  readonly base = new Map<string, readonly string[]>();

  toUser(userId: string, push: Push, options: PushOptions = {}): void {
    const { mailbox } = options;
    const sockets = mailbox === undefined ? 'user' : mailbox ? 'mailbox' : 'base';
    this.#record(`${sockets}:${userId}`, push, options);
  }

  toUsers(userIds: readonly string[], push: Push): void {
    for (const userId of userIds) this.toUser(userId, push);
  }

  toConversation(conversationId: string, push: Push, options: PushOptions = {}): void {
    const { batch } = options;
    const sockets = batch === undefined ? '' : batch ? ' with batch' : ' without batch';
    this.#record(`conversation:${conversationId}${sockets}`, push, options);
  }

  toSocket(socketId: string, push: Push): void {
    this.#record(`socket:${socketId}`, push);
  }

  joinUser(userId: string, conversationId: string): void {
    this.rooms.push(`${userId} enters ${conversationId}`);
  }

  removeUser(userId: string, conversationId: string): void {
    this.rooms.push(`${userId} is put out of ${conversationId}`);
  }

  joinSocket(socketId: string, conversationId: string): void {
    this.rooms.push(`socket ${socketId} enters ${conversationId}`);
  }

  subscribed(): undefined {
    return undefined;
  }

  leaveSocket(socketId: string, conversationId: string): void {
    this.rooms.push(`socket ${socketId} leaves ${conversationId}`);
  }

  baseReceivers(conversationId: string): readonly string[] {
    return this.base.get(conversationId) ?? [];
  }

  /** The payloads of one event, in order. */
  payloads<K extends PushName>(event: K): Pushes[K][] {
    return this.pushes.filter((each) => each.event === event).map((each) => each.data as Pushes[K]);
  }

  /** What was pushed since the last call, as `event > to`. */
  take(): string[] {
    return this.pushes.splice(0).map(({ event, to }) => `${event} > ${to}`);
  }

  #record(to: string, push: Push, options: { exceptSocketId?: string | undefined } = {}): void {
    const { exceptSocketId } = options;
    // As over the wire: what is changed later was not sent.
    this.pushes.push({ ...structuredClone(push), to, ...(exceptSocketId !== undefined && { except: exceptSocketId }) });
  }
}
