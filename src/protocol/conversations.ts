import * as v from 'valibot';
import { counterSchema, idSchema, timeSchema, userIdsSchema, wellFormed } from './fields.ts';
import { LIMITS } from './limits.ts';
import { readMarkSchema, type ReadMark } from './marks.ts';
import { messageSchema, type Message } from './messages.ts';
import {
  CONVERSATION_TYPES,
  PRESENCE_STATUSES,
  ROLES,
  type ConversationType,
  type PresenceStatus,
  type Role,
} from './vocabulary.ts';

/** Somebody in a conversation, and how far they are in it. */
export interface Participant {
  userId: string;
  displayName: string;
  avatarUrl?: string | undefined;
  role?: Role | undefined;
  joinedAt: string;
  presence: PresenceStatus;
  /** Has read everything up to this `seq`. */
  lastReadSeq?: number | undefined;
  lastReadAt?: string | undefined;
  /** Has everything up to this `seq` on at least one device. */
  lastDeliveredSeq?: number | undefined;
}

/** The two counters of a conversation as they stand. */
export interface Head {
  seq: number;
  rev: number;
}

/** A conversation as one user sees it. */
export interface Conversation {
  id: string;
  type: ConversationType;
  name?: string | undefined;
  participants: Participant[];
  lastMessage?: Message | undefined;
  createdAt: string;
  updatedAt: string;
  /** Messages after the caller's read mark that are neither their own nor deleted. */
  unreadCount: number;
  pinned?: boolean | undefined;
  muted?: boolean | undefined;
  archived?: boolean | undefined;
  /** Moves with the user's own flags above: of two states of them the one with the greater number is the later one. */
  flagsRev?: number | undefined;
  head?: Head | undefined;
}

/** What a push about a conversation carries: all of it, or only what changed. */
export type ConversationUpdate = { id: string } & {
  [K in keyof Omit<Conversation, 'id'>]?: Conversation[K] | undefined;
};

export const headSchema = v.object({ seq: counterSchema, rev: counterSchema }) satisfies v.GenericSchema<unknown, Head>;

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

export const conversationSchema = v.object({
  id: v.string(),
  type: v.picklist(CONVERSATION_TYPES),
  name: v.optional(v.string()),
  participants: v.array(participantSchema),
  lastMessage: v.optional(messageSchema),
  createdAt: timeSchema,
  updatedAt: timeSchema,
  unreadCount: counterSchema,
  pinned: v.optional(v.boolean()),
  muted: v.optional(v.boolean()),
  archived: v.optional(v.boolean()),
  flagsRev: v.optional(counterSchema),
  head: v.optional(headSchema),
}) satisfies v.GenericSchema<unknown, Conversation>;

export const conversationUpdateSchema = v.intersect([
  v.partial(conversationSchema),
  v.object({ id: v.string() }),
]) satisfies v.GenericSchema<unknown, ConversationUpdate>;

// Requests

const nameSchema = v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.nameLength), wellFormed);
const participantIds = v.pipe(v.array(idSchema), v.maxLength(LIMITS.userIds));

/**
 * A direct conversation has exactly one other participant; a group any number, and a name of at most 200 characters.
 */
export interface CreateConversation {
  type: ConversationType;
  name?: string | undefined;
  /** The caller is always a participant and need not be named. */
  participantIds: readonly string[];
}
export interface ArchiveConversation {
  conversationId: string;
  archived: boolean;
}
export interface MuteConversation {
  conversationId: string;
  muted: boolean;
}
export interface PinConversation {
  conversationId: string;
  pinned: boolean;
}
export interface RenameConversation {
  conversationId: string;
  name: string;
}
export interface AddParticipants {
  conversationId: string;
  userIds: readonly string[];
}
/** Naming oneself leaves the conversation for good. */
export interface RemoveParticipant {
  conversationId: string;
  userId: string;
}
export interface SetRole extends RemoveParticipant {
  role: Role;
}

export const createConversationSchema = v.object({
  type: v.picklist(CONVERSATION_TYPES),
  name: v.optional(nameSchema),
  participantIds,
}) satisfies v.GenericSchema<unknown, CreateConversation>;
export const archiveSchema = v.object({ conversationId: idSchema, archived: v.boolean() }) satisfies v.GenericSchema<
  unknown,
  ArchiveConversation
>;
export const muteSchema = v.object({ conversationId: idSchema, muted: v.boolean() }) satisfies v.GenericSchema<
  unknown,
  MuteConversation
>;
export const pinSchema = v.object({ conversationId: idSchema, pinned: v.boolean() }) satisfies v.GenericSchema<
  unknown,
  PinConversation
>;
export const renameSchema = v.object({ conversationId: idSchema, name: nameSchema }) satisfies v.GenericSchema<
  unknown,
  RenameConversation
>;
export const addParticipantsSchema = v.object({
  conversationId: idSchema,
  userIds: userIdsSchema,
}) satisfies v.GenericSchema<unknown, AddParticipants>;
export const removeParticipantSchema = v.object({
  conversationId: idSchema,
  userId: idSchema,
}) satisfies v.GenericSchema<unknown, RemoveParticipant>;
export const setRoleSchema = v.object({
  conversationId: idSchema,
  userId: idSchema,
  role: v.picklist(ROLES),
}) satisfies v.GenericSchema<unknown, SetRole>;

// Answers

/** Joining answers with the conversation as it stands, marks of all participants included. */
export interface Joined {
  conversation: Conversation;
  head: Head;
}
/** Removing or leaving: gone for the person it names. */
export interface ConversationLeft {
  conversationId: string;
  userId: string;
}

/** What changed in a conversation after a `rev`: current rows in the order of their `rev`, tombstones included. */
export interface Changes {
  changes: Message[];
  conversation: Conversation;
  head: Head;
  /** The page was cut: ask on with `after` = the `rev` of the last of `changes`. False: the caller now stands at `head`. */
  hasMore: boolean;
  /** More was missed than is worth paging (`changes` is empty then): take the newest page and leave a marked hole. */
  tooLong: boolean;
}
export interface ConversationChanges extends Changes {
  conversationId: string;
}

export interface Sync {
  /** The `rev` up to which the caller has each conversation it follows. */
  cursors: Record<string, number>;
  /** The caller's own counter; 0 asks for everything. */
  inboxRev: number;
  /** Asks for what an earlier answer had no room for: these conversations as they are, and nothing of others. */
  rest?: boolean | undefined;
}
export interface SyncResult {
  inboxRev: number;
  /** Only those with news, as many as have room. Where there is more of one, page on by the changes route. */
  conversations: ConversationChanges[];
  /** Conversations new to the caller since `inboxRev`, newest activity first; with 0, all heads are in `heads`. */
  gained: Conversation[];
  /**
   * Heads of the caller's conversations that the answer says nothing else about: those that are in neither `cursors` nor
   * `gained`, and those with news that had no room, to be asked for with `rest`.
   */
  heads: Record<string, Head>;
  /** Where the caller joined each conversation that is new since `inboxRev`: what was said since is still to come. */
  joined?: Record<string, Head> | undefined;
  lost: string[];
  /** The caller's own marks moved elsewhere since `inboxRev`. */
  reads: ReadMark[];
}

export const joinedSchema = v.object({ conversation: conversationSchema, head: headSchema }) satisfies v.GenericSchema<
  unknown,
  Joined
>;
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
export const changesSchema = v.object(changes) satisfies v.GenericSchema<unknown, Changes>;
export const syncSchema = v.object({
  cursors: v.pipe(v.record(idSchema, counterSchema), v.maxEntries(LIMITS.syncCursors)),
  inboxRev: counterSchema,
  rest: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, Sync>;
export const syncResultSchema = v.object({
  inboxRev: counterSchema,
  conversations: v.array(v.object({ conversationId: v.string(), ...changes })),
  gained: v.array(conversationSchema),
  heads: v.record(v.string(), headSchema),
  joined: v.optional(v.record(v.string(), headSchema)),
  lost: v.array(v.string()),
  reads: v.array(readMarkSchema),
}) satisfies v.GenericSchema<unknown, SyncResult>;
