import { idSchema } from '../../protocol/common-schemas.ts';
import { parseInput } from '../parse-input.ts';
import { serverCoreFor, type ServerCore, type ServerCoreOptions } from '../server-core.ts';
import type { Erasure } from '../services/people/erasure-service.ts';
import type { UserRecord } from '../services/people/export-service.ts';
import { conversationsApi, type ConversationsApi } from './conversations-api.ts';
import { messagesApi, type MessagesApi } from './messages-api.ts';
import { moderationApi, type ModerationApi } from './moderation-api.ts';
import { usersApi, type UsersApi } from './users-api.ts';

/**
 * Operations for the app's own backend. Every change reaches the clients as if a user had made it. Nothing is charged, and no hook
 * is asked.
 *
 * Every operation validates its arguments and rejects with a CommError: `INVALID` names the field and the rule, `NOT_FOUND` means
 * that there is no such object, `UNAVAILABLE` that the database can't be used. Other codes are documented where they occur.
 */
export interface CommunicationApi {
  readonly messages: MessagesApi;
  readonly conversations: ConversationsApi;
  readonly users: UsersApi;
  readonly moderation: ModerationApi;
  /**
   * Ends all sockets of a user in all processes, for example after a sign-out. Their clients don't reconnect by themselves.
   * A token of the user that has not expired is still accepted: revoke it first.
   */
  disconnectUser(userId: string): void;
  /**
   * Yields everything that the server holds about a user, as records that can be written as JSON, one kind after another. Reads the
   * database in steps while it is iterated, so that memory is bounded.
   */
  exportUser(userId: string): AsyncGenerator<UserRecord, void, undefined>;
  /**
   * Erases what the server holds about a user: ends their sockets, lets them leave every conversation, replaces their messages by
   * tombstones and deletes everything else. What stays is described in docs/server-api.md. Idempotent; after a failure it can be
   * repeated. Revoke the tokens of the user or ban the user first, so that the user can't write again.
   */
  eraseUser(userId: string): Promise<Erasure>;
}

/**
 * Creates the server API for apps that embed the server. It shares the database, and the connected sockets, with every handler that
 * is created with the same `db`.
 */
export function createCommunicationApi(options: ServerCoreOptions = {}): CommunicationApi {
  return apiOf(serverCoreFor(options));
}

/** Creates the server API of a core. */
export function apiOf(core: ServerCore): CommunicationApi {
  return {
    messages: messagesApi(core),
    conversations: conversationsApi(core),
    users: usersApi(core),
    moderation: moderationApi(core),
    disconnectUser: (userId) => core.broadcaster.disconnectUser(userId),
    async *exportUser(userId) {
      const id = parseInput(idSchema, userId);
      await core.ready();
      yield* core.services.exports.records(id);
    },
    async eraseUser(userId) {
      const id = parseInput(idSchema, userId);
      await core.ready();
      return await core.services.erasure.erase(id);
    },
  };
}
