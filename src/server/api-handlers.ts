import * as v from 'valibot';
import { CommError, isCommError } from '../protocol/errors.ts';
import { createConversationSchema, type Conversation, type CreateConversation } from '../protocol/conversations.ts';
import type { Message } from '../protocol/messages.ts';
import { coreOf } from './core.ts';
import type { Caller } from './services/ports.ts';
import type { DatabaseSource } from './store/sqlite-port.ts';

/** As SQLite drivers answer a write. */
export interface RunResult {
  changes: number;
  lastInsertRowid: number | bigint;
}
/** Which page of a list; `limit` is 50 unless configured otherwise, at most 201. */
export interface PageOptions {
  limit?: number | undefined;
  offset?: number | undefined;
}
/** Which page of history, and for whom. */
export interface HistoryOptions {
  limit?: number | undefined;
  /** A message id or an ISO 8601 time. */
  before?: string | undefined;
  /** Only what this user may see. Absent: everything, for code that has checked on its own. */
  userId?: string | undefined;
}
/** Where to search, and for whom. */
export interface SearchOptions {
  conversationId?: string | undefined;
  limit?: number | undefined;
  /** As in {@link HistoryOptions}. */
  userId?: string | undefined;
}

/** What an app's own routes are made of. Nothing here asks who is calling: that is the app's part. */
export interface CommunicationApiHandlers {
  /** Newest activity first, with the user's unread counts. */
  getConversations(userId: string, options?: PageOptions): Promise<Conversation[]>;
  /** Newest first. */
  getMessages(conversationId: string, options?: HistoryOptions): Promise<Message[]>;
  /** The first participant is its owner. A pair that has a direct conversation gets that one. */
  createConversation(conversation: CreateConversation): Promise<Conversation>;
  /** Newest first; all words must be there, the last one may be a beginning. */
  searchMessages(query: string, options?: SearchOptions): Promise<Message[]>;
  /** One message, tombstones included; `undefined` when there is none, or none that the user may see. */
  getMessage(messageId: string, options?: Pick<HistoryOptions, 'userId'>): Promise<Message | undefined>;
  /** Soft delete by its sender. `changes` is 0 for a message of somebody else, an unknown or a deleted one. */
  deleteMessage(messageId: string, userId: string): Promise<RunResult>;
}

/**
 * The functions behind REST routes, over the same database (and the same connected sockets) as the handler that is
 * given the same `db`.
 */
export function createCommunicationApiHandlers(db: DatabaseSource): CommunicationApiHandlers {
  const core = coreOf({ db });
  const { conversations, history, messages } = core.services;
  return {
    async getConversations(userId, options) {
      await core.ready();
      return await conversations.list(callerOf(userId), options);
    },
    async getMessages(conversationId, { userId, ...page } = {}) {
      await core.ready();
      return (await known(history.list(userId, conversationId, page))) ?? [];
    },
    async createConversation(wanted) {
      await core.ready();
      const { participantIds, ...rest } = created(wanted);
      const [creator, ...others] = participantIds;
      if (creator === undefined) throw new CommError('INVALID', 'A conversation needs participants');
      return (await conversations.create(callerOf(creator), { ...rest, participantIds: others })).conversation;
    },
    async searchMessages(q, { userId, ...where } = {}) {
      await core.ready();
      return (await known(history.search(userId, { q, ...where }))) ?? [];
    },
    async getMessage(messageId, { userId } = {}) {
      await core.ready();
      return await known(history.get(userId, messageId));
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

function callerOf(userId: string): Caller {
  return { userId, caps: new Set() };
}

/** These functions answer with nothing where the wire has a `NOT_FOUND`, as the framework's do. */
async function known<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (isCommError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

function created(wanted: CreateConversation): CreateConversation {
  const result = v.safeParse(createConversationSchema, wanted);
  if (!result.success) throw new CommError('INVALID', 'The conversation is not valid');
  return result.output;
}
