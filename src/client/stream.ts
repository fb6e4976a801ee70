import { commErrorFrom } from '../protocol/errors.ts';
import type { Message } from '../protocol/messages.ts';
import type { CommStorage } from '../storage/comm-storage.ts';
import type { Lazy } from '../lib/lazy.ts';
import { Remembered } from '../lib/remembered.ts';
import { CatchUp } from './catch-up.ts';
import { marksOf, type Change, type Mark } from './changes.ts';
import type { ClientContext } from './context.ts';
import type { ConversationsClient } from './conversations/conversations-client.ts';
import { CursorKeeper } from './cursor-keeper.ts';
import { interpret, type Meaning } from './interpret.ts';
import { Feed } from './messages/feed.ts';
import type { MessagesClient } from './messages/messages-client.ts';
import type { PresenceClient } from './presence/presence-client.ts';
import type { TypingClient } from './presence/typing-client.ts';
import type { Reader } from './reader.ts';
import { enterRoom, Rooms } from './rooms.ts';
import { tell } from './tell.ts';

export { routeCalls } from './route-calls.ts';

export interface StreamTargets {
  messages: MessagesClient;
  conversations: ConversationsClient;
  typing: TypingClient;
  presence: PresenceClient;
  /** What is about a call. */
  routeCall(event: string, data: unknown): void;
  reader: Lazy<Reader>;
  /** The server took back its trust. */
  userRefused(expired: boolean): void;
}

/** How many of a base server's messages are remembered, because it may send one twice under two names. */
const REMEMBERED = 1_000;

/** Everything that comes from the server: read, put in order, and handed to whoever it is for. */
export class Stream {
  readonly #context: ClientContext;
  readonly #to: StreamTargets;
  readonly #feed: Feed;
  readonly #keeper: CursorKeeper;
  readonly #rooms: Rooms;
  readonly #catchUp: CatchUp;
  readonly #seen = new Remembered(REMEMBERED);
  #loadedFor: string | undefined;
  /**
   * What is pushed on a new line before it is known where this user stands: taken for a beginning, it would pass over all
   * that was missed. Absent once it is known.
   */
  #early: [event: string, data: unknown][] | undefined = [];

  constructor(context: ClientContext, storage: CommStorage, targets: StreamTargets) {
    this.#context = context;
    this.#to = targets;
    this.#feed = new Feed(context, {
      apply: (change, live) => {
        this.#apply(change, live);
        this.#keeper.moved();
      },
      cutOff: (id) => targets.reader.current?.timelines.reread(id),
      isOwed: (id) => this.#catchUp.isOwed(id),
      fetchChanges: async (id, after) => (await targets.reader()).history.changes(id, after),
    });
    this.#rooms = new Rooms(context.clock, (id) => this.enter(id), context.report);
    this.#catchUp = new CatchUp(context, {
      feed: this.#feed,
      apply: (event) => targets.conversations.apply(event),
      entered: (conversation) => {
        targets.conversations.apply({ kind: 'known', conversation });
        targets.reader.current?.timelines.entered(conversation.id);
      },
      left: (id) => this.#left(id, context.userId() ?? ''),
      moved: () => this.#keeper.moved(),
    });
    const position = () => ({ inboxRev: this.#catchUp.inboxRev, heads: this.#feed.cursors() });
    this.#keeper = new CursorKeeper(storage, context.clock, position, context.report);
  }

  pushed(event: string, data: unknown): void {
    const cipher = this.#context.cipher?.current;
    if (cipher === undefined) this.#deliver(event, data);
    else cipher.pushed(event, data, (name, opened) => this.#deliver(name, opened));
  }

  /** Another state of a message that this client alone knows of: it could not be read before. */
  amend(message: Message): void {
    const { conversationId } = message;
    this.#apply({ kind: 'updated', conversationId, message, rev: message.rev });
  }

  #deliver(event: string, data: unknown): void {
    if (this.#early === undefined) this.#interpret(event, data);
    else this.#early.push([event, data]);
    this.#to.routeCall(event, data);
  }

  #interpret(event: string, data: unknown): void {
    const meaning = interpret(event, data, {
      find: (id) => this.#to.reader.current?.timelines.find(id),
      now: () => new Date(this.#context.clock.now()).toISOString(),
    });
    if (meaning !== undefined) this.#take(meaning);
  }

  lineLost(): void {
    this.#early = [];
    this.#context.cipher?.current?.lineLost();
    this.#feed.lineLost();
    this.#rooms.lineLost();
    this.#catchUp.lineLost();
    this.#to.messages.sender.offline();
    this.#to.typing.lineLost();
    this.#to.reader.current?.timelines.lineLost();
    this.#to.conversations.lineLost();
  }

  /** Rooms first, then what was missed, then the outbox: that order leaves no window. */
  async catchUp(isCurrent: () => boolean): Promise<void> {
    const { conversations, messages, presence, reader } = this.#to;
    const isOurs = this.#context.has('rev');
    const userId = this.#context.userId();
    if (userId !== undefined) {
      await this.#context.cipher?.current?.connected(userId);
      await this.#restore(userId);
    }
    if (!isCurrent()) return;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const [event, data] of early) this.#interpret(event, data);
    await this.#rooms.enterAgain(conversations.opened(), isCurrent);
    if (!isCurrent()) return;
    if (isOurs) await this.#catchUp.sync();
    else reader.current?.timelines.rereadAll();
    await presence.restore();
    if (userId !== undefined && isCurrent()) await messages.sender.identified(userId);
    if (!isCurrent()) return;
    messages.sender.online();
    reader.current?.timelines.resume();
    conversations.reload();
  }

  save(): Promise<void> {
    return this.#keeper.save();
  }

  /** Joins a conversation and takes in what the server says of it, its participants' marks included. */
  async enter(id: string): Promise<void> {
    const conversation = await enterRoom(this.#context, this.#to.reader, id);
    if (conversation === undefined) return;
    this.#feed.learn(conversation);
    this.#to.reader.current?.timelines.entered(id);
    const marks = marksOf(conversation, this.#context.userId());
    for (const mark of marks) this.#to.reader.current?.timelines.apply(id, mark);
  }

  #take(meaning: Meaning): void {
    switch (meaning.what) {
      case 'change':
        return this.#change(meaning.change);
      case 'mark':
        return this.#mark(meaning.mark);
      case 'forwarded': {
        const { message } = meaning;
        if (!this.#seen.add(`forwarded ${message.id}`)) return;
        this.#context.emitter.emit('message:forwarded', message);
        return this.#change({ kind: 'created', conversationId: message.conversationId, message, rev: message.rev });
      }
      case 'conversation': {
        const { conversation } = meaning;
        this.#feed.learn(conversation);
        this.#to.conversations.apply({ kind: 'known', conversation });
        this.#to.reader.current?.timelines.entered(conversation.id);
        return this.#context.emitter.emit('conversation:new', conversation);
      }
      case 'left':
        return this.#left(meaning.conversationId, meaning.userId);
      case 'event':
        return this.#event(meaning);
    }
  }

  #change(change: Change): void {
    const { rev } = change;
    if (rev !== undefined && this.#context.has('rev')) return this.#feed.push({ ...change, rev });
    // A base server counts nothing; the least it needs is that one message is one.
    if (change.kind === 'created' && !this.#seen.add(change.message.id)) return;
    this.#apply(change);
  }

  #apply(change: Change, live = true): void {
    const { messages, conversations, reader } = this.#to;
    reader.current?.timelines.apply(change.conversationId, change);
    conversations.apply(change, live);
    if (change.kind === 'created') {
      const { clientId, senderId } = change.message;
      if (clientId !== undefined && senderId === this.#context.userId())
        messages.sender.confirm(clientId, change.message);
      this.#to.typing.apply({ conversationId: change.conversationId, userId: senderId, isTyping: false });
    }
    tell(this.#context, change);
  }

  #mark(mark: Mark): void {
    const { conversations, reader } = this.#to;
    const timelines = reader.current?.timelines;
    const { emitter } = this.#context;
    const { conversationId, messageId, seq } = mark;
    if (conversationId === '') timelines?.applyEverywhere(mark);
    else timelines?.apply(conversationId, mark);
    conversations.apply(mark);
    if (mark.kind === 'status')
      return emitter.emit('message:status', { messageId, status: mark.status, conversationId, seq });
    const readBy = { userId: mark.userId, readAt: mark.readAt };
    emitter.emit('read-receipt:update', { conversationId, messageId, readBy, seq });
  }

  #left(conversationId: string, userId: string): void {
    if (userId === this.#context.userId()) {
      this.#feed.unfollow(conversationId);
      this.#to.reader.current?.timelines.left(conversationId);
      this.#to.conversations.apply({ kind: 'left', conversationId });
      this.#keeper.moved();
    }
    this.#context.emitter.emit('conversation:left', { conversationId, userId });
  }

  #event({ event, data }: Extract<Meaning, { what: 'event' }>): void {
    switch (event) {
      case 'typing:update':
        this.#to.typing.apply(data);
        break;
      case 'presence:changed':
        if (!this.#to.presence.apply(data)) return;
        break;
      case 'error':
      case 'message:error': {
        const error = commErrorFrom(data);
        if (error.code === 'TOKEN_EXPIRED' || error.code === 'UNAUTHENTICATED') {
          return this.#to.userRefused(error.code === 'TOKEN_EXPIRED');
        }
        return this.#context.emitter.emit('error', error);
      }
      default:
    }
    this.#context.emitter.emit(event as 'typing:update', data);
  }

  /** What an earlier session of this user left behind, once. */
  async #restore(userId: string): Promise<void> {
    if (this.#loadedFor === userId || !this.#context.has('rev')) return;
    if (this.#loadedFor !== undefined) this.#forget();
    this.#catchUp.resume(await this.#keeper.load(userId));
    this.#loadedFor = userId;
  }

  /** Nothing of what somebody saw is shown to whoever signs in after them. */
  #forget(): void {
    this.#feed.clear();
    this.#seen.clear();
    this.#catchUp.forget();
    this.#to.reader.current?.forget();
  }
}
