import * as v from 'valibot';
import { counterSchema, idSchema, timeSchema, userIdsSchema } from './common-schemas.ts';
import { activeCallSchema, type ActiveCall } from './calls.ts';
import { conversationSettings, initialSettings, nameSchema, type ConversationSettings } from './groups.ts';
import { LIMITS } from './limits.ts';
import { readMarkerSchema, type ReadMarker } from './receipts.ts';
import { messageSchema, type Message } from './messages.ts';
import type { JsonObject } from './metadata.ts';
import { unreadStateEntries, type UnreadState } from './threads.ts';
import {
  CONVERSATION_TYPES,
  PRESENCE_STATUSES,
  ROLES,
  type ConversationType,
  type PresenceStatus,
  type Role,
  type Visibility,
} from './constants.ts';

/** A participant of a conversation, with their read and delivery positions. */
export interface Participant {
  userId: string;
  displayName: string;
  avatarUrl?: string | undefined;
  role?: Role | undefined;
  joinedAt: string;
  presence: PresenceStatus;
  /** The participant has read all messages up to this `seq`. */
  lastReadSeq?: number | undefined;
  lastReadAt?: string | undefined;
  /** At least one of the participant's devices has received all messages up to this `seq`. */
  lastDeliveredSeq?: number | undefined;
}

/** The current counters of a conversation: `seq` of the last message, `rev` of the last change. */
export interface Head {
  seq: number;
  rev: number;
}

/** Positions that all participants but the caller have reached. */
export interface Reached {
  delivered: number;
  read: number;
}

/** A conversation as one user sees it. */
export interface Conversation extends ConversationSettings, UnreadState {
  id: string;
  type: ConversationType;
  name?: string | undefined;
  /** All participants, or the caller and the first others of a large group: then `memberCount` is greater. */
  participants: Participant[];
  /** Number of participants. Base servers send none. */
  memberCount?: number | undefined;
  /** A number that changes with every change of the participants or of their roles. */
  membersRev?: number | undefined;
  /** What all other participants have received and read, if `participants` is incomplete. */
  reached?: Reached | undefined;
  lastMessage?: Message | undefined;
  createdAt: string;
  updatedAt: string;
  /** Messages of the main timeline after the caller's read position that are neither their own nor deleted. */
  unreadCount: number;
  pinned?: boolean | undefined;
  muted?: boolean | undefined;
  archived?: boolean | undefined;
  /** Version of the user's own flags (`pinned`, `muted`, `archived`); a greater one is newer. */
  flagsRev?: number | undefined;
  head?: Head | undefined;
  /** The running call; absent or `null` if there is none. */
  activeCall?: ActiveCall | null | undefined;
}

/** A changed conversation: complete, or only `id` and the changed fields. */
export type ConversationUpdate = { id: string; members?: MemberChanges | undefined } & {
  [K in keyof Omit<Conversation, 'id'>]?: Conversation[K] | undefined;
};

/** Changed members of a group that is too large to send all of them. */
export interface MemberChanges {
  /** Users who joined or whose role changed, at most 100 of them. */
  changed: Participant[];
  /** Ids of users who left. */
  left: string[];
}

/** A page of the participants of a conversation, ordered by user id. */
export interface MemberPage {
  members: Participant[];
  memberCount: number;
  /** True: the next page starts after the last member of this one. */
  hasMore: boolean;
}

/** Validates {@link Head}. */
export const headSchema = v.object({ seq: counterSchema, rev: counterSchema }) satisfies v.GenericSchema<unknown, Head>;

/** Validates {@link Participant}. */
export const participantSchema = v.object({
  userId: v.string(),
  displayName: v.string(),
  avatarUrl: v.optional(v.string()),
  role: v.optional(v.picklist(ROLES)),
  joinedAt: timeSchema,
  presence: v.picklist(PRESENCE_STATUSES),
  lastReadSeq: v.optional(counterSchema),
  lastReadAt: v.optional(timeSchema),
  lastDeliveredSeq: v.optional(counterSchema),
}) satisfies v.GenericSchema<unknown, Participant>;

/** Validates {@link Conversation}. */
export const conversationSchema = v.object({
  id: v.string(),
  type: v.picklist(CONVERSATION_TYPES),
  name: v.optional(v.string()),
  ...conversationSettings,
  participants: v.array(participantSchema),
  memberCount: v.optional(counterSchema),
  membersRev: v.optional(counterSchema),
  reached: v.optional(v.object({ delivered: counterSchema, read: counterSchema })),
  lastMessage: v.optional(messageSchema),
  createdAt: timeSchema,
  updatedAt: timeSchema,
  unreadCount: counterSchema,
  ...unreadStateEntries,
  pinned: v.optional(v.boolean()),
  muted: v.optional(v.boolean()),
  archived: v.optional(v.boolean()),
  flagsRev: v.optional(counterSchema),
  head: v.optional(headSchema),
  activeCall: v.optional(v.nullable(activeCallSchema)),
}) satisfies v.GenericSchema<unknown, Conversation>;

/** Validates {@link ConversationUpdate}. */
export const conversationUpdateSchema = v.intersect([
  v.partial(conversationSchema),
  v.object({
    id: v.string(),
    members: v.optional(v.object({ changed: v.array(participantSchema), left: v.array(v.string()) })),
  }),
]) satisfies v.GenericSchema<unknown, ConversationUpdate>;

// Requests

const participantIds = v.pipe(v.array(idSchema), v.maxLength(LIMITS.userIds));

/**
 * Creates a conversation. A direct one has exactly one other participant; a group has any number and may have a name of at
 * most 200 characters.
 */
export interface CreateConversation {
  type: ConversationType;
  name?: string | undefined;
  /** The other participants. The caller is always one and may be omitted. */
  participantIds: readonly string[];
  /** At most 1,000 characters; groups only, as all further fields. */
  description?: string | undefined;
  avatarUrl?: string | undefined;
  /** Data of the app: at most 4 KiB of JSON, nested at most 8 deep. */
  metadata?: JsonObject | undefined;
  /** @defaultValue `private` */
  visibility?: Visibility | undefined;
}
/** Archives or restores a conversation for the caller. */
export interface ArchiveConversation {
  conversationId: string;
  archived: boolean;
}
/** Mutes or unmutes a conversation for the caller. */
export interface MuteConversation {
  conversationId: string;
  muted: boolean;
}
/** Pins or unpins a conversation for the caller. */
export interface PinConversation {
  conversationId: string;
  pinned: boolean;
}
/** Adds users to a group. */
export interface AddParticipants {
  conversationId: string;
  userIds: readonly string[];
}
/** Removes a user from a conversation. A caller who passes their own id leaves it permanently. */
export interface RemoveParticipant {
  conversationId: string;
  userId: string;
}
/** Changes the role of a participant. */
export interface SetRole extends RemoveParticipant {
  role: Role;
}

/** Validates {@link CreateConversation}. */
export const createConversationSchema = v.object({
  type: v.picklist(CONVERSATION_TYPES),
  name: v.optional(nameSchema),
  participantIds,
  ...initialSettings,
}) satisfies v.GenericSchema<unknown, CreateConversation>;
/** Validates {@link ArchiveConversation}. */
export const archiveSchema = v.object({ conversationId: idSchema, archived: v.boolean() }) satisfies v.GenericSchema<
  unknown,
  ArchiveConversation
>;
/** Validates {@link MuteConversation}. */
export const muteSchema = v.object({ conversationId: idSchema, muted: v.boolean() }) satisfies v.GenericSchema<
  unknown,
  MuteConversation
>;
/** Validates {@link PinConversation}. */
export const pinSchema = v.object({ conversationId: idSchema, pinned: v.boolean() }) satisfies v.GenericSchema<
  unknown,
  PinConversation
>;
/** Validates {@link AddParticipants}. */
export const addParticipantsSchema = v.object({
  conversationId: idSchema,
  userIds: userIdsSchema,
}) satisfies v.GenericSchema<unknown, AddParticipants>;
/** Validates {@link RemoveParticipant}. */
export const removeParticipantSchema = v.object({
  conversationId: idSchema,
  userId: idSchema,
}) satisfies v.GenericSchema<unknown, RemoveParticipant>;
/** Validates {@link SetRole}. */
export const setRoleSchema = v.object({
  conversationId: idSchema,
  userId: idSchema,
  role: v.picklist(ROLES),
}) satisfies v.GenericSchema<unknown, SetRole>;

// Answers

/** Answer to `conversation:join`: the current conversation, with the positions of all participants. */
export interface Joined {
  conversation: Conversation;
  head: Head;
}
/** Reports that a user left the conversation or was removed from it. */
export interface ConversationLeft {
  conversationId: string;
  userId: string;
}

/** A page of the user's conversations. */
export interface ConversationPage {
  conversations: Conversation[];
  /** Whether more conversations follow. A page can end before its limit. */
  hasMore: boolean;
}

/** A page of the changes of a conversation after a `rev`. */
export interface Changes {
  /** The current state of each changed message, ordered by `rev`, including tombstones. */
  changes: Message[];
  conversation: Conversation;
  head: Head;
  /** `true`: request the next page with `after` set to the `rev` of the last change. `false`: the caller is at `head`. */
  hasMore: boolean;
  /** Too many changes were missed, and `changes` is empty: the client must load the newest page and mark a gap. */
  tooLong: boolean;
}
/** The changes of one conversation in a `sync` answer. */
export interface ConversationChanges extends Changes {
  conversationId: string;
}

/** Requests all changes since the caller's cursors. */
export interface Sync {
  /** The last `rev` that the caller has processed, by conversation id. */
  cursors: Record<string, number>;
  /** The last `inboxRev` that the caller has processed; 0 requests everything. */
  inboxRev: number;
  /** Requests what an earlier answer omitted: only the conversations in `cursors`. */
  rest?: boolean | undefined;
  /** Requests the page of `heads` that an earlier answer named in `next`. `cursors` is ignored. */
  after?: string | undefined;
}
/** Answer to `sync`, limited in size. */
export interface SyncResult {
  /** The current counter of the caller's list of conversations. */
  inboxRev: number;
  /** Changed conversations, up to the size limit. Further changes of one are paged through the changes route. */
  conversations: ConversationChanges[];
  /** Conversations that the caller joined since `inboxRev`, newest activity first. With 0, `heads` has all heads instead. */
  gained: Conversation[];
  /**
   * Heads of the caller's other conversations: those in neither `cursors` nor `gained`, and changed ones beyond the size
   * limit, which the client requests with `rest`. With `after`: a page of the heads of all conversations, ordered by id.
   */
  heads: Record<string, Head>;
  /**
   * Not everything fits: `after` of a request for the next page of `heads`. Empty for the first page. An answer has at most
   * 256 KiB.
   */
  next?: string | undefined;
  /**
   * With `after`: ids of conversations in `heads` in which the caller's flags or read position changed since `inboxRev`.
   * Absent if they may have changed in all of them.
   */
  stale?: string[] | undefined;
  /** The head at which the caller joined each conversation that is new since `inboxRev`; later messages are yet to be loaded. */
  joined?: Record<string, Head> | undefined;
  /** Ids of conversations that the caller left. If not all fit, there is `next`, and those on no page are lost. */
  lost: string[];
  /** The caller's read positions that other devices changed since `inboxRev`. */
  reads: ReadMarker[];
}

/** Validates {@link Joined}. */
export const joinedSchema = v.object({ conversation: conversationSchema, head: headSchema }) satisfies v.GenericSchema<
  unknown,
  Joined
>;
/** Validates {@link MemberPage}. */
export const memberPageSchema = v.object({
  members: v.array(participantSchema),
  memberCount: counterSchema,
  hasMore: v.boolean(),
}) satisfies v.GenericSchema<unknown, MemberPage>;
/** Validates {@link ConversationPage}. */
export const conversationPageSchema = v.object({
  conversations: v.array(conversationSchema),
  hasMore: v.boolean(),
}) satisfies v.GenericSchema<unknown, ConversationPage>;
/** Validates {@link ConversationLeft}. */
export const conversationLeftSchema = v.object({
  conversationId: v.string(),
  userId: v.string(),
}) satisfies v.GenericSchema<unknown, ConversationLeft>;
const changes = {
  changes: v.array(messageSchema),
  conversation: conversationSchema,
  head: headSchema,
  hasMore: v.boolean(),
  tooLong: v.boolean(),
};
/** Validates {@link Changes}. */
export const changesSchema = v.object(changes) satisfies v.GenericSchema<unknown, Changes>;
/** Validates {@link Sync}. */
export const syncSchema = v.object({
  cursors: v.pipe(v.record(idSchema, counterSchema), v.maxEntries(LIMITS.syncCursors)),
  inboxRev: counterSchema,
  rest: v.optional(v.boolean()),
  after: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.idLength))),
}) satisfies v.GenericSchema<unknown, Sync>;
/** Validates {@link SyncResult}. */
export const syncResultSchema = v.object({
  inboxRev: counterSchema,
  conversations: v.array(v.object({ conversationId: v.string(), ...changes })),
  gained: v.array(conversationSchema),
  heads: v.record(v.string(), headSchema),
  next: v.optional(v.string()),
  stale: v.optional(v.array(v.string())),
  joined: v.optional(v.record(v.string(), headSchema)),
  lost: v.array(v.string()),
  reads: v.array(readMarkerSchema),
}) satisfies v.GenericSchema<unknown, SyncResult>;
