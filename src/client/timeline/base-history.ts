import type { AbortOptions } from '../../lib/abort.ts';
import type { Conversation, ConversationPage } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Message, SendMessage } from '../../protocol/messages.ts';
import { PAGE_LIMITS } from '../../protocol/page-limits.ts';
import { parseConversation, parseMessage, parseMessages } from '../../transport/parse-rows.ts';
import type { RestClient } from '../../transport/rest-client.ts';
import { unreadable } from '../context.ts';
import type { HistoryPage, HistoryQuery, Search } from './history-query.ts';
import { isAfter } from './segments.ts';

/** Number of rows that LumenJS's own routes return, whatever the request asks for. */
const FIXED_ROWS = 50;
const MAX_ROWS = PAGE_LIMITS.maxPageSize - 1;

/** Selects a page of the user's conversations. */
interface ConversationRange {
  readonly limit: number;
  readonly offset?: number;
}

/** Rows of one request. */
interface Rows {
  /** Oldest first. */
  readonly messages: Message[];
  /** True if no older rows exist. */
  readonly isAll: boolean;
  /** True if the server returned other rows than requested, so that a larger request returns the same. */
  readonly isFixed: boolean;
}

/**
 * Reads over the REST routes of a LumenJS server. An app's own routes may support pages; the ones of LumenJS's development
 * server return the newest 50 rows for every request, which is detected.
 */
export class BaseHistory {
  readonly #rest: RestClient;
  /** True once a 404 has shown that the server has LumenJS's path for history. */
  #hasOwnPath = false;
  /** By route: whether the server returns as many rows as requested. Asked once, with a request for one row. */
  readonly #honorsLimit = new Map<'messages' | 'conversations', Promise<boolean>>();

  constructor(rest: RestClient) {
    this.#rest = rest;
  }

  /**
   * A LumenJS server pages by time, exclusively. Messages of the same millisecond would be lost at a page boundary, so
   * each page overlaps the previous one, and messages that are held already are dropped.
   *
   * @param held - the message named by `before`, if held
   * @throws CommError `UNSUPPORTED` if the server returns the newest rows only and older ones were requested
   */
  async page(
    query: HistoryQuery & { limit: number },
    options: AbortOptions = {},
    held?: Message,
  ): Promise<HistoryPage> {
    const { conversationId, limit } = query;
    if (query.after !== undefined || query.around !== undefined) {
      throw new CommError('UNSUPPORTED', 'This server reads history backwards only');
    }
    const anchor = held ?? (query.before === undefined ? undefined : await this.#anchor(query, options));
    const before = anchor && new Date(Date.parse(anchor.createdAt) + 1).toISOString();
    for (let asked = limit + 1; ; asked *= 2) {
      const { messages, isAll, isFixed } = await this.#rows(conversationId, { limit: asked, before }, options);
      const older = anchor === undefined ? messages : messages.filter((row) => isAfter(anchor, row));
      if (isFixed && anchor !== undefined && older.length === 0) throw newestOnly('messages');
      if (older.length > limit || isAll || isFixed) {
        return {
          messages: older.slice(-limit),
          hasOlder: older.length > limit || !isAll,
          hasNewer: anchor !== undefined,
        };
      }
    }
  }

  /**
   * Returns a message: by the route for one message if the app has it, else by searching the conversations. Ids grow with
   * time, so that a conversation is read until its messages are older.
   *
   * @throws CommError `NOT_FOUND`; `UNSUPPORTED` if the server can't be searched completely
   */
  async get(id: string, options: AbortOptions = {}): Promise<Message> {
    const answer = await this.#rest.ask('getMessage', { id, ...options }).catch(ignoreNotFound);
    // LumenJS takes the id for one of a conversation and answers with its messages.
    const read = [answer].flat().map(parseMessage);
    const direct = read.find((row) => row?.id === id);
    if (direct !== undefined) return direct;
    let isComplete = true;
    for (let offset = 0; ; offset += MAX_ROWS) {
      const page = await this.conversations({ limit: MAX_ROWS, offset }, options);
      for (const conversation of page.conversations) {
        const found = await this.#find(conversation.id, id, options);
        if (typeof found === 'object') return found;
        isComplete &&= found;
      }
      isComplete &&= !page.isFixed || page.conversations.length < FIXED_ROWS;
      if (page.isFixed || page.conversations.length < MAX_ROWS) break;
    }
    throw isComplete ? new CommError('NOT_FOUND', 'No such message') : newestOnly('messages');
  }

  /** @returns the message, or whether the conversation was read far enough to know that it doesn't have it */
  async #find(conversationId: string, id: string, options: AbortOptions): Promise<Message | boolean> {
    let anchor: Message | undefined;
    try {
      for (;;) {
        const query = { conversationId, limit: MAX_ROWS, before: anchor?.id };
        const { messages, hasOlder } = await this.page(query, options, anchor);
        const found = messages.find((message) => message.id === id);
        if (found !== undefined) return found;
        anchor = messages[0];
        if (anchor === undefined || !hasOlder || isBefore(anchor.id, id)) return true;
      }
    } catch (error) {
      if (isCode(error, 'UNSUPPORTED')) return false;
      throw error;
    }
  }

  /**
   * Searches the newest page for an own message.
   *
   * @param sentAt - when it was sent by the local clock, ISO 8601
   * @param taken - ids of messages that are the result of other sends
   */
  async findSent(
    { conversationId, content, envelope, senderId }: SendMessage & { readonly senderId: string | undefined },
    sentAt: string,
    taken: ReadonlySet<string>,
  ): Promise<Message | undefined> {
    const { messages } = await this.page({ conversationId, limit: PAGE_LIMITS.pageSize });
    // Tolerates a difference of one minute between the clocks.
    const since = Date.parse(sentAt) - 60_000;
    // The result of another send with the same text is no match: a duplicate can be deleted, a lost message can't be
    // restored.
    return messages.find(
      (each) =>
        each.senderId === senderId &&
        (envelope === undefined ? each.content === content : each.envelope?.ciphertext === envelope.ciphertext) &&
        Date.parse(each.createdAt) >= since &&
        !taken.has(each.id),
    );
  }

  /** Returns the matches of a conversation only, also where the server ignores `conversationId`. */
  async search({ query, conversationId, limit }: Search, options: AbortOptions): Promise<Message[]> {
    const request = { ...options, query: { q: query, conversationId, limit } };
    // LumenJS may take `search` for the id of a conversation and answer with an empty list, so its own route goes first.
    const answer = await this.#rest.askPath('GET', '/search', request).catch((error: unknown) => {
      if (!isCode(error, 'NOT_FOUND')) throw error;
      return this.#rest.ask('searchMessages', request);
    });
    const found = parseAll(answer);
    return found
      .filter((message) => conversationId === undefined || message.conversationId === conversationId)
      .slice(0, limit);
  }

  /** Returns a page of conversations. `isFixed`: the server returns the same rows for every page. */
  async conversations(
    { limit, offset = 0 }: ConversationRange,
    options: AbortOptions = {},
  ): Promise<ConversationPage & { isFixed: boolean }> {
    const all = await this.#list({ limit, offset }, options);
    const isSuspicious = all.length > limit || (all.length === FIXED_ROWS && (limit > FIXED_ROWS || offset > 0));
    const isFixed = isSuspicious && !(await this.#honors('conversations', () => this.#list({ limit: 1 }, options)));
    const conversations = isFixed ? all.slice(offset, offset + limit) : all;
    return { conversations, hasMore: !isFixed && all.length === limit, isFixed };
  }

  /** LumenJS has no route for one conversation, so the list is searched. @throws CommError `NOT_FOUND`, `UNSUPPORTED` */
  async conversation(id: string, options: AbortOptions = {}): Promise<Conversation> {
    for (let offset = 0; ; offset += MAX_ROWS) {
      const { conversations, isFixed } = await this.conversations({ limit: MAX_ROWS, offset }, options);
      const found = conversations.find((each) => each.id === id);
      if (found !== undefined) return found;
      if (isFixed) throw newestOnly('conversations');
      if (conversations.length < MAX_ROWS) throw new CommError('NOT_FOUND', 'No such conversation');
    }
  }

  async #list(query: ConversationRange, options: AbortOptions): Promise<Conversation[]> {
    const answer = await this.#rest.ask('listConversations', { query: { ...query }, ...options });
    if (!Array.isArray(answer)) throw unreadable('list of conversations');
    return answer.map(parseConversation).filter((conversation) => conversation !== undefined);
  }

  /** LumenJS servers have no route for one message, so the history is searched for it. */
  async #anchor({ conversationId, before }: HistoryQuery, options: AbortOptions): Promise<Message> {
    for (let asked: number = PAGE_LIMITS.pageSize; ; asked *= 4) {
      const { messages, isAll, isFixed } = await this.#rows(conversationId, { limit: asked }, options);
      const found = messages.find(({ id }) => id === before);
      if (found !== undefined) return found;
      if (isFixed) throw newestOnly('messages');
      if (isAll) throw new CommError('NOT_FOUND', 'No such message');
    }
  }

  async #rows(
    conversationId: string,
    query: { readonly limit: number; readonly before?: string | undefined },
    options: AbortOptions,
  ): Promise<Rows> {
    const messages = await this.#ask(conversationId, query, options);
    messages.sort((a, b) => (isAfter(a, b) ? 1 : -1));
    const { limit } = query;
    const isSuspicious = messages.length > limit || (messages.length === FIXED_ROWS && limit > FIXED_ROWS);
    const isFixed =
      isSuspicious && !(await this.#honors('messages', () => this.#ask(conversationId, { limit: 1 }, options)));
    return { messages, isAll: !isFixed && messages.length < limit, isFixed };
  }

  /** @param askOne - requests one row of a list that has more */
  #honors(route: 'messages' | 'conversations', askOne: () => Promise<readonly unknown[]>): Promise<boolean> {
    const known = this.#honorsLimit.get(route);
    if (known !== undefined) return known;
    const asked = askOne().then((rows) => rows.length <= 1);
    this.#honorsLimit.set(route, asked);
    asked.catch(() => this.#honorsLimit.delete(route));
    return asked;
  }

  async #ask(
    conversationId: string,
    query: Readonly<Record<string, string | number | undefined>>,
    options: AbortOptions,
  ): Promise<Message[]> {
    const rest = this.#rest;
    if (!this.#hasOwnPath) {
      try {
        return parseAll(await rest.ask('listMessages', { id: conversationId, query, ...options }));
      } catch (error) {
        if (!isCode(error, 'NOT_FOUND')) throw error;
      }
    }
    const rows = await rest.askPath('GET', `/messages/${encodeURIComponent(conversationId)}`, { query, ...options });
    this.#hasOwnPath = true;
    return parseAll(rows);
  }
}

/** Compares ids of a LumenJS server, which are numbers that grow with time. */
function isBefore(id: string, other: string): boolean {
  return /^\d+$/.test(id) && /^\d+$/.test(other) && Number(id) < Number(other);
}

function newestOnly(what: string): CommError {
  return new CommError('UNSUPPORTED', `This server returns only the newest ${FIXED_ROWS} ${what}`);
}

function parseAll(answer: unknown): Message[] {
  const messages = parseMessages(answer);
  if (messages === undefined) throw unreadable('list of messages');
  return messages;
}

function ignoreNotFound(error: unknown): undefined {
  if (!isCode(error, 'NOT_FOUND')) throw error;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof CommError && error.code === code;
}
