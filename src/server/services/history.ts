import { LIMITS } from '../../protocol/limits.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ListMessagesQuery, SearchQuery } from '../../protocol/rest.ts';
import { pageAfter, pageBefore, seqAtTime } from '../store/history.ts';
import { membershipOf } from '../store/members.ts';
import { findMessage } from '../store/messages.ts';
import { rowIdOf, type MessageRow } from '../store/rows.ts';
import { findMessages } from '../store/search.ts';
import { viewMessage, viewMessages } from '../store/views.ts';
import type { Work } from '../store/work.ts';
import type { ServiceDeps } from './deps.ts';
import { invalid, notFound } from './refusals.ts';

/** Whose eyes it is for; absent, everybody's: for an app's own code, which is trusted. */
type Reader = string | undefined;
const EVERYTHING = Number.MAX_SAFE_INTEGER;
const ISO_TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;

/** Reading what was written. Lists are newest first. */
export class HistoryService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /** @throws CommError `NOT_FOUND` */
  async get(reader: Reader, messageId: string): Promise<Message> {
    return await this.#deps.store.read(function* () {
      const row = yield* findMessage(messageId, reader);
      if (row === undefined) throw notFound();
      yield* mayRead(reader, row.conversation_id);
      return yield* viewMessage(row);
    });
  }

  /**
   * One page: the newest, the one `before` a message or a time, the one right `after` a message, or the one `around` it.
   *
   * @throws CommError `NOT_FOUND`, also for a message of another conversation; `INVALID` for a time that is none
   */
  async list(reader: Reader, conversationId: string, page: ListMessagesQuery = {}): Promise<Message[]> {
    const limit = this.#limit(page.limit);
    return await this.#deps.store.read(function* () {
      yield* mayRead(reader, conversationId);
      return yield* viewMessages(yield* pageOf(reader, conversationId, page, limit));
    });
  }

  /** Messages with all the words of `q`, the last one as a prefix; newest first. */
  async search(reader: Reader, { q, conversationId, limit }: SearchQuery): Promise<Message[]> {
    const rows = this.#limit(limit);
    const { store } = this.#deps;
    await store.indexed();
    return await store.read(function* () {
      if (conversationId !== undefined) yield* mayRead(reader, conversationId);
      return yield* viewMessages(yield* findMessages({ text: q, limit: rows, conversationId, userId: reader }));
    });
  }

  #limit(asked: number | undefined): number {
    return Math.min(asked ?? this.#deps.config.pageSize, LIMITS.maxPageSize);
  }
}

function* mayRead(reader: Reader, conversationId: string): Work<void> {
  if (reader === undefined) return;
  if ((yield* membershipOf(conversationId, reader)) === undefined) throw notFound();
}

function* pageOf(
  reader: Reader,
  conversationId: string,
  { before, after, around }: ListMessagesQuery,
  limit: number,
): Work<readonly MessageRow[]> {
  if (before !== undefined) {
    return yield* pageBefore(conversationId, yield* positionBefore(reader, conversationId, before), limit);
  }
  if (after !== undefined) {
    return yield* pageAfter(conversationId, yield* positionOf(reader, conversationId, after), limit);
  }
  if (around !== undefined) {
    const seq = yield* positionOf(reader, conversationId, around);
    const newer = yield* pageAfter(conversationId, seq, Math.floor((limit - 1) / 2));
    return [...newer, ...(yield* pageBefore(conversationId, seq + 1, limit - newer.length))];
  }
  return yield* pageBefore(conversationId, EVERYTHING, limit);
}

function* positionBefore(reader: Reader, conversationId: string, before: string): Work<number> {
  if (rowIdOf(before) !== undefined || !ISO_TIME.test(before)) {
    return yield* positionOf(reader, conversationId, before);
  }
  // A time without a zone is UTC, as the database writes it.
  const time = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(before) ? before : `${before.replace(' ', 'T')}Z`);
  if (Number.isNaN(time)) throw invalid('before is a message id or an ISO 8601 time');
  return yield* seqAtTime(conversationId, new Date(time).toISOString());
}

function* positionOf(reader: Reader, conversationId: string, messageId: string): Work<number> {
  const row = yield* findMessage(messageId, reader);
  if (row?.conversation_id !== conversationId) throw notFound();
  return row.seq;
}
