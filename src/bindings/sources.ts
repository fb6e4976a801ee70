import type { CommClient } from '../client/comm-client.ts';
import type { Inbox, InboxSnapshot } from '../client/conversations/inbox.ts';
import type { PresenceUpdate } from '../protocol/presence.ts';
import type { User } from '../protocol/users.ts';
import type { Observable } from '../lib/observable.ts';
import { conversationSource, type ConversationState } from './conversation-source.ts';
import { derive, openOnUse } from './source.ts';

export type { User } from '../protocol/users.ts';
export { callSource, incomingCallSource, type CurrentCall } from './call-source.ts';
export { conversationSource, type ConversationActions, type ConversationState } from './conversation-source.ts';

/** The list of conversations, and the function that loads its next page. */
export interface InboxState extends InboxSnapshot {
  /** Loads the next page. Concurrent calls share one request. */
  readonly loadMore: Inbox['loadMore'];
}

/** The presence of users by user id. Users whose presence is unknown are missing. */
export type Presences = ReadonlyMap<string, PresenceUpdate>;

/** Profiles by user id. Users who are unknown are missing. */
export type Users = ReadonlyMap<string, User>;

const NO_PRESENCES: Presences = new Map();

/** The list of conversations. */
export function inboxSource({ conversations: { inbox } }: CommClient): Observable<InboxState> {
  const loadMore = (): Promise<void> => inbox.loadMore();
  return derive(inbox, (snapshot) => Object.freeze({ ...snapshot, loadMore }));
}

/** The thread of a message; without one of both ids no thread is selected. */
export function threadSource(
  client: CommClient,
  id: string | undefined,
  messageId: string | undefined,
): Observable<ConversationState> {
  return conversationSource(client, messageId === undefined ? undefined : id, { messageId });
}

/** Ids of the other users who are typing in a conversation. */
export function typingSource(client: CommClient, id: string | undefined): Observable<readonly string[]> {
  return derive(conversationSource(client, id), ({ typing }) => typing);
}

/** The presence of users, who are watched while there is a subscriber. */
export function presenceSource(client: CommClient, userIds: readonly string[]): Observable<Presences> {
  const ids = new Set(userIds);
  return openOnUse(NO_PRESENCES, (set) => {
    const show = (): void => {
      const known = Array.from(ids, (id) => client.presence.get(id)).filter((update) => update !== undefined);
      set(new Map(known.map((update) => [update.userId, update])));
    };
    const end = client.presence.watch([...ids]);
    const ended = new AbortController();
    client.on('presence:changed', ({ userId }) => ids.has(userId) && show(), { signal: ended.signal });
    show();
    return () => {
      ended.abort();
      end();
    };
  });
}

/** The profiles of users, who are watched while there is a subscriber. */
export function usersSource(client: CommClient, userIds: readonly string[]): Observable<Users> {
  return client.users.watch(userIds);
}

/** The profile of one user. */
export function userSource(client: CommClient, userId: string | undefined): Observable<User | undefined> {
  return derive(usersSource(client, userId === undefined ? [] : [userId]), (users) => users.get(userId ?? ''));
}
