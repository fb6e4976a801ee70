import type { AbortOptions } from '../../lib/abort.ts';
import { lazy, lazyMethods } from '../../lib/lazy.ts';
import type { Conversation, CreateConversation, MemberPage } from '../../protocol/conversations.ts';
import type { BanPage, PublicConversation } from '../../protocol/groups.ts';
import type { Role } from '../../protocol/constants.ts';
import type { ClientContext } from '../context.ts';
import { requireId } from '../validation.ts';
import type { Reading } from './reading.ts';
import type { ConversationView, ConversationViews } from './conversation-view.ts';
import type { ListConversations } from './directory.ts';
import type { ListMembers } from '../read-members.ts';
import type { BanOptions, BrowsePublicGroups, UpdateConversation } from './management-requests.ts';
import { lazyInbox, type Inbox } from './inbox.ts';

/** Lists, opens and manages conversations. Every method that needs the server rejects while there is no connection. */
export interface ConversationsClient {
  /** The list of conversations, kept up to date. The first subscription loads the first page. */
  readonly inbox: Inbox;
  /**
   * Returns a page of the user's conversations, newest activity first. With `archived`, `unread` or `query`, pinned ones come
   * before all others.
   */
  list(query?: ListConversations, options?: AbortOptions): Promise<Conversation[]>;
  /** @throws CommError `NOT_FOUND`, also for a conversation in which the user is no participant */
  get(id: string, options?: AbortOptions): Promise<Conversation>;
  /**
   * Returns a page of the participants, ordered by user id. `Conversation.participants` lists up to 100 of them;
   * `memberCount` is their number.
   */
  members(id: string, query?: ListMembers, options?: AbortOptions): Promise<MemberPage>;
  /** Creates a conversation. Two users have one direct conversation: creating it again returns the existing one. */
  create(request: CreateConversation, options?: AbortOptions): Promise<Conversation>;
  /**
   * Changes name and settings of a group: absent fields stay as they are, `null` clears.
   * @throws CommError `FORBIDDEN` unless the user is owner or admin
   */
  update(id: string, changes: UpdateConversation, options?: AbortOptions): Promise<Conversation>;
  /** Returns public groups, newest first: those from which the user isn't banned. */
  browse(query?: BrowsePublicGroups, options?: AbortOptions): Promise<PublicConversation[]>;
  /**
   * Becomes a member of a public group. Idempotent.
   * @throws CommError `NOT_FOUND` for a group that isn't public, also if it bans the user; `INVALID` if it is full
   */
  join(id: string, options?: AbortOptions): Promise<Conversation>;
  /**
   * Removes a user from a group, who can't become a member again, or lifts the ban.
   * @throws CommError `FORBIDDEN` unless the user is owner or admin; only an owner bans owners and admins
   */
  ban(id: string, userId: string, banned: boolean, options?: BanOptions): Promise<void>;
  /** Returns a page of the bans of a group, ordered by user id. @throws CommError `FORBIDDEN` unless the user is owner or admin */
  bans(id: string, query?: ListMembers, options?: AbortOptions): Promise<BanPage>;
  /** Leaves a conversation for good: the user is no participant any more. */
  leave(id: string, options?: AbortOptions): Promise<void>;
  /** Archives a conversation, or takes it out of the archive, on all devices of the user. */
  archive(id: string, archived: boolean, options?: AbortOptions): Promise<void>;
  /** Mutes a conversation on all devices of the user. The flag has no effect in the client: the app decides on it. */
  mute(id: string, muted: boolean, options?: AbortOptions): Promise<void>;
  /** Pins a conversation on all devices of the user. The order of `inbox` and `list()` stays the same. */
  pin(id: string, pinned: boolean, options?: AbortOptions): Promise<void>;
  /**
   * Adds users to a group with the role `member`; existing participants keep their role.
   * @throws CommError `FORBIDDEN` unless the user is owner or admin
   */
  addParticipants(id: string, userIds: readonly string[], options?: AbortOptions): Promise<Conversation>;
  /** Removes a user from a group. @throws CommError `FORBIDDEN` unless the user is owner or admin */
  removeParticipant(id: string, userId: string, options?: AbortOptions): Promise<void>;
  /** Changes the role of a participant. @throws CommError `FORBIDDEN` unless the user's own role allows it */
  setRole(id: string, userId: string, role: Role, options?: AbortOptions): Promise<Conversation>;
  /**
   * Opens a conversation: loads its newest page and keeps it in step with the server. Views are counted per conversation;
   * the last `close()` ends it.
   */
  open(id: string): ConversationView;
  /** Opens the thread of a message, as `open()` does a conversation: `messages` are the replies, `root` is the message. */
  openThread(id: string, messageId: string): ConversationView;
  /**
   * Marks a message of the main timeline and all later ones as unread for the user, on all devices. What others see as read stays.
   *
   * @param messageId - default: the last message
   */
  markUnread(id: string, messageId?: string, options?: AbortOptions): Promise<void>;
  /** Marks all messages and threads of all conversations as read. Conversations are requested page by page. */
  markAllRead(options?: AbortOptions): Promise<void>;
}

/** The module of the requests. */
type RequestsModule = Pick<typeof import('./conversation-requests.ts'), 'ConversationRequests'>;

/**
 * Creates the API for apps. Requests load their chunk with the first call.
 *
 * @param load - loads the chunk of the requests
 */
export function createConversationsClient(
  context: ClientContext,
  views: ConversationViews,
  reading: Reading,
  load: () => Promise<RequestsModule>,
): ConversationsClient {
  const requests = lazy(async () => {
    const { ConversationRequests: Requests } = await load();
    return new Requests(context, reading);
  });
  return {
    inbox: lazyInbox(context, async () => (await reading()).inbox),
    open(id) {
      requireId('id', id);
      return views.open(id);
    },
    openThread(id, messageId) {
      requireId('id', id);
      requireId('messageId', messageId);
      return views.open(id, messageId);
    },
    ...lazyMethods(requests, [
      'list',
      'get',
      'members',
      'create',
      'update',
      'browse',
      'join',
      'ban',
      'bans',
      'leave',
      'archive',
      'mute',
      'pin',
      'addParticipants',
      'removeParticipant',
      'setRole',
      'markUnread',
      'markAllRead',
    ]),
  };
}
