import { abortable, type AbortOptions } from '../../lib/abort.ts';
import type { Lazy } from '../../lib/lazy.ts';
import type { Observable } from '../../lib/observable.ts';
import type { Conversation, CreateConversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { RequestName, RequestOf, ResponseOf } from '../../protocol/events.ts';
import type { Role } from '../../protocol/vocabulary.ts';
import { requireId, requireIds, unreadable, type ClientContext } from '../context.ts';
import type { ViewPorts } from '../ports.ts';
import type { ConversationView } from './conversation-view.ts';
import type { Directory, ListConversations } from './directory.ts';
import type { InboxSnapshot, InboxState } from './inbox-state.ts';
import type { InboxEvent } from './inbox.ts';
import { LazyInbox } from './lazy-inbox.ts';
import type { OpenConversation } from './open-conversation.ts';
import { SharedView } from './shared-view.ts';

/** What is loaded when somebody first reads. */
type Reading = Lazy<{
  readonly directory: Directory;
  readonly inbox: InboxState;
  openConversation(id: string, ports: ViewPorts): OpenConversation;
}>;

/** Everything about conversations. */
export class ConversationsClient {
  /** The list with last messages and unread counts, live. Loading starts with the first look at it. */
  readonly inbox: Observable<InboxSnapshot>;
  readonly #context: ClientContext;
  readonly #ports: ViewPorts;
  readonly #reading: Reading;
  readonly #open = new Map<string, SharedView>();
  readonly #inbox: LazyInbox;

  /** @internal */
  constructor(context: ClientContext, ports: ViewPorts, reading: Reading) {
    this.#context = context;
    this.#ports = ports;
    this.#reading = reading;
    this.#inbox = new LazyInbox(context, async () => (await reading()).inbox);
    this.inbox = this.#inbox;
  }

  /** Loads the next page into `inbox`. */
  async loadMore(): Promise<void> {
    await (await this.#reading()).inbox.loadMore();
  }

  /** A page of the user's conversations, newest activity first. */
  async list(query: ListConversations = {}, options: AbortOptions = {}): Promise<Conversation[]> {
    await this.#context.whenConnected(options.signal);
    return (await this.#reading()).directory.list(query, options);
  }

  /** @throws CommError `NOT_FOUND`, also for conversations the user isn't in */
  async get(id: string, options: AbortOptions = {}): Promise<Conversation> {
    requireId('id', id);
    await this.#context.whenConnected(options.signal);
    return (await this.#reading()).directory.get(id, options);
  }

  /** Creates a conversation with the user in it. A pair of people has one direct conversation: asking again returns it. */
  async create(request: CreateConversation, options?: AbortOptions): Promise<Conversation> {
    const { type, name, participantIds } = request;
    requireIds('participantIds', participantIds);
    const payload = { type, participantIds: [...participantIds], ...(name !== undefined && { name }) };
    return this.#known(await this.#request('conversation:create', payload, options));
  }

  /** Enters the room of a conversation; `open()` does it by itself. */
  async join(id: string, options?: AbortOptions): Promise<void> {
    await this.#request('conversation:join', { conversationId: id }, options);
  }

  /** Leaves the room, not the conversation: that is `removeParticipant(id, ownId)`. */
  async leave(id: string, options?: AbortOptions): Promise<void> {
    await this.#request('conversation:leave', { conversationId: id }, options);
  }

  /** For this user alone, as muting and pinning are. */
  async archive(id: string, archived: boolean, options?: AbortOptions): Promise<void> {
    await this.#request('conversation:archive', { conversationId: id, archived }, options);
  }

  /** For this user alone: nobody else sees it. What a muted conversation means is up to the app. */
  async mute(id: string, muted: boolean, options?: AbortOptions): Promise<void> {
    await this.#request('conversation:mute', { conversationId: id, muted }, options);
  }

  /** For this user alone. The order of lists doesn't change. */
  async pin(id: string, pinned: boolean, options?: AbortOptions): Promise<void> {
    await this.#request('conversation:pin', { conversationId: id, pinned }, options);
  }

  /** Owner and admins of a group, as with all that follows. */
  async rename(id: string, name: string, options?: AbortOptions): Promise<Conversation> {
    return this.#known(await this.#request('conversation:update', { conversationId: id, name }, options));
  }

  /**
   * Adds people to a group, as `member`; those who are in it already stay as they are.
   *
   * @throws CommError `FORBIDDEN` unless the user is its owner or an admin
   */
  async addParticipants(id: string, userIds: readonly string[], options?: AbortOptions): Promise<Conversation> {
    requireIds('userIds', userIds);
    const payload = { conversationId: id, userIds: [...userIds] };
    return this.#known(await this.#request('conversation:add-participants', payload, options));
  }

  /** With the own id: leaves the conversation for good. */
  async removeParticipant(id: string, userId: string, options?: AbortOptions): Promise<void> {
    await this.#request('conversation:remove-participant', { conversationId: id, userId }, options);
  }

  /**
   * Gives somebody another role.
   *
   * @throws CommError `FORBIDDEN` unless the user's own role allows it
   */
  async setRole(id: string, userId: string, role: Role, options?: AbortOptions): Promise<Conversation> {
    return this.#known(await this.#request('conversation:set-role', { conversationId: id, userId, role }, options));
  }

  /** Joins a conversation, loads its newest page and keeps it in step. Handles are counted: the last `close()` leaves. */
  open(id: string): ConversationView {
    requireId('id', id);
    const shared: SharedView =
      this.#open.get(id) ??
      new SharedView(id, this.#context, this.#ports, async () => {
        const reading = await this.#reading();
        if (this.#open.get(id) !== shared) throw new CommError('DISCONNECTED', 'The view was closed');
        return reading.openConversation(id, this.#ports);
      });
    this.#open.set(id, shared);
    return shared.view(() => {
      this.#open.delete(id);
      if (this.#context.online()) this.#leaveClosed(id).catch(() => undefined);
    });
  }

  /** Unless it is opened again in the same breath, as React does. */
  async #leaveClosed(id: string): Promise<void> {
    await this.#context.whenConnected(undefined);
    if (!this.#open.has(id)) await this.leave(id);
  }

  /** @internal Ids of the conversations that have a view. */
  opened(): string[] {
    return [...this.#open.keys()];
  }

  /** @internal @param live - false for what a batch after an absence says: the list is loaded anew behind it */
  apply(event: InboxEvent, live = true): void {
    this.#reading.current?.inbox.apply(event, live);
  }

  /** @internal */
  lineLost(): void {
    for (const view of this.#open.values()) view.lineLost();
    this.#reading.current?.inbox.lineLost();
  }

  /** @internal Loads the list anew where somebody looks at it. */
  reload(): void {
    this.#reading.current?.inbox.reload();
  }

  async #request<K extends RequestName>(
    name: K,
    payload: RequestOf<K>,
    options: AbortOptions = {},
  ): Promise<ResponseOf<K>> {
    if ('conversationId' in payload) requireId('id', payload.conversationId);
    await abortable(this.#context.whenConnected(options.signal), options.signal);
    return this.#context.requester.request(name, payload, options);
  }

  async #known(answer: unknown): Promise<Conversation> {
    const conversation = (await this.#context.rows()).readConversation(answer);
    if (conversation === undefined) throw unreadable('conversation');
    this.apply({ kind: 'known', conversation });
    return conversation;
  }
}
