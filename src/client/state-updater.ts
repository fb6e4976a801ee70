import type { Changes, Conversation } from '../protocol/conversations.ts';
import type { Message } from '../protocol/messages.ts';
import type { CommError } from '../protocol/errors.ts';
import type { PresenceUpdate, TypingUpdate } from '../protocol/presence.ts';
import type { CommStorage } from '../storage/comm-storage.ts';
import { fields, type Fields } from '../transport/fields.ts';
import type { ParsedPush } from '../transport/parse-push.ts';
import { parseConversation, parseUser } from '../transport/parse-rows.ts';
import { routeCallPushes } from './calls/signaling/call-push-router.ts';
import type { ClientParts } from './client-parts.ts';
import { marksOf, type Change, type Mark } from './changes.ts';
import type { ClientContext } from './context.ts';
import type { OfflineCache } from './offline/offline-cache.ts';
import type { Reader } from './reader.ts';
import { PushRouter } from './sync/push-router.ts';
import type { SyncTarget } from './sync/sync-target.ts';

/** Creates the push router and what it updates. */
export function createPushRouter(context: ClientContext, storage: CommStorage, parts: ClientParts): PushRouter {
  return new PushRouter(context, storage, new StateUpdater(context, parts));
}

/** Applies what sync receives to the parts of the client. Parts whose chunk is not loaded have no state to update. */
class StateUpdater implements SyncTarget {
  readonly #context: ClientContext;
  readonly #parts: ClientParts;
  readonly #routeCallPush: (event: string, data: unknown) => void;

  constructor(context: ClientContext, parts: ClientParts) {
    this.#context = context;
    this.#parts = parts;
    this.#routeCallPush = routeCallPushes(parts.calls, context.report);
  }

  received({ event, data }: ParsedPush): void {
    this.#parts.requester.pushed(event, data);
  }

  delivered({ event, data }: ParsedPush): void {
    if (event === 'user:updated' || event === 'user:block-changed') return this.#routeUserPush(event, data);
    this.#routeCallPush(event, data);
  }

  #routeUserPush(event: 'user:updated' | 'user:block-changed', data: Fields): void {
    const directory = this.#parts.users.current;
    if (event === 'user:block-changed') {
      const { userId, blocked } = data;
      if (typeof userId === 'string') directory?.applyBlock({ userId, blocked: blocked === true });
      return;
    }
    const user = parseUser(data);
    if (user === undefined) return;
    directory?.apply(user);
    this.#reader?.inbox.apply({ kind: 'profile', user });
    this.#context.emitter.emit('user:updated', user);
  }

  find(messageId: string): Message | undefined {
    return this.#reader?.timelines.find(messageId);
  }

  apply(change: Change, live: boolean): void {
    const { outbox, typing } = this.#parts;
    this.#reader?.timelines.apply(change.conversationId, change);
    this.#reader?.inbox.apply(change, live);
    this.#offline?.apply(change);
    if (change.kind !== 'created') return;
    const { clientId, senderId } = change.message;
    if (clientId !== undefined && senderId === this.#context.userId()) outbox.confirm(clientId, change.message);
    typing.current?.apply({ conversationId: change.conversationId, userId: senderId, isTyping: false });
  }

  applyMark(mark: Mark): void {
    // A base server names only the message, which may be in any conversation.
    if (mark.conversationId === '') this.#reader?.timelines.applyEverywhere(mark);
    else this.#reader?.timelines.apply(mark.conversationId, mark);
    this.#reader?.inbox.apply(mark);
  }

  applyToInbox(change: Change | Mark): void {
    this.#reader?.inbox.apply(change);
  }

  applyTyping(update: TypingUpdate): void {
    this.#parts.typing.current?.apply(update);
  }

  applyPresence(update: PresenceUpdate): boolean {
    return this.#parts.presence.current?.apply(update) === true;
  }

  known(conversation: Conversation): void {
    this.#reader?.inbox.apply({ kind: 'known', conversation });
    this.#entered(conversation);
  }

  /** Shows what others have read and received meanwhile: receipts are no changes that a resync brings. */
  #entered(conversation: Conversation): void {
    const timelines = this.#reader?.timelines;
    timelines?.entered(conversation.id);
    for (const mark of marksOf(conversation, this.#context.userId())) timelines?.apply(mark.conversationId, mark);
  }

  left(conversationId: string): void {
    this.#reader?.timelines.left(conversationId);
    this.#reader?.inbox.apply({ kind: 'left', conversationId });
    this.#offline?.remove(conversationId);
  }

  reload(conversationId?: string): void {
    // Before the open timelines load again, which stores their messages again.
    if (conversationId === undefined) void this.#offline?.keepOnly(new Set(), false);
    else this.#offline?.outdated(conversationId);
    if (conversationId === undefined) this.#reader?.timelines.reloadAll();
    else this.#reader?.timelines.reload(conversationId);
  }

  resumed(conversationIds: ReadonlySet<string>): void {
    void this.#offline?.keepOnly(conversationIds, true);
  }

  async store(): Promise<void> {
    await this.#offline?.flush();
  }

  async fetchChanges(conversationId: string, after: number, apply: (changes: Changes) => void): Promise<void> {
    const { history, inbox } = await this.#parts.reader();
    await inbox.request(history.changes(conversationId, after), (changes) => {
      apply(changes);
      return undefined;
    });
  }

  async joinRoom(conversationId: string, isCurrent: () => boolean): Promise<Conversation | undefined> {
    // Loaded before the request, so that pushes behind its response find the conversation.
    const { directory, inbox } = await this.#parts.reader();
    let joined: Conversation | undefined;
    await inbox.request(
      this.#context.requester.request('conversation:join', { conversationId }),
      (response: unknown) => {
        joined = parseConversation(fields(response)?.['conversation']);
        return joined && isCurrent() ? { kind: 'known', conversation: joined } : undefined;
      },
    );
    if (joined === undefined) {
      // A base server responds without the conversation.
      if (inbox.find(conversationId) !== undefined) return undefined;
      await inbox.request(directory.get(conversationId), (conversation) => ({ kind: 'known', conversation }));
      return undefined;
    }
    if (!isCurrent()) return undefined;
    this.#entered(joined);
    return joined;
  }

  openConversations(): readonly string[] {
    return this.#parts.views.ids();
  }

  userRejected(error: CommError): void {
    this.#parts.connection.userRejected(error);
  }

  clear(): void {
    this.#offline?.clear();
    this.#reader?.forget();
    this.#parts.users.current?.forget();
  }

  get #offline(): OfflineCache | undefined {
    return this.#parts.offline.current;
  }

  get #reader(): Reader | undefined {
    return this.#parts.reader.current;
  }
}
