import type { AbortOptions } from '../../lib/abort.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { RestClient } from '../../transport/rest-client.ts';
import { readConversation } from '../../transport/rows.ts';
import { unreadable, type ClientContext } from '../context.ts';

/** Which page of the list. */
export interface ListConversations {
  /** @defaultValue 50, at most 200 */
  limit?: number | undefined;
  /** @defaultValue 0 */
  offset?: number | undefined;
}

/** The user's conversations over REST, from our server or from a LumenJS server. */
export class Directory {
  readonly #context: ClientContext;
  readonly #rest: RestClient;

  constructor(context: ClientContext, rest: RestClient) {
    this.#context = context;
    this.#rest = rest;
  }

  async list(
    { limit = LIMITS.pageSize, offset = 0 }: ListConversations,
    options: AbortOptions = {},
  ): Promise<Conversation[]> {
    const answer = await this.#rest.ask('listConversations', { query: { limit, offset }, ...options });
    if (!Array.isArray(answer)) throw unreadable('list of conversations');
    return answer.map(readConversation).filter((conversation) => conversation !== undefined);
  }

  /** A base server has no route for one conversation: there it is looked for in the list. */
  async get(id: string, options: AbortOptions = {}): Promise<Conversation> {
    if (this.#context.has('rev')) {
      const conversation = readConversation(await this.#rest.ask('getConversation', { id, ...options }));
      if (conversation === undefined) throw unreadable('conversation');
      return conversation;
    }
    const limit = LIMITS.maxPageSize - 1;
    for (let offset = 0; ; offset += limit) {
      const page = await this.list({ limit, offset }, options);
      const found = page.find((each) => each.id === id);
      if (found !== undefined) return found;
      if (page.length < limit) throw new CommError('NOT_FOUND', 'No such conversation');
    }
  }
}
