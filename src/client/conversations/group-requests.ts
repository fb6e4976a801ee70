import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { VISIBILITIES } from '../../protocol/constants.ts';
import type { CreateConversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Ban, BanPage, PublicConversation, UpdateConversation } from '../../protocol/groups.ts';
import { isMetadata } from '../../protocol/metadata.ts';
import { PAGE_LIMITS } from '../../protocol/page-limits.ts';
import { fields } from '../../transport/fields.ts';
import { parseId, parseTime } from '../../transport/parse-rows.ts';
import { unreadable, type ClientContext } from '../context.ts';
import { kindOf, requireBoolean, requireFields, requireId, requireOneOf } from '../validation.ts';
import type { Directory, ListConversations, ListMembers } from './directory.ts';

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

/** Requests about settings of groups, public groups and bans. In a chunk of its own, because few clients need it at once. */
export class GroupRequests {
  readonly #context: ClientContext;
  readonly #directory: () => Promise<Directory>;

  constructor(context: ClientContext, directory: () => Promise<Directory>) {
    this.#context = context;
    this.#directory = directory;
  }

  /** @throws TypeError, CommError `UNSUPPORTED` */
  checkList(query: ListConversations): void {
    requireFields('conversations.list()', query, ['limit', 'offset', 'archived', 'unread', 'query']);
    const { archived, unread, query: text } = query;
    if (archived !== undefined) requireBoolean('archived', archived);
    if (unread !== undefined) requireBoolean('unread', unread);
    if (text !== undefined) requireText('query', text);
    this.#require('filtered lists of conversations');
  }

  /** @throws TypeError, CommError `UNSUPPORTED` */
  async checkCreate(request: CreateConversation, options?: AbortOptions): Promise<void> {
    requireFields('conversations.create()', request, ['type', 'name', 'participantIds', ...INITIAL_SETTINGS]);
    requireSettings(request);
    await this.#ready('settings of groups', options);
  }

  /** @throws TypeError, CommError `UNSUPPORTED` */
  async checkUpdate(changes: Omit<UpdateConversation, 'conversationId'>, options?: AbortOptions): Promise<void> {
    requireFields('conversations.update()', changes, ['name', 'frozen', 'slowModeSeconds', ...INITIAL_SETTINGS]);
    if (changes.name !== undefined) requireText('name', changes.name);
    requireSettings(changes);
    await this.#ready('settings of groups', options);
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

  /** Becomes a member of a public group. @returns the server's answer */
  async join(id: string, options: AbortOptions): Promise<unknown> {
    requireId('id', id);
    await this.#ready('public groups', options);
    return this.#context.requester.request('conversation:enter', { conversationId: id }, options);
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
    const page = fields(await (await this.#directory()).ask('listBans', id, query, options));
    const rows = page?.['bans'];
    if (!Array.isArray(rows)) throw unreadable('list of bans');
    return { bans: rows.map(parseBan).filter((ban) => ban !== undefined), hasMore: page?.['hasMore'] === true };
  }

  async #ready(what: string, { signal }: AbortOptions = {}): Promise<void> {
    await abortable(this.#context.whenConnected(signal), signal);
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
function requireSettings(settings: Omit<UpdateConversation, 'conversationId'>): void {
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
