import { BoundedSet } from '../../lib/bounded-map.ts';
import { Gate } from '../../lib/gate.ts';
import { commErrorFrom } from '../../protocol/errors.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import { separate, type PushFrame } from '../../transport/frames.ts';
import { parsePush, type ParsedPush } from '../../transport/parse-push.ts';
import type { Change, Mark } from '../changes.ts';
import type { ClientContext } from '../context.ts';
import { ChangeFeed } from './change-feed.ts';
import { CursorStore } from './cursor-store.ts';
import { emitChange } from './emit-change.ts';
import { interpretPush, type PushMeaning } from './interpret-push.ts';
import { RoomRejoiner } from './rejoin.ts';
import { Resync } from './resync.ts';
import type { SyncTarget } from './sync-target.ts';

/** Ids of received messages held with a base server, which may push one message under two event names. */
const MAX_SEEN = 1_000;
/** Length to which the names of unknown pushes are cut in the log. */
const MAX_LOGGED_NAME = 64;

/** Receives the pushes of the server: parses, decrypts, orders them and applies them to the state of the client. */
export class PushRouter {
  readonly #context: ClientContext;
  readonly #target: SyncTarget;
  /** How far each conversation has been received. */
  readonly feed: ChangeFeed;
  readonly #cursorStore: CursorStore;
  readonly #rejoiner: RoomRejoiner;
  readonly #resync: Resync;
  readonly #seen = new BoundedSet<string>(MAX_SEEN);
  /** The user whose stored position has been loaded. */
  #resumedUserId: string | undefined;
  /**
   * Closed until the position of the user is known: a push before it would count as the start, and everything missed before
   * would be skipped. Lost connection: buffered pushes are dropped, because the next resync returns them.
   */
  readonly #pushes = new Gate<ParsedPush>((push) => this.#route(push));

  constructor(context: ClientContext, storage: CommStorage, target: SyncTarget) {
    this.#context = context;
    this.#target = target;
    this.feed = new ChangeFeed(context, {
      apply: (change, live) => {
        this.#apply(change, live);
        this.#cursorStore.changed();
      },
      reload: (id) => target.reload(id),
      isInBacklog: (id) => this.#resync.isInBacklog(id),
      hasLeft: (id) => this.#resync.hasLeft(id),
      fetchChanges: (id, after, apply) => target.fetchChanges(id, after, apply),
    });
    this.#rejoiner = new RoomRejoiner(context, (id) => this.join(id));
    this.#resync = new Resync(context, {
      feed: this.feed,
      apply: (change) => target.applyToInbox(change),
      gained: (conversation) => target.known(conversation),
      lost: (id) => this.#left(id, context.userId() ?? ''),
      changed: () => this.#cursorStore.changed(),
      started: () => void this.save(),
    });
    const position = () => ({ inboxRev: this.#resync.inboxRev, heads: this.feed.cursors() });
    this.#cursorStore = new CursorStore(storage, context, position, () => target.store());
  }

  pushed(frame: PushFrame): void {
    for (const push of separate(frame)) this.#received(push);
  }

  #received(frame: PushFrame): void {
    const push = parsePush(frame);
    if (push === undefined) return;
    this.#target.received(push);
    const cipher = this.#context.cipher?.current;
    if (cipher === undefined) this.#deliver(push);
    else cipher.pushed(push, (decrypted) => this.#deliver(decrypted));
  }

  /** Applies a message that could not be decrypted before. */
  amend(message: Message): void {
    const { conversationId } = message;
    this.#apply({ kind: 'updated', conversationId, message, rev: message.rev }, true);
  }

  connectionLost(): void {
    this.#pushes.close();
    this.#pushes.reset();
    this.feed.connectionLost();
    this.#rejoiner.connectionLost();
    this.#resync.connectionLost();
  }

  /**
   * Brings the client in step after a connect: first the rooms are joined, then the missed changes requested, so that no
   * change falls between the two.
   *
   * @param isCurrent - returns false once the connection is lost; the resync then ends without effect
   */
  async resync(isCurrent: () => boolean): Promise<void> {
    const userId = this.#context.userId();
    if (userId !== undefined) {
      await this.#context.cipher?.current?.connected(userId);
      await this.#resume(userId);
    }
    if (!isCurrent()) return;
    this.#pushes.open();
    await this.#rejoiner.rejoin(this.#target.openConversations());
    if (!isCurrent()) return;
    if (this.#context.has('rev')) await this.#resync.run(isCurrent);
    else this.#target.reload();
  }

  /** Stores the position. */
  save(): Promise<void> {
    return this.#cursorStore.save();
  }

  /** Joins a room and applies the state of its conversation. */
  async join(conversationId: string): Promise<void> {
    const conversation = await this.#target.joinRoom(conversationId, () => !this.#resync.hasLeft(conversationId));
    if (conversation !== undefined) this.feed.learn(conversation);
  }

  #deliver(push: ParsedPush): void {
    this.#pushes.push(push);
    this.#target.delivered(push);
  }

  #route(push: ParsedPush): void {
    const meaning = interpretPush(push, {
      find: (id) => this.#target.find(id),
      now: () => new Date(this.#context.clock.now()).toISOString(),
    });
    if (meaning !== undefined) this.#handle(meaning);
  }

  #handle(meaning: PushMeaning): void {
    const { emitter } = this.#context;
    switch (meaning.what) {
      case 'change':
        return this.#change(meaning.change);
      case 'mark':
        return this.#mark(meaning.mark);
      case 'forwarded': {
        const { message } = meaning;
        if (!this.#isFirst(`forwarded ${message.id}`)) return;
        emitter.emit('message:forwarded', message);
        return this.#change({ kind: 'created', conversationId: message.conversationId, message, rev: message.rev });
      }
      case 'conversation':
        return this.#conversation(meaning.conversation);
      case 'left':
        return this.#left(meaning.conversationId, meaning.userId);
      case 'typing':
        this.#target.applyTyping(meaning.update);
        return emitter.emit('typing:update', meaning.update);
      case 'presence':
        if (this.#target.applyPresence(meaning.update)) emitter.emit('presence:changed', meaning.update);
        return;
      case 'event':
        return this.#event(meaning);
    }
  }

  #change(change: Change): void {
    const { rev } = change;
    if (rev !== undefined && this.#context.has('rev')) return this.feed.push({ ...change, rev });
    // A base server sends no `rev`: at least a new message is applied only once.
    if (change.kind === 'created' && !this.#isFirst(change.message.id)) return;
    this.#apply(change, true);
  }

  #isFirst(key: string): boolean {
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  #apply(change: Change, live: boolean): void {
    this.#target.apply(change, live);
    emitChange(this.#context, change);
  }

  #mark(mark: Mark): void {
    this.#target.applyMark(mark);
    const { emitter } = this.#context;
    const { conversationId, messageId, seq } = mark;
    if (mark.kind === 'status')
      return emitter.emit('message:status', { messageId, status: mark.status, conversationId, seq });
    const readBy = { userId: mark.userId, readAt: mark.readAt };
    emitter.emit('read-receipt:update', { conversationId, messageId, readBy, seq });
  }

  #conversation(conversation: Conversation): void {
    this.#resync.entered(conversation);
    this.#target.known(conversation);
    this.#context.emitter.emit('conversation:new', conversation);
  }

  #left(conversationId: string, userId: string): void {
    if (userId === this.#context.userId()) {
      this.#resync.left(conversationId);
      this.feed.unfollow(conversationId);
      this.#target.left(conversationId);
      this.#cursorStore.changed();
    }
    this.#context.emitter.emit('conversation:left', { conversationId, userId });
  }

  #event({ event, data }: Extract<PushMeaning, { what: 'event' }>): void {
    const { emitter, logger } = this.#context;
    if (event !== 'error' && event !== 'message:error') {
      // No event of the client: signaling, key exchange, or a push of a newer server.
      return logger.debug('Push', { event: event.slice(0, MAX_LOGGED_NAME) });
    }
    const error = commErrorFrom(data);
    const { reason } = Object(data) as { reason?: unknown };
    if (error.code === 'TOKEN_EXPIRED' || error.code === 'UNAUTHENTICATED' || reason === 'user-banned') {
      // The diagnosis reads `data` where a rejected handshake has it.
      return this.#target.userRejected(commErrorFrom(data, { data }));
    }
    emitter.emit('error', error);
  }

  /** Continues from the position that an earlier session of the user has stored. Once per user. */
  async #resume(userId: string): Promise<void> {
    if (this.#resumedUserId === userId || !this.#context.has('rev')) return;
    if (this.#resumedUserId !== undefined) this.#clear();
    const position = await this.#cursorStore.load(userId);
    this.#resync.resume(position);
    this.#target.resumed(new Set(position.heads.keys()));
    this.#resumedUserId = userId;
  }

  /** The user signs out: the next connection starts as on a new device. */
  forget(): void {
    this.#resumedUserId = undefined;
    this.#cursorStore.forget();
    this.#clear();
  }

  /** Another user has signed in: they must not see anything of the previous one. */
  #clear(): void {
    this.feed.clear();
    this.#seen.clear();
    this.#resync.clear();
    this.#target.clear();
  }
}
