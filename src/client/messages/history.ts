import type { AbortOptions } from '../../lib/abort.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Changes } from '../../protocol/conversations.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { Message, SendMessage } from '../../protocol/messages.ts';
import type { RestClient } from '../../transport/rest-client.ts';
import { readChanges, readMessage, readMessages } from '../../transport/rows.ts';
import { unreadable, type ClientContext } from '../context.ts';
import { isAfter } from './segments.ts';

/** Which page of history: the newest one, or the one given by one of `before`, `after` and `around`. */
export interface HistoryQuery {
  conversationId: string;
  /** @defaultValue 50, at most 200 */
  limit?: number | undefined;
  /** Id of the message that the page ends just before. */
  before?: string | undefined;
  /** Id of the message that the page begins just after. */
  after?: string | undefined;
  /** Id of the message that the page has in its middle. */
  around?: string | undefined;
}

/** A page of history, and whether there is more on either side. */
export interface HistoryPage {
  /** Oldest first. */
  messages: Message[];
  hasOlder: boolean;
  hasNewer: boolean;
}

interface Search {
  query: string;
  conversationId?: string | undefined;
  limit?: number | undefined;
}

const MAX_LIMIT = LIMITS.maxPageSize - 1;

/** Reads a conversation's history over REST, from our server or from a LumenJS server. */
export class History {
  readonly #context: ClientContext;
  readonly #rest: RestClient;
  /** LumenJS servers serve history under another path; which one is learnt from the first 404. */
  #basePath = false;

  constructor(context: ClientContext, rest: RestClient) {
    this.#context = context;
    this.#rest = rest;
  }

  /** @param anchor - the message that `before` names, where it is held: a base server can't be asked for one by id */
  async page(query: HistoryQuery, options: AbortOptions = {}, anchor?: Message): Promise<HistoryPage> {
    const limit = Math.min(Math.max(1, query.limit ?? LIMITS.pageSize), MAX_LIMIT);
    if (!this.#context.has('rev')) return this.#basePage({ ...query, limit }, options, anchor);
    const { before, after, around } = query;
    if (around !== undefined) {
      const messages = await this.#ours(query.conversationId, { limit, around }, options);
      const last = messages.at(-1);
      const newer = last && (await this.#ours(query.conversationId, { limit: 1, after: last.id }, options));
      return { messages, hasOlder: (messages[0]?.seq ?? 1) > 1, hasNewer: newer !== undefined && newer.length > 0 };
    }
    // One more than wanted tells whether there is more.
    const rows = await this.#ours(query.conversationId, { limit: limit + 1, before, after }, options);
    const more = rows.length > limit;
    return after === undefined
      ? { messages: more ? rows.slice(1) : rows, hasOlder: more, hasNewer: before !== undefined }
      : { messages: more ? rows.slice(0, -1) : rows, hasOlder: true, hasNewer: more };
  }

  async changes(conversationId: string, after: number): Promise<Changes> {
    const answer = await this.#rest.ask('listChanges', {
      id: conversationId,
      query: { after, limit: LIMITS.syncChanges },
    });
    const changes = readChanges(answer);
    if (changes === undefined) throw unreadable('page of changes');
    return changes;
  }

  async get(id: string, options: AbortOptions = {}): Promise<Message> {
    const answer = await this.#rest.ask('getMessage', { id, ...options });
    const message = Array.isArray(answer) ? answer.map(readMessage).find((row) => row?.id === id) : readMessage(answer);
    if (message === undefined)
      throw Array.isArray(answer) ? new CommError('NOT_FOUND', 'No such message') : unreadable('message');
    return message;
  }

  /**
   * Looks for an own message in the newest page, because a base server can't be asked whether it has one.
   *
   * @param sentAt - when it was sent, by this clock
   * @param taken - ids of messages that are the answers to other sends
   */
  async findSent(
    { conversationId, content, envelope }: SendMessage,
    sentAt: string,
    taken: ReadonlySet<string>,
  ): Promise<Message | undefined> {
    const { messages } = await this.page({ conversationId, limit: LIMITS.pageSize });
    // Clocks differ, so there is a minute's grace.
    const since = Date.parse(sentAt) - 60_000;
    // One that was the answer to another send isn't this one, although it says the same: what is there twice can be
    // deleted, what is lost is lost.
    return messages.find(
      (each) =>
        each.senderId === this.#context.userId() &&
        (envelope === undefined ? each.content === content : each.envelope?.ciphertext === envelope.ciphertext) &&
        Date.parse(each.createdAt) >= since &&
        !taken.has(each.id),
    );
  }

  /** What the server finds, and what is kept decrypted here, which it can't. */
  async search(search: Search, options: AbortOptions = {}): Promise<Message[]> {
    const found = await this.#searchServer(search, options);
    const cipher = await this.#context.cipher?.();
    return cipher === undefined ? found : cipher.search(search, found);
  }

  async #searchServer({ query, conversationId, limit }: Search, options: AbortOptions): Promise<Message[]> {
    const request = { ...options, query: { q: query.slice(0, LIMITS.searchLength), conversationId, limit } };
    if (this.#context.has('rev')) return readAll(await this.#rest.ask('searchMessages', request));
    // A LumenJS server may take `search` for a conversation's id, and answer that with nothing: its own route goes first.
    const answer = await this.#rest.askPath('GET', '/search', request).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
      return this.#rest.ask('searchMessages', request);
    });
    return readAll(answer);
  }

  async #ours(
    id: string,
    query: Readonly<Record<string, string | number | undefined>>,
    options: AbortOptions,
  ): Promise<Message[]> {
    return readAll(await this.#rest.ask('listMessages', { id, query, ...options })).reverse();
  }

  /**
   * A LumenJS server pages by time, strictly before. Messages of the same millisecond would be lost at a boundary, so
   * each page overlaps the one before, and what is held already is dropped.
   */
  async #basePage(
    query: HistoryQuery & { limit: number },
    options: AbortOptions,
    held: Message | undefined,
  ): Promise<HistoryPage> {
    const { conversationId, limit } = query;
    if (query.after !== undefined || query.around !== undefined) {
      throw new CommError('UNSUPPORTED', 'This server reads history backwards only');
    }
    const anchor = held ?? (query.before === undefined ? undefined : await this.#baseAnchor(query, options));
    const before = anchor && new Date(Date.parse(anchor.createdAt) + 1).toISOString();
    for (let asked = limit + 1; ; asked *= 2) {
      const rows = await this.#baseRows(conversationId, { limit: asked, before }, options);
      rows.sort((a, b) => (isAfter(a, b) ? 1 : -1));
      const older = anchor === undefined ? rows : rows.filter((row) => isAfter(anchor, row));
      const isAll = rows.length < asked;
      if (older.length > limit || isAll) {
        return {
          messages: older.slice(-limit),
          hasOlder: older.length > limit || !isAll,
          hasNewer: anchor !== undefined,
        };
      }
    }
  }

  /** LumenJS servers answer a list to whoever asks for one message, so it is looked for in the history. */
  async #baseAnchor({ conversationId, before }: HistoryQuery, options: AbortOptions): Promise<Message> {
    for (let asked: number = LIMITS.pageSize; ; asked *= 4) {
      const rows = await this.#baseRows(conversationId, { limit: asked }, options);
      const found = rows.find(({ id }) => id === before);
      if (found !== undefined) return found;
      if (rows.length < asked) throw new CommError('NOT_FOUND', 'No such message');
    }
  }

  async #baseRows(
    conversationId: string,
    query: Readonly<Record<string, string | number | undefined>>,
    options: AbortOptions,
  ): Promise<Message[]> {
    const rest = this.#rest;
    if (!this.#basePath) {
      try {
        return readAll(await rest.ask('listMessages', { id: conversationId, query, ...options }));
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    const rows = await rest.askPath('GET', `/messages/${encodeURIComponent(conversationId)}`, { query, ...options });
    this.#basePath = true;
    return readAll(rows);
  }
}

function readAll(answer: unknown): Message[] {
  const messages = readMessages(answer);
  if (messages === undefined) throw unreadable('list of messages');
  return messages;
}

function isNotFound(error: unknown): boolean {
  return error instanceof CommError && error.code === 'NOT_FOUND';
}
