import type { AbortOptions } from '../../lib/abort.ts';
import type { Lazy } from '../../lib/lazy.ts';
import type { Conversation, ConversationPage, MemberPage } from '../../protocol/conversations.ts';
import { PAGE_LIMITS } from '../../protocol/page-limits.ts';
import { fields } from '../../transport/fields.ts';
import type { RestClient, RestRequest } from '../../transport/rest-client.ts';
import { parseConversation, parseMembers } from '../../transport/parse-rows.ts';
import { unreadable, type ClientContext } from '../context.ts';
import type { BaseHistory } from '../timeline/base-history.ts';

/** Selects a page of the user's conversations. */
export interface ListConversations {
  /**
   * Most conversations to return.
   * @defaultValue 50, at most 200
   */
  limit?: number | undefined;
  /**
   * Number of conversations to skip.
   * @defaultValue 0
   */
  offset?: number | undefined;
  /** Only conversations that the user has archived (`true`) or not (`false`). */
  archived?: boolean | undefined;
  /** Only conversations with unread messages (`true`) or without (`false`). */
  unread?: boolean | undefined;
  /** Only conversations with this text in their name or in the name of another participant. */
  query?: string | undefined;
}

/** Selects a page of the participants of a conversation. */
export interface ListMembers {
  /** User id of the last member of the previous page. */
  after?: string | undefined;
  /**
   * Most participants to return.
   * @defaultValue 100, at most 200
   */
  limit?: number | undefined;
}

/** Reads the user's conversations over REST, from our server or from a LumenJS server. */
export class Directory {
  readonly #context: ClientContext;
  readonly #rest: RestClient;
  readonly #base: Lazy<BaseHistory>;

  /** @param base - reads from a LumenJS server */
  constructor(context: ClientContext, rest: RestClient, base: Lazy<BaseHistory>) {
    this.#context = context;
    this.#rest = rest;
    this.#base = base;
  }

  /** Reads up to `limit` conversations, in as many pages as the server needs. */
  async list(
    { limit = PAGE_LIMITS.pageSize, offset = 0, ...filter }: ListConversations,
    options?: AbortOptions,
  ): Promise<Conversation[]> {
    const found: Conversation[] = [];
    for (;;) {
      const page = await this.page({ ...filter, limit: limit - found.length, offset: offset + found.length }, options);
      found.push(...page.conversations);
      if (!page.hasMore || page.conversations.length === 0 || found.length >= limit) return found;
    }
  }

  /** Reads one page, which can end before its limit. */
  async page(
    { limit, offset, archived, unread, query: text }: ListConversations & { limit: number; offset: number },
    options: AbortOptions = {},
  ): Promise<ConversationPage> {
    if (!this.#context.has('rev')) return (await this.#base()).conversations({ limit, offset }, options);
    const filter = { archived: flag(archived), unread: flag(unread), query: text };
    const query = { limit, offset, paged: 'true', ...filter };
    const page = fields(await this.#rest.ask('listConversations', { query, ...options }));
    const rows = page?.['conversations'];
    if (!Array.isArray(rows)) throw unreadable('list of conversations');
    const conversations = rows.map(parseConversation).filter((conversation) => conversation !== undefined);
    return { conversations, hasMore: page?.['hasMore'] === true };
  }

  /** Reads a list that belongs to a conversation. The answer is not parsed. */
  ask(
    route: 'listBans' | 'listMembers' | 'listMessages',
    id: string,
    { after, limit }: ListMembers,
    options: Pick<RestRequest, 'signal' | 'isPlain'>,
  ): Promise<unknown> {
    return this.#rest.ask(route, { id, query: { after, limit }, ...options });
  }

  /** Reads a page of the participants. */
  async members(id: string, query: ListMembers, options: AbortOptions = {}): Promise<MemberPage> {
    const page = parseMembers(await this.ask('listMembers', id, query, options));
    if (page === undefined) throw unreadable('page of members');
    return page;
  }

  /** Reads one conversation. @throws CommError `NOT_FOUND` */
  async get(id: string, options: AbortOptions = {}): Promise<Conversation> {
    if (!this.#context.has('rev')) return (await this.#base()).conversation(id, options);
    const conversation = parseConversation(await this.#rest.ask('getConversation', { id, ...options }));
    if (conversation === undefined) throw unreadable('conversation');
    return conversation;
  }
}

function flag(value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value);
}
