import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { ROLES, VISIBILITIES, type Role } from '../../protocol/constants.ts';
import type { Conversation, CreateConversation, MemberPage } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { RequestName, RequestOf, ResponseOf } from '../../protocol/events.ts';
import type { Ban, BanPage, PublicConversation, UpdateConversation as UpdateRequest } from '../../protocol/groups.ts';
import { isMetadata } from '../../protocol/metadata.ts';
import { PAGE_LIMITS } from '../../protocol/page-limits.ts';
import { fields } from '../../transport/fields.ts';
import { parseId, parseTime } from '../../transport/parse-rows.ts';
import { unreadable, type ClientContext } from '../context.ts';
import { kindOf, requireBoolean, requireFields, requireId, requireIds, requireOneOf } from '../validation.ts';
import type { Reading } from './reading.ts';
import type { ListConversations } from './directory.ts';
import { markConversationsRead } from './mark-all-read.ts';
import { readMembers, type ListMembers } from '../read-members.ts';

/** The fields of a group that `update()` changes: absent ones stay as they are, `null` clears. */
export type UpdateConversation = Omit<UpdateRequest, 'conversationId'>;

/** Selects public groups. */
export interface BrowsePublicGroups {
  /** A part of the name; absent for all groups. */
  query?: string | undefined;
  /**
   * Most groups to return.
   * @defaultValue 50
   */
  limit?: number | undefined;
  /** Id of the last group of the previous page. */
  after?: string | undefined;
}

/** Options of `ban()`. */
export interface BanOptions extends AbortOptions {
  /** At most 500 characters, which the owners and admins see in the list of bans. */
  reason?: string | undefined;
}

/** Groups per request: the most that a server returns. */
const MAX_PAGE = 50;
/** Requests of one search. Each compares thousands of names. */
const MAX_PAGES = 50;

const INITIAL_SETTINGS = ['description', 'avatarUrl', 'metadata', 'visibility'];

/**
 * The requests that manage conversations: lists, members, roles, flags, settings of groups, public groups and bans. In a chunk of its own,
 * because few clients need it at once.
 */
export class ManagementRequests {
  readonly #context: ClientContext;
  readonly #reading: Reading;
  readonly #known: (answer: Promise<unknown>) => Promise<Conversation>;

  /** @param known - reads the conversation of a response into the inbox */
  constructor(context: ClientContext, reading: Reading, known: (answer: Promise<unknown>) => Promise<Conversation>) {
    this.#context = context;
    this.#reading = reading;
    this.#known = known;
  }

  /** Returns up to `limit` conversations, in as many requests as the server needs. */
  async list(query: ListConversations = {}, options: AbortOptions = {}): Promise<Conversation[]> {
    requireFields('conversations.list()', query, ['limit', 'offset', 'archived', 'unread', 'query']);
    const { limit = PAGE_LIMITS.pageSize, offset = 0, ...filter } = query;
    const { archived, unread, query: text } = filter;
    if (archived !== undefined) requireBoolean('archived', archived);
    if (unread !== undefined) requireBoolean('unread', unread);
    if (text !== undefined) requireText('query', text);
    await this.#connected(options);
    if (Object.keys(filter).length > 0) this.#require('filtered lists of conversations');
    const { directory } = await this.#reading();
    const found: Conversation[] = [];
    for (;;) {
      const range = { limit: limit - found.length, offset: offset + found.length };
      const page = await directory.page({ ...filter, ...range }, options);
      found.push(...page.conversations);
      if (!page.hasMore || page.conversations.length === 0 || found.length >= limit) return found;
    }
  }

  /** @throws TypeError, CommError `UNSUPPORTED` */
  async checkCreate(request: CreateConversation, options?: AbortOptions): Promise<void> {
    requireFields('conversations.create()', request, ['type', 'name', 'participantIds', ...INITIAL_SETTINGS]);
    requireSettings(request);
    await this.#ready('settings of groups', options);
  }

  async update(id: string, changes: UpdateConversation, options?: AbortOptions): Promise<Conversation> {
    requireFields('conversations.update()', changes, ['name', 'frozen', 'slowModeSeconds', ...INITIAL_SETTINGS]);
    const { name, ...settings } = changes;
    const hasSettings = Object.keys(settings).length > 0;
    if (name !== undefined || !hasSettings) requireText('name', name);
    requireSettings(settings);
    if (hasSettings) await this.#ready('settings of groups', options);
    return this.#known(this.#request('conversation:update', { ...changes, conversationId: id }, options));
  }

  /** Returns public groups, newest first, in as many requests as the server needs. */
  async browse(query: BrowsePublicGroups = {}, options: AbortOptions = {}): Promise<PublicConversation[]> {
    requireFields('conversations.browse()', query, ['query', 'limit', 'after']);
    const { query: text, limit = PAGE_LIMITS.pageSize, after } = query;
    if (text !== undefined) requireText('query', text);
    if (after !== undefined) requireId('after', after);
    await this.#ready('public groups', options);
    const found: PublicConversation[] = [];
    let cursor = after;
    for (let pages = 0; pages < MAX_PAGES && found.length < limit; pages += 1) {
      const wanted = {
        limit: Math.min(MAX_PAGE, limit - found.length),
        ...(text !== undefined && text.trim() !== '' && { query: text }),
        ...(cursor !== undefined && { cursor }),
      };
      const page = fields(await this.#context.requester.request('conversation:browse', wanted, options));
      const rows = page?.['conversations'];
      if (!Array.isArray(rows)) throw unreadable('list of public groups');
      found.push(...rows.map(parsePublic).filter((each) => each !== undefined));
      cursor = parseId(page?.['cursor']);
      if (cursor === undefined) break;
    }
    return found;
  }

  /** Becomes a member of a public group. */
  async join(id: string, options: AbortOptions = {}): Promise<Conversation> {
    requireId('id', id);
    await this.#ready('public groups', options);
    return this.#known(this.#request('conversation:enter', { conversationId: id }, options));
  }

  /** Bans a user, or lifts the ban. */
  async ban(id: string, userId: string, banned: boolean, { reason, signal }: BanOptions = {}): Promise<void> {
    requireId('id', id);
    requireId('userId', userId);
    requireBoolean('banned', banned);
    if (reason !== undefined) requireText('reason', reason);
    await this.#ready('bans', { signal });
    const payload = { conversationId: id, userId, banned, ...(reason !== undefined && { reason }) };
    await this.#context.requester.request('conversation:ban', payload, { signal });
  }

  /** Returns a page of the bans, ordered by user id. */
  async bans(id: string, query: ListMembers = {}, options: AbortOptions = {}): Promise<BanPage> {
    requireId('id', id);
    requireFields('conversations.bans()', query, ['after', 'limit']);
    await this.#ready('bans', options);
    const { rest } = await this.#reading();
    const { after, limit } = query;
    const page = fields(await rest.ask('listBans', { id, query: { after, limit }, ...options }));
    const rows = page?.['bans'];
    if (!Array.isArray(rows)) throw unreadable('list of bans');
    return { bans: rows.map(parseBan).filter((ban) => ban !== undefined), hasMore: page?.['hasMore'] === true };
  }

  /** Returns a page of the participants. */
  async members(id: string, query: ListMembers = {}, options: AbortOptions = {}): Promise<MemberPage> {
    requireId('id', id);
    requireFields('conversations.members()', query, ['after', 'limit']);
    await this.#connected(options);
    return readMembers((await this.#reading()).rest, id, query, options);
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

  async leave(id: string, options: AbortOptions = {}): Promise<void> {
    requireId('id', id);
    await this.#connected(options);
    const userId = this.#context.userId();
    if (userId === undefined) throw new CommError('UNAUTHENTICATED', 'The user id is not known yet');
    await this.removeParticipant(id, userId, options);
  }

  async setRole(id: string, userId: string, role: Role, options?: AbortOptions): Promise<Conversation> {
    requireId('userId', userId);
    requireOneOf('role', ROLES, role);
    return this.#known(this.#request('conversation:set-role', { conversationId: id, userId, role }, options));
  }

  async markUnread(id: string, messageId?: string, options: AbortOptions = {}): Promise<void> {
    requireId('id', id);
    if (messageId !== undefined) requireId('messageId', messageId);
    await this.#connected(options);
    if (!this.#context.has('threads')) throw new CommError('UNSUPPORTED', 'This server does not support it');
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

  async #request<K extends RequestName>(
    name: K,
    payload: RequestOf<K> & { readonly conversationId: string },
    options: AbortOptions = {},
  ): Promise<ResponseOf<K>> {
    requireId('id', payload.conversationId);
    await this.#connected(options);
    return this.#context.requester.request(name, payload, options);
  }

  #connected({ signal }: AbortOptions): Promise<void> {
    return abortable(this.#context.whenConnected(signal), signal);
  }

  async #ready(what: string, options: AbortOptions = {}): Promise<void> {
    await this.#connected(options);
    this.#require(what);
  }

  #require(what: string): void {
    if (!this.#context.has('moderation')) throw new CommError('UNSUPPORTED', `The server does not support ${what}`);
  }
}

function requireText(name: string, value: unknown): void {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string; got ${kindOf(value)}`);
}

/** Validates the types of settings; their limits are the server's. @throws TypeError */
function requireSettings(settings: Omit<UpdateConversation, 'name'>): void {
  const {
    description = null,
    avatarUrl = null,
    metadata = null,
    visibility,
    frozen,
    slowModeSeconds = null,
  } = settings;
  if (description !== null) requireText('description', description);
  if (avatarUrl !== null) requireText('avatarUrl', avatarUrl);
  if (metadata !== null && !isMetadata(metadata)) {
    throw new TypeError('metadata must be a JSON object of at most 4,096 bytes and 8 levels');
  }
  if (visibility !== undefined) requireOneOf('visibility', VISIBILITIES, visibility);
  if (frozen !== undefined) requireBoolean('frozen', frozen);
  if (slowModeSeconds !== null && !Number.isSafeInteger(slowModeSeconds)) {
    throw new TypeError(`slowModeSeconds must be a whole number of seconds; got ${kindOf(slowModeSeconds)}`);
  }
}

function parsePublic(value: unknown): PublicConversation | undefined {
  const { id, name, description, avatarUrl, memberCount, joined } = fields(value) ?? {};
  const conversationId = parseId(id);
  if (conversationId === undefined) return undefined;
  return {
    id: conversationId,
    ...(typeof name === 'string' && { name }),
    ...(typeof description === 'string' && { description }),
    ...(typeof avatarUrl === 'string' && { avatarUrl }),
    memberCount: typeof memberCount === 'number' ? memberCount : 0,
    joined: joined === true,
  };
}

function parseBan(value: unknown): Ban | undefined {
  const { userId, bannedBy, bannedAt, reason } = fields(value) ?? {};
  const id = parseId(userId);
  if (id === undefined) return undefined;
  return {
    userId: id,
    bannedBy: parseId(bannedBy) ?? '',
    bannedAt: parseTime(bannedAt) ?? '',
    ...(typeof reason === 'string' && { reason }),
  };
}
