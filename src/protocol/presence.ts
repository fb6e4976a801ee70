import * as v from 'valibot';
import { idSchema, userIdsSchema } from './common-schemas.ts';
import { PRESENCE_STATUSES, type PresenceStatus } from './constants.ts';

/** Presence of one user. `lastSeen` is an ISO 8601 time. */
export interface PresenceUpdate {
  userId: string;
  status: PresenceStatus;
  lastSeen?: string | undefined;
}
/** Sets the caller's presence. */
export interface SetPresence {
  status: PresenceStatus;
  /**
   * `true` or absent: the user selected the status. It applies to all their devices until they select another one;
   * `online` ends the selection. `false`: the device reports its own state, such as idle or active again.
   */
  chosen?: boolean | undefined;
}
/** Starts or ends presence updates about users. */
export interface WatchPresence {
  userIds: readonly string[];
}
/** Identifies a conversation. */
export interface ConversationRef {
  conversationId: string;
}
/** Reports that a user has started or stopped typing. */
export interface TypingUpdate {
  conversationId: string;
  userId: string;
  isTyping: boolean;
}

/** Validates {@link PresenceUpdate}. */
export const presenceUpdateSchema = v.object({
  userId: v.string(),
  status: v.picklist(PRESENCE_STATUSES),
  lastSeen: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, PresenceUpdate>;
/** Validates {@link SetPresence}. */
export const setPresenceSchema = v.object({
  status: v.picklist(PRESENCE_STATUSES),
  chosen: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, SetPresence>;
/** Validates {@link WatchPresence}. */
export const watchPresenceSchema = v.object({ userIds: userIdsSchema }) satisfies v.GenericSchema<
  unknown,
  WatchPresence
>;
/** Validates {@link ConversationRef}. */
export const conversationRefSchema = v.object({ conversationId: idSchema }) satisfies v.GenericSchema<
  unknown,
  ConversationRef
>;
/** Validates {@link TypingUpdate}. */
export const typingUpdateSchema = v.object({
  conversationId: v.string(),
  userId: v.string(),
  isTyping: v.boolean(),
}) satisfies v.GenericSchema<unknown, TypingUpdate>;
