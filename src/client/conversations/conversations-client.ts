import { abortable, type AbortOptions } from '../../lib/abort.ts';
import type { Observable } from '../../lib/observable.ts';
import type { Conversation, CreateConversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { RequestName, RequestOf, ResponseOf } from '../../protocol/events.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { readConversation } from '../../transport/rows.ts';
import { requireId, unreadable, type ClientContext } from '../context.ts';
import type { ViewPorts } from '../ports.ts';
import { OpenConversation, type ConversationView } from './conversation-view.ts';
import type { InboxEvent } from './inbox.ts';
import { InboxState, type InboxSnapshot } from './inbox-state.ts';
import type { Role } from '../../protocol/vocabulary.ts';

export interface ListConversations {
  /** @defaultValue 50, at most 200 */
  limit?: number | undefined;
  /** @defaultValue 0 */
  offset?: number | undefined;
}

interface Held {
  conversation: OpenConversation;
  handles: number;
}

/** Everything about conversations. */
export class ConversationsClient {
  readonly #context: ClientContext;
  readonly #ports: ViewPorts;
  readonly #inbox: InboxState;
  readonly #open = new Map<string, Held>();

  /** @internal */
  constructor(context: ClientContext, ports: ViewPorts) {
    this.#context = context;
    this.#ports = ports;
    this.#inbox = new InboxState(context, {
      list: (query) => this.list(query),
      get: (id) => this.get(id),
    });
  }

  /** The list with last messages and unread counts, live. Loading starts with the first look at it. */
  get inbox(): Observable<InboxSnapshot> {
    return this.#inbox;
  }

  /** Loads the next page into `inbox`. */
  loadMore(): Promise<void> {
    return this.#inbox.loadMore();
  }

  /** A page of the user's conversations, newest activity first. */
  async list({ limit = LIMITS.pageSize, offset = 0 }: ListConversations = {}, options: AbortOptions = {}): Promise<Conversation[]> {
    await this.#context.whenConnected(options.signal);
    const answer = await this.#context.rest.ask('listConversations', { query: { limit, offset }, ...options });
    if (!Array.isArray(answer)) throw unreadable('list of conversations');
    return answer.map(readConversation).filter((conversation) => conversation !== undefined);
  }

  /** @throws CommError `NOT_FOUND`, also for conversations the user isn't in */
  async get(id: string, options: AbortOptions = {}): Promise<Conversation> {
    requireId('id', id);
    await this.#context.whenConnected(options.signal);
    if (!this.#context.has('rev')) return this.#getFromList(id, options);
    const conversation = readConversation(await this.#context.rest.ask('getConversation', { id, ...options }));
    if (conversation === undefined) throw unreadable('conversation');
    return conversation;
  }

  /** Creates a conversation with the user in it. A pair of people has one direct conversation: asking again returns it. */
  async create(request: CreateConversation, options?: AbortOptions): Promise<Conversation> {
    const { type, name, participantIds } = request;
    for (const id of participantIds) requireId('participantIds', id);
    const payload = { type, participantIds: [...participantIds], ...(name !== undefined && { name }) };
    return this.#known(await this.#request('conversation:create', payload, options));
  }

  /** Enters the room of a conversation; `open()` does it by itself. */
  async join(id: string, options?: AbortOptions): Promise<void> {
    requireId('id', id);
    await this.#request('conversation:join', { conversationId: id }, options);
  }

  /** Leaves the room, not the conversation: that is `removeParticipant(id, ownId)`. */
  async leave(id: string, options?: AbortOptions): Promise<void> {
    requireId('id', id);
    await this.#request('conversation:leave', { conversationId: id }, options);
  }

  /** For this user alone, as muting and pinning are. */
  async archive(id: string, archived: boolean, options?: AbortOptions): Promise<void> {
    requireId('id', id);
    await this.#request('conversation:archive', { conversationId: id, archived }, options);
  }

  async mute(id: string, muted: boolean, options?: AbortOptions): Promise<void> {
    requireId('id', id);
    await this.#request('conversation:mute', { conversationId: id, muted }, options);
  }

  async pin(id: string, pinned: boolean, options?: AbortOptions): Promise<void> {
    requireId('id', id);
    await this.#request('conversation:pin', { conversationId: id, pinned }, options);
  }

  /** Owner and admins of a group, as with all that follows. */
  async rename(id: string, name: string, options?: AbortOptions): Promise<Conversation> {
    requireId('id', id);
    return this.#known(await this.#request('conversation:update', { conversationId: id, name }, options));
  }

  async addParticipants(id: string, userIds: readonly string[], options?: AbortOptions): Promise<Conversation> {
    requireId('id', id);
    const payload = { conversationId: id, userIds: [...userIds] };
    return this.#known(await this.#request('conversation:add-participants', payload, options));
  }

  /** With the own id: leaves the conversation for good. */
  async removeParticipant(id: string, userId: string, options?: AbortOptions): Promise<void> {
    requireId('id', id);
    await this.#request('conversation:remove-participant', { conversationId: id, userId }, options);
  }

  async setRole(id: string, userId: string, role: Role, options?: AbortOptions): Promise<Conversation> {
    requireId('id', id);
    return this.#known(await this.#request('conversation:set-role', { conversationId: id, userId, role }, options));
  }

  /** Joins a conversation, loads its newest page and keeps it in step. Handles are counted: the last `close()` leaves. */
  open(id: string): ConversationView {
    requireId('id', id);
    const held = this.#open.get(id) ?? this.#start(id);
    held.handles += 1;
    return held.conversation.view(() => {
      held.handles -= 1;
      if (held.handles > 0) return;
      this.#open.delete(id);
      held.conversation.close();
      if (this.#context.online()) this.leave(id).catch(() => undefined);
    });
  }

  /** @internal Ids of the conversations that have a view. */
  opened(): string[] {
    return [...this.#open.keys()];
  }

  /** @internal Joins again after a reconnect; a conversation that is gone is told by `sync`. */
  async rejoin(): Promise<void> {
    await Promise.all(
      this.opened().map((id) =>
        this.#join(id).catch((error: unknown) => {
          if (!(error instanceof CommError) || error.retryable) throw error;
        }),
      ),
    );
  }

  /** @internal */
  apply(event: InboxEvent): void {
    this.#inbox.apply(event);
    for (const { conversation } of this.#open.values()) conversation.refresh();
  }

  /** @internal Loads the list anew where somebody looks at it. */
  reload(): void {
    this.#inbox.reload();
  }

  #start(id: string): Held {
    const conversation = new OpenConversation(
      id,
      this.#context,
      this.#ports,
      () => this.#inbox.find(id),
      () => this.#join(id),
    );
    const held = { conversation, handles: 0 };
    this.#open.set(id, held);
    return held;
  }

  async #join(id: string): Promise<void> {
    const answer = await this.#context.requester.request('conversation:join', { conversationId: id });
    const joined = readConversation((answer as Partial<ResponseOf<'conversation:join'>> | null)?.conversation);
    if (joined !== undefined) {
      this.apply({ kind: 'known', conversation: joined });
      this.#ports.applyMarks(joined);
    } else if (this.#inbox.find(id) === undefined) {
      this.apply({ kind: 'known', conversation: await this.#getFromList(id, {}) });
    }
  }

  /** A base server has no route for one conversation. */
  async #getFromList(id: string, options: AbortOptions): Promise<Conversation> {
    const limit = LIMITS.maxPageSize - 1;
    for (let offset = 0; ; offset += limit) {
      const answer = await this.#context.rest.ask('listConversations', { query: { limit, offset }, ...options });
      const page = Array.isArray(answer) ? answer.map(readConversation) : [];
      const found = page.find((each) => each?.id === id);
      if (found !== undefined) return found;
      if (page.length < limit) throw new CommError('NOT_FOUND', 'No such conversation');
    }
  }

  async #request<K extends RequestName>(name: K, payload: RequestOf<K>, options: AbortOptions = {}): Promise<ResponseOf<K>> {
    await abortable(this.#context.whenConnected(options.signal), options.signal);
    return this.#context.requester.request(name, payload, options);
  }

  #known(answer: unknown): Conversation {
    const conversation = readConversation(answer);
    if (conversation === undefined) throw unreadable('conversation');
    this.apply({ kind: 'known', conversation });
    return conversation;
  }
}
