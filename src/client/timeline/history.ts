import type { AbortOptions } from '../../lib/abort.ts';
import type { Lazy } from '../../lib/lazy.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Changes } from '../../protocol/conversations.ts';
import { PAGE_LIMITS } from '../../protocol/page-limits.ts';
import type { Message, SendMessage } from '../../protocol/messages.ts';
import { fields } from '../../transport/fields.ts';
import type { RestClient } from '../../transport/rest-client.ts';
import { parseChanges, parseMessage, parseMessages } from '../../transport/parse-rows.ts';
import { unreadable, type ClientContext } from '../context.ts';
import type { BaseHistory } from './base-history.ts';
import type { HistoryPage, HistoryQuery, Search } from './history-query.ts';
import { isAfter, placeInConversation, placeInThread, touches, type PlaceOf, type Segment } from './segments.ts';

const MAX_LIMIT = PAGE_LIMITS.maxPageSize - 1;

/** Reads the history of conversations over REST, from our server or from a LumenJS server. */
export class History {
  readonly #context: ClientContext;
  readonly #rest: RestClient;
  readonly #base: Lazy<BaseHistory>;

  /** @param base - reads from a LumenJS server */
  constructor(context: ClientContext, rest: RestClient, base: Lazy<BaseHistory>) {
    this.#context = context;
    this.#rest = rest;
    this.#base = base;
  }

  /** @param anchor - the message named by `before`, if held: a base server has no route for one message */
  async page(query: HistoryQuery, options: AbortOptions = {}, anchor?: Message): Promise<HistoryPage> {
    const limit = Math.min(Math.max(1, query.limit ?? PAGE_LIMITS.pageSize), MAX_LIMIT);
    const { before, after, around, threadId } = query;
    const hasThreads = this.#context.has('threads');
    if (threadId !== undefined && !hasThreads) throw new CommError('UNSUPPORTED', 'This server has no threads');
    if (!this.#context.has('rev')) return (await this.#base()).page({ ...query, limit }, options, anchor);
    const from = { threadId, timeline: threadId === undefined && hasThreads ? 'main' : undefined };
    const placeOf = threadId === undefined ? placeInConversation : placeInThread;
    const { messages, hasMore } = await this.#ours(
      query.conversationId,
      { limit, before, after, around, ...from },
      options,
    );
    if (around !== undefined) {
      const last = messages.at(-1);
      const newer = last && (await this.#ours(query.conversationId, { limit: 1, after: last.id, ...from }, options));
      const start = messages[0] && placeOf(messages[0]);
      return { messages, hasOlder: (start ?? 1) > 1, hasNewer: (newer?.messages.length ?? 0) > 0 };
    }
    return after === undefined
      ? { messages, hasOlder: hasMore, hasNewer: before !== undefined }
      : { messages, hasOlder: true, hasNewer: hasMore };
  }

  /** Reads what changed after the revision `after`. */
  async changes(conversationId: string, after: number): Promise<Changes> {
    const answer = await this.#rest.ask('listChanges', {
      id: conversationId,
      query: { after, limit: PAGE_LIMITS.syncChanges },
    });
    const changes = parseChanges(answer);
    if (changes === undefined) throw unreadable('page of changes');
    return changes;
  }

  /** @throws CommError `NOT_FOUND` */
  async get(id: string, options: AbortOptions = {}): Promise<Message> {
    if (!this.#context.has('rev')) return (await this.#base()).get(id, options);
    const message = parseMessage(await this.#rest.ask('getMessage', { id, ...options }));
    if (message === undefined) throw unreadable('message');
    return message;
  }

  /** Searches for an own message on a base server, which doesn't recognise a repeated send. */
  async findSent(sent: SendMessage, sentAt: string, taken: ReadonlySet<string>): Promise<Message | undefined> {
    return (await this.#base()).findSent({ ...sent, senderId: this.#context.userId() }, sentAt, taken);
  }

  /** Searches on the server and in the texts of encrypted messages stored on this device. */
  async search(search: Search, options: AbortOptions = {}): Promise<Message[]> {
    const found = await this.#searchServer(search, options);
    return (await this.#context.cipher?.())?.search(search, found) ?? found;
  }

  async #searchServer({ query, conversationId, limit }: Search, options: AbortOptions): Promise<Message[]> {
    const q = query.slice(0, PAGE_LIMITS.searchLength);
    if (!this.#context.has('rev')) return (await this.#base()).search({ query: q, conversationId, limit }, options);
    return parseAll(await this.#rest.ask('searchMessages', { ...options, query: { q, conversationId, limit } }));
  }

  async #ours(
    id: string,
    query: Readonly<Record<string, string | number | undefined>>,
    options: AbortOptions,
  ): Promise<{ messages: Message[]; hasMore: boolean }> {
    const answer = await this.#rest.ask('listMessages', { id, query: { ...query, paged: 'true' }, ...options });
    const page = fields(answer);
    return { messages: parseAll(page?.['messages']).reverse(), hasMore: page?.['hasMore'] === true };
  }
}

/** A stretch of a conversation to load again as one page, so that the scroll position can stay. */
export interface Reload {
  readonly history: Pick<History, 'page'>;
  readonly conversationId: string;
  readonly placeOf: PlaceOf;
  /** The messages as they were before. */
  readonly stretch: Segment & { readonly isRestored?: boolean | undefined };
}

/** Loads the newest page, and with it the stretch that was shown if no gap has opened between the two. */
export async function reloadEnd(of: Reload): Promise<HistoryPage> {
  const page = await of.history.page({ conversationId: of.conversationId });
  return touches(of.stretch, page, of.placeOf) ? loadBackTo(of, page) : page;
}

/** Loads a stretch that did not reach the end. */
export async function reloadStretch(of: Reload, readsForwards: boolean): Promise<HistoryPage> {
  const { history, conversationId, stretch } = of;
  const last = stretch.messages.at(-1);
  if (last === undefined) return history.page({ conversationId });
  const limit = 2 * stretch.messages.length;
  // A base server can't page forwards: the page ends before the last message, which scrolling down loads again.
  const page = readsForwards
    ? await history.page({ conversationId, around: last.id, limit })
    : await history.page({ conversationId, before: last.id, limit }, {}, last);
  return loadBackTo(of, page);
}

/**
 * Loads older pages until the whole stretch is loaded again, and drops messages before its start. Those before a stretch of an
 * earlier session stay: it may be one message only, and a view begins with a full page.
 */
async function loadBackTo(of: Reload, page: HistoryPage): Promise<HistoryPage> {
  const { history, conversationId, stretch } = of;
  const [first] = page.messages;
  const limit = first === undefined ? 0 : stretch.messages.filter((held) => isAfter(first, held)).length;
  if (first !== undefined && limit > 0 && page.hasOlder) {
    const older = await history.page({ conversationId, before: first.id, limit }, {}, first).catch(nothingOlder);
    const messages = [...older.messages, ...page.messages];
    if (older.messages.length > 0) return loadBackTo(of, { ...page, messages, hasOlder: older.hasOlder });
  }
  if (stretch.isRestored === true) return page;
  const [start] = stretch.messages;
  const messages = page.messages.filter((read) => start === undefined || !isAfter(start, read));
  return { ...page, messages, hasOlder: page.hasOlder || messages.length < page.messages.length };
}

/** A base server may have no older pages to offer. */
function nothingOlder(error: unknown): HistoryPage {
  if (!(error instanceof CommError) || error.code !== 'UNSUPPORTED') throw error;
  return { messages: [], hasOlder: true, hasNewer: true };
}

function parseAll(answer: unknown): Message[] {
  const messages = parseMessages(answer);
  if (messages === undefined) throw unreadable('list of messages');
  return messages;
}
