import type { AbortOptions } from '../../lib/abort.ts';
import type { Lazy } from '../../lib/lazy.ts';
import type { Conversation, ConversationPage } from '../../protocol/conversations.ts';
import { fields } from '../../transport/fields.ts';
import type { RestClient } from '../../transport/rest-client.ts';
import { parseConversation } from '../../transport/parse-rows.ts';
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

  /** Reads one page, which can end before its limit. */
  async page(
    { limit, offset, archived, unread, query: text }: ListConversations & { limit: number; offset: number },
    options: AbortOptions = {},
  ): Promise<ConversationPage> {
    if (!this.#context.has('rev')) return (await this.#base()).conversations({ limit, offset }, options);
    const query = { limit, offset, paged: true, archived, unread, query: text };
    const page = fields(await this.#rest.ask('listConversations', { query, ...options }));
    const rows = page?.['conversations'];
    if (!Array.isArray(rows)) throw unreadable('list of conversations');
    const conversations = rows.map(parseConversation).filter((conversation) => conversation !== undefined);
    return { conversations, hasMore: page?.['hasMore'] === true };
  }

  /** Reads one conversation. @throws CommError `NOT_FOUND` */
  async get(id: string, options: AbortOptions = {}): Promise<Conversation> {
    if (!this.#context.has('rev')) return (await this.#base()).conversation(id, options);
    const conversation = parseConversation(await this.#rest.ask('getConversation', { id, ...options }));
    if (conversation === undefined) throw unreadable('conversation');
    return conversation;
  }
}
