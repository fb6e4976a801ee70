import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { lazy, lazyMethods, type Lazy } from '../../lib/lazy.ts';
import type { Conversation, CreateConversation, MemberPage } from '../../protocol/conversations.ts';
import type { UpdateConversation as UpdateRequest } from '../../protocol/groups.ts';
import { CommError } from '../../protocol/errors.ts';
import type { RequestName, RequestOf, ResponseOf } from '../../protocol/events.ts';
import { parseConversation } from '../../transport/parse-rows.ts';
import { ROLES, type Role } from '../../protocol/constants.ts';
import { unreadable, type ClientContext } from '../context.ts';
import {
  kindOf,
  requireBoolean,
  requireFields,
  requireId,
  requireIds,
  requireObject,
  requireOneOf,
} from '../validation.ts';
import type { Directory, ListConversations, ListMembers } from './directory.ts';
import type { History } from '../timeline/history.ts';
import type { GroupRequests } from './group-requests.ts';
import type { LiveInbox } from './live-inbox.ts';
import { markConversationsRead } from './mark-all-read.ts';

/** The fields of a group that `update()` changes: absent ones stay as they are, `null` clears. */
export type UpdateConversation = Omit<UpdateRequest, 'conversationId'>;

/** The reading parts of the client. */
export type Reading = Lazy<{
  readonly directory: Directory;
  readonly inbox: LiveInbox;
  readonly history: Pick<History, 'page'>;
}>;

/** Validates requests about conversations and sends them. */
export class ConversationRequests {
  declare readonly browse: GroupRequests['browse'];
  declare readonly ban: GroupRequests['ban'];
  declare readonly bans: GroupRequests['bans'];
  readonly #context: ClientContext;
  readonly #reading: Reading;
  readonly #groups = lazy(async () => {
    const { GroupRequests } = await import('./group-requests.ts');
    return new GroupRequests(this.#context, async () => (await this.#reading()).directory);
  });

  constructor(context: ClientContext, reading: Reading) {
    this.#context = context;
    this.#reading = reading;
    Object.assign(this, lazyMethods(this.#groups, ['browse', 'ban', 'bans']));
  }

  async list(query: ListConversations = {}, options: AbortOptions = {}): Promise<Conversation[]> {
    requireObject('conversations.list()', query);
    const { limit: _limit, offset: _offset, ...filter } = query;
    const directory = await this.#directory(options);
    if (hasFields(filter)) (await this.#groups()).checkList(query);
    return directory.list(query, options);
  }

  async get(id: string, options: AbortOptions = {}): Promise<Conversation> {
    requireId('id', id);
    return (await this.#directory(options)).get(id, options);
  }

  async members(id: string, query: ListMembers = {}, options: AbortOptions = {}): Promise<MemberPage> {
    requireId('id', id);
    requireFields('conversations.members()', query, ['after', 'limit']);
    return (await this.#directory(options)).members(id, query, options);
  }

  async create(request: CreateConversation, options?: AbortOptions): Promise<Conversation> {
    requireObject('conversations.create()', request);
    const { type, name, participantIds, ...settings } = request;
    if (hasFields(settings)) await (await this.#groups()).checkCreate(request, options);
    requireIds('participantIds', participantIds);
    const payload = { type, participantIds: [...participantIds], ...(name !== undefined && { name }), ...settings };
    return this.#known(this.#request('conversation:create', payload, options));
  }

  async update(id: string, changes: UpdateConversation, options?: AbortOptions): Promise<Conversation> {
    requireObject('conversations.update()', changes);
    const { name, ...settings } = changes;
    if (hasFields(settings)) await (await this.#groups()).checkUpdate(changes, options);
    else if (typeof name !== 'string') throw new TypeError(`name must be a string; got ${kindOf(name)}`);
    return this.#known(this.#request('conversation:update', { ...changes, conversationId: id }, options));
  }

  async join(id: string, options: AbortOptions = {}): Promise<Conversation> {
    return this.#known((await this.#groups()).join(id, options));
  }

  async leave(id: string, options?: AbortOptions): Promise<void> {
    requireId('id', id);
    await this.#connected(options);
    const userId = this.#context.userId();
    if (userId === undefined) throw new CommError('UNAUTHENTICATED', 'The user id is not known yet');
    await this.removeParticipant(id, userId, options);
  }

  async archive(id: string, archived: boolean, options?: AbortOptions): Promise<void> {
    requireBoolean('archived', archived);
    await this.#request('conversation:archive', { conversationId: id, archived }, options);
  }

  async mute(id: string, muted: boolean, options?: AbortOptions): Promise<void> {
    requireBoolean('muted', muted);
    await this.#request('conversation:mute', { conversationId: id, muted }, options);
  }

  async pin(id: string, pinned: boolean, options?: AbortOptions): Promise<void> {
    requireBoolean('pinned', pinned);
    await this.#request('conversation:pin', { conversationId: id, pinned }, options);
  }

  async addParticipants(id: string, userIds: readonly string[], options?: AbortOptions): Promise<Conversation> {
    requireIds('userIds', userIds);
    const payload = { conversationId: id, userIds: [...userIds] };
    return this.#known(this.#request('conversation:add-participants', payload, options));
  }

  async removeParticipant(id: string, userId: string, options?: AbortOptions): Promise<void> {
    requireId('userId', userId);
    await this.#request('conversation:remove-participant', { conversationId: id, userId }, options);
  }

  async setRole(id: string, userId: string, role: Role, options?: AbortOptions): Promise<Conversation> {
    requireId('userId', userId);
    requireOneOf('role', ROLES, role);
    return this.#known(this.#request('conversation:set-role', { conversationId: id, userId, role }, options));
  }

  async markUnread(id: string, messageId?: string, options?: AbortOptions): Promise<void> {
    requireId('id', id);
    if (messageId !== undefined) requireId('messageId', messageId);
    await this.#supported(options);
    const { directory, inbox } = await this.#reading();
    const last = messageId ?? (inbox.find(id) ?? (await directory.get(id, options))).lastMessage?.id;
    if (last === undefined) return;
    await this.#request('conversation:mark-unread', { conversationId: id, messageId: last }, options);
  }

  async markAllRead(options: AbortOptions = {}): Promise<void> {
    await this.#connected(options);
    const { directory, history } = await this.#reading();
    await markConversationsRead(this.#context, directory, history, options);
  }

  /** Returns what reads, once there is a connection. */
  async #directory({ signal }: AbortOptions): Promise<Directory> {
    await this.#context.whenConnected(signal);
    return (await this.#reading()).directory;
  }

  async #supported(options: AbortOptions | undefined): Promise<void> {
    await this.#connected(options);
    if (!this.#context.has('threads')) throw new CommError('UNSUPPORTED', 'This server does not support it');
  }

  #connected({ signal }: AbortOptions = {}): Promise<void> {
    return abortable(this.#context.whenConnected(signal), signal);
  }

  async #request<K extends RequestName>(
    name: K,
    payload: RequestOf<K>,
    options: AbortOptions = {},
  ): Promise<ResponseOf<K>> {
    if ('conversationId' in payload) requireId('id', payload.conversationId);
    await this.#connected(options);
    return this.#context.requester.request(name, payload, options);
  }

  /** Reads the conversation of a response into the inbox. */
  async #known(answer: Promise<unknown>): Promise<Conversation> {
    const parsed = answer.then((response) => {
      const conversation = parseConversation(response);
      if (conversation === undefined) throw unreadable('conversation');
      return conversation;
    });
    const known = (conversation: Conversation) => ({ kind: 'known', conversation }) as const;
    const inbox = this.#reading.current?.inbox;
    if (inbox !== undefined) await inbox.request(parsed, known);
    const conversation = await parsed;
    // The inbox has loaded since the request.
    if (inbox === undefined) this.#reading.current?.inbox.apply(known(conversation));
    return conversation;
  }
}

/** Returns whether an object has fields: those that few clients use are checked in a chunk of its own. */
function hasFields(fields: object): boolean {
  return Object.keys(fields).length > 0;
}
