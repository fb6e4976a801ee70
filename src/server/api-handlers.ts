import { isCommError } from '../protocol/errors.ts';
import { createConversationSchema, type Conversation, type CreateConversation } from '../protocol/conversations.ts';
import type { Message } from '../protocol/messages.ts';
import { parseInput } from './parse-input.ts';
import { serverCoreFor } from './server-core.ts';
import { invalid } from './services/errors.ts';
import { withFileNames } from './services/chat/file-names.ts';
import type { Caller } from './services/ports.ts';
import type { DatabaseSource } from './store/engine/database-source.ts';

/** Result of a write, in the shape SQLite drivers return. */
export interface RunResult {
  /** Number of rows that were changed. */
  changes: number;
  /** Row id of the last insert; 0 where nothing was inserted. */
  lastInsertRowid: number | bigint;
}
/**
 * Selects a page of a list. `limit` defaults to 50 unless configured otherwise; the maximum is 201. A number that is
 * `NaN`, fractional or negative counts as absent, because LumenJS's routes pass on what a query string contained.
 */
export interface PageOptions {
  /** Number of rows, 1 to 201. */
  limit?: number | undefined;
  /** Number of rows to skip. @defaultValue 0 */
  offset?: number | undefined;
}
/** Selects a page of history and the user whose permissions apply. */
export interface HistoryOptions {
  /** Number of rows, 1 to 201. */
  limit?: number | undefined;
  /** A message id or an ISO 8601 time. The page ends before it. */
  before?: string | undefined;
  /**
   * Restricts the result to what this user may read. If absent, no permission is checked: the caller is trusted code.
   */
  userId?: string | undefined;
}
/** Restricts a search to a conversation or to what a user may read. */
export interface SearchOptions {
  /** Searches only this conversation. */
  conversationId?: string | undefined;
  /** Number of rows, 1 to 201. */
  limit?: number | undefined;
  /** See {@link HistoryOptions.userId}. */
  userId?: string | undefined;
}

/**
 * The operations behind REST routes, for an app that defines its own routes. None of them authenticates: the app does.
 */
export interface CommunicationApiHandlers {
  /** Returns the user's conversations with unread counts, newest activity first. */
  getConversations(userId: string, options?: PageOptions): Promise<Conversation[]>;
  /** Returns a page of messages, newest first. Returns an empty array if the user may not read the conversation. */
  getMessages(conversationId: string, options?: HistoryOptions): Promise<Message[]>;
  /**
   * Creates a conversation. The first participant becomes its owner. A direct conversation that the pair already has is
   * returned instead of a new one.
   *
   * @throws CommError `INVALID` with the field and the reason
   */
  createConversation(conversation: CreateConversation): Promise<Conversation>;
  /** Returns messages that contain all words of `query`, newest first. The last word matches as a prefix. */
  searchMessages(query: string, options?: SearchOptions): Promise<Message[]>;
  /** Returns one message, tombstones included, or `undefined` if it doesn't exist or the user may not read it. */
  getMessage(messageId: string, options?: Pick<HistoryOptions, 'userId'>): Promise<Message | undefined>;
  /**
   * Replaces a message with a tombstone. Only its sender may delete it: `changes` is 0 for any other user, and for an
   * unknown or already deleted message.
   */
  deleteMessage(messageId: string, userId: string): Promise<RunResult>;
}

/**
 * Creates the operations behind REST routes. They share the database, and the connected sockets, with every handler
 * that is created with the same `db`.
 */
export function createCommunicationApiHandlers(db: DatabaseSource): CommunicationApiHandlers {
  const core = serverCoreFor({ db });
  const { conversations, history, messages } = core.services;
  return {
    async getConversations(userId, options) {
      await core.ready();
      return withFileNames(await conversations.list(callerOf(userId), pageOf(options)));
    },
    async getMessages(conversationId, { userId, ...page } = {}) {
      await core.ready();
      const found = await known(history.list(userId, conversationId, { ...page, limit: pageOf(page).limit }));
      return withFileNames(found ?? []);
    },
    async createConversation(wanted) {
      await core.ready();
      const { participantIds, ...rest } = parseInput(createConversationSchema, wanted);
      const [creator, ...others] = participantIds;
      if (creator === undefined) throw invalid('participantIds must not be empty');
      if (rest.type === 'direct' && new Set(participantIds).size !== 2) {
        throw invalid(
          `participantIds of a direct conversation must contain the ids of both users, the caller's own included; got ${participantIds.length}`,
        );
      }
      return (await conversations.create(callerOf(creator), { ...rest, participantIds: others })).conversation;
    },
    async searchMessages(q, { userId, ...where } = {}) {
      await core.ready();
      return withFileNames((await known(history.search(userId, { q, ...where, limit: pageOf(where).limit }))) ?? []);
    },
    async getMessage(messageId, { userId } = {}) {
      await core.ready();
      return withFileNames(await known(history.get(userId, messageId)));
    },
    async deleteMessage(messageId, userId) {
      await core.ready();
      const message = await known(history.get(userId, messageId));
      if (message?.senderId !== userId || message.deletedAt !== undefined) return { changes: 0, lastInsertRowid: 0 };
      const { conversationId } = message;
      await messages.delete(callerOf(userId), { conversationId, messageId });
      return { changes: 1, lastInsertRowid: 0 };
    },
  };
}

/** Omits numbers that select no page. */
function pageOf({ limit, offset }: PageOptions = {}): PageOptions {
  return {
    limit: isWhole(limit) && limit > 0 ? limit : undefined,
    offset: isWhole(offset) ? offset : undefined,
  };
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function callerOf(userId: string): Caller {
  return { userId, caps: new Set(), trusted: true };
}

/** Maps `NOT_FOUND` to `undefined`, as LumenJS's own handlers do. */
async function known<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isCommError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
