import { LIMITS } from '../../../protocol/limits.ts';
import type { Message, MessagePage } from '../../../protocol/messages.ts';
import type { ListMessagesQuery, ListPinnedQuery, SearchQuery } from '../../../protocol/rest.ts';
import { pageAfter, pageBefore, seqAtTime, type HistoryPage, type Timeline } from '../../store/queries/history.ts';
import { markersFrom, membershipOf } from '../../store/queries/members.ts';
import { findMessage } from '../../store/queries/messages.ts';
import { pinnedRows } from '../../store/queries/moderation/pins.ts';
import { countWritten, type PageSize } from '../../store/queries/page-size.ts';
import { rowIdOf, wireId } from '../../store/queries/rows.ts';
import { conversationCountOf } from '../../store/queries/users.ts';
import { findMessages, termCounts } from '../../store/search/search.ts';
import { mapMessage, mapMessages, writeMessages } from '../../store/queries/message-mapper.ts';
import type { ReadPlace } from '../../store/engine/long-reads.ts';
import type { Work } from '../../store/engine/work.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { invalid, notFound } from '../errors.ts';
import { trimRows } from './sync-budget.ts';

/** User whose permissions apply; `undefined` for trusted code of the app. */
type Reader = string | undefined;
const EVERYTHING = Number.MAX_SAFE_INTEGER;
/** A search visits each conversation of the user, which takes about 20 µs. */
const SEARCH_MS_PER_CONVERSATION = 0.1;
const ISO_TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;

/** A page of messages that is already written as JSON. */
export interface MessagePageJson {
  /** JSON of the list of messages. */
  readonly messages: string;
  readonly hasMore: boolean;
}

/** The JSON of each message of a page. */
interface WrittenPage {
  readonly messages: readonly string[];
  readonly hasMore: boolean;
}

/** Reads messages. Lists are ordered newest first. */
export class HistoryService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /** Returns a message. @throws CommError `NOT_FOUND` */
  async get(reader: Reader, messageId: string): Promise<Message> {
    return await this.#deps.store.read(function* () {
      const row = yield* findMessage(messageId, reader);
      if (row === undefined) throw notFound();
      yield* requireReadAccess(reader, row.conversation_id);
      return yield* mapMessage(row);
    });
  }

  /** Returns the messages of {@link page}. */
  async list(reader: Reader, conversationId: string, query?: ListMessagesQuery): Promise<Message[]> {
    return JSON.parse((await this.page(reader, conversationId, query)).messages) as Message[];
  }

  /**
   * Returns a page: the newest, the one `before` a message or time, the one `after` a message, or the one `around` a
   * message, of all messages, of the main timeline or of a thread. It ends before its limit if the messages are large;
   * `hasMore` then is true.
   *
   * @throws CommError `NOT_FOUND`, also for a message or thread of another conversation; `INVALID` if `before` is neither an id
   * nor a time
   */
  async page(reader: Reader, conversationId: string, query: ListMessagesQuery = {}): Promise<MessagePageJson> {
    const size = { limit: this.#limit(query.limit), bytes: this.#deps.limits.restAnswerBytes };
    const { messages, hasMore } = await this.#deps.store.read(function* (): Work<WrittenPage> {
      const timeline = yield* timelineOf(reader, conversationId, query);
      const { before, after, around } = query;
      if (after !== undefined) return yield* newer(timeline, yield* positionOf(reader, conversationId, after), size);
      if (around !== undefined) {
        const seq = yield* positionOf(reader, conversationId, around);
        const half = { limit: Math.floor((size.limit - 1) / 2), bytes: size.bytes / 2 };
        const later = yield* newer(timeline, seq, half);
        const left = { limit: size.limit - later.messages.length, bytes: size.bytes / 2 };
        const earlier = yield* older(timeline, seq + 1, left);
        return { messages: [...later.messages, ...earlier.messages], hasMore: later.hasMore || earlier.hasMore };
      }
      const seq = before === undefined ? EVERYTHING : yield* positionBefore(reader, conversationId, before);
      return yield* older(timeline, seq, size);
    });
    return { messages: `[${messages.join(',')}]`, hasMore };
  }

  /**
   * Returns pinned messages of a conversation, the newest pin first. The page ends before its limit if the messages are large;
   * `hasMore` then is true.
   *
   * @throws CommError `NOT_FOUND`
   */
  async pinned(
    reader: Reader,
    conversationId: string,
    { limit: asked, offset = 0 }: ListPinnedQuery,
  ): Promise<MessagePage> {
    const size = { limit: this.#limit(asked), bytes: this.#deps.limits.restAnswerBytes };
    return await this.#deps.store.read(function* (): Work<MessagePage> {
      yield* requireReadAccess(reader, conversationId);
      const { rows, hasMore } = yield* pinnedRows(conversationId, offset, size);
      return cutToSize(yield* mapMessages(rows), hasMore, size);
    });
  }

  /** Returns the messages of {@link searchPage}. */
  async search(reader: Reader, query: SearchQuery): Promise<Message[]> {
    return (await this.searchPage(reader, query)).messages;
  }

  /**
   * Returns messages that contain all words of `q`, newest first. The last word also matches as a prefix, unless messages
   * that contain it as it is fill the page, this takes too long, or the database can't be searched in a thread and has more
   * than 200,000 messages.
   *
   * @throws CommError `INVALID` if `q` has too many words, `UNAVAILABLE` if the search takes too long, `UNSUPPORTED` if the
   * database can't be searched in a thread and is too large, `NOT_FOUND`
   */
  async searchPage(reader: Reader, { q, conversationId, limit: asked }: SearchQuery): Promise<MessagePage> {
    const limit = this.#limit(asked);
    const { store, limits } = this.#deps;
    checkTerms(q, limits);
    await store.indexed();
    const conversations = reader === undefined ? 0 : await store.read(() => conversationCountOf(reader));
    const deadlineMs = limits.searchDeadlineMs + conversations * SEARCH_MS_PER_CONVERSATION;
    const size = { limit, bytes: limits.restAnswerBytes };
    const search = { text: q, size, conversationId, userId: reader };
    const find = (completes: boolean) =>
      function* (place: ReadPlace): Work<MessagePage> {
        if (conversationId !== undefined) yield* requireReadAccess(reader, conversationId);
        const { rows, hasMore } = yield* findMessages(search, { place, completes });
        return cutToSize(yield* mapMessages(rows), hasMore, size);
      };
    return await store.readLong(find(true), { userId: reader ?? '', deadlineMs }, find(false));
  }

  #limit(asked: number | undefined): number {
    return Math.min(asked ?? this.#deps.config.pageSize, LIMITS.maxPageSize);
  }
}

function* requireReadAccess(reader: Reader, conversationId: string): Work<void> {
  if (reader === undefined) return;
  if ((yield* membershipOf(conversationId, reader)) === undefined) throw notFound();
}

/** Returns the messages that a query selects from. @throws CommError `NOT_FOUND` */
function* timelineOf(
  reader: Reader,
  conversationId: string,
  { threadId, timeline }: ListMessagesQuery,
): Work<Timeline> {
  const member = reader === undefined ? undefined : yield* membershipOf(conversationId, reader);
  if (reader !== undefined && member === undefined) throw notFound();
  if (threadId !== undefined) {
    const root = yield* findMessage(threadId, reader);
    if (root?.conversation_id !== conversationId) throw notFound();
    return { conversationId, threadId: root.thread_id ?? wireId(root) };
  }
  return timeline === undefined ? { conversationId } : { conversationId, sideStart: member?.side_start };
}

/** Rejects a search that would compare too many lists of positions. */
function checkTerms(q: string, { searchTerms, searchPhraseTokens }: ServiceDeps['limits']): void {
  const counts = termCounts(q);
  const terms = counts.reduce((sum, count) => sum + count, 0);
  if (terms > searchTerms) throw invalid(`q must have at most ${searchTerms} words; got ${terms}`);
  const longest = Math.max(0, ...counts);
  if (longest > searchPhraseTokens) {
    throw invalid(`q must have at most ${searchPhraseTokens} words that are not separated by spaces; got ${longest}`);
  }
}

function* older(timeline: Timeline, seq: number, size: PageSize): Work<WrittenPage> {
  return yield* write(timeline.conversationId, yield* pageBefore(timeline, seq, size), size);
}

function* newer(timeline: Timeline, seq: number, size: PageSize): Work<WrittenPage> {
  const page = yield* write(timeline.conversationId, yield* pageAfter(timeline, seq, size), size);
  return { ...page, messages: page.messages.toReversed() };
}

/** Cuts the end of a page. Rows are estimated when they are read; this counts what is sent. */
function* write(conversationId: string, { rows, hasMore }: HistoryPage, { bytes }: PageSize): Work<WrittenPage> {
  if (rows.length === 0) return { messages: [], hasMore };
  const oldest = Math.min(rows[0]?.[10] ?? 0, rows.at(-1)?.[10] ?? 0);
  const markers = yield* markersFrom(conversationId, oldest);
  const messages = yield* writeMessages(rows, () => markers);
  const count = countWritten(messages, bytes);
  return { messages: messages.slice(0, count), hasMore: hasMore || count < messages.length };
}

/** Cuts the end of a page of messages. */
function cutToSize(messages: readonly Message[], hasMore: boolean, { bytes }: PageSize): MessagePage {
  const fits = trimRows(messages, bytes);
  return { messages: fits, hasMore: hasMore || fits.length < messages.length };
}

function* positionBefore(reader: Reader, conversationId: string, before: string): Work<number> {
  if (rowIdOf(before) !== undefined || !ISO_TIME.test(before)) {
    return yield* positionOf(reader, conversationId, before);
  }
  // Times without an offset are UTC, as in the database.
  const time = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(before) ? before : `${before.replace(' ', 'T')}Z`);
  if (Number.isNaN(time)) throw invalid('before must be a message id or an ISO 8601 time');
  return yield* seqAtTime(conversationId, new Date(time).toISOString());
}

function* positionOf(reader: Reader, conversationId: string, messageId: string): Work<number> {
  const row = yield* findMessage(messageId, reader);
  if (row?.conversation_id !== conversationId) throw notFound();
  return row.seq;
}
