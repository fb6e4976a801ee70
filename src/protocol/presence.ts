import * as v from 'valibot';
import { idSchema, userIdsSchema } from './fields.ts';
import { PRESENCE_STATUSES, type PresenceStatus } from './vocabulary.ts';

/** How present somebody is. `lastSeen` is ISO 8601. */
export interface PresenceUpdate {
  userId: string;
  status: PresenceStatus;
  lastSeen?: string | undefined;
}
export interface SetPresence {
  status: PresenceStatus;
  /**
   * Absent or true: the user picked it, and it holds on all their devices until they pick another (`online` ends the
   * choice). False: what this device is at by itself (idle, back again).
   */
  chosen?: boolean | undefined;
}
export interface WatchPresence {
  userIds: readonly string[];
}
export interface ConversationRef {
  conversationId: string;
}
/** Somebody began or ended typing. */
export interface TypingUpdate {
  conversationId: string;
  userId: string;
  isTyping: boolean;
}

export const presenceUpdateSchema = v.object({
  userId: v.string(),
  status: v.picklist(PRESENCE_STATUSES),
  lastSeen: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, PresenceUpdate>;
export const setPresenceSchema = v.object({
  status: v.picklist(PRESENCE_STATUSES),
  chosen: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, SetPresence>;
export const watchPresenceSchema = v.object({ userIds: userIdsSchema }) satisfies v.GenericSchema<
  unknown,
  WatchPresence
>;
export const conversationRefSchema = v.object({ conversationId: idSchema }) satisfies v.GenericSchema<
  unknown,
  ConversationRef
>;
export const typingUpdateSchema = v.object({
  conversationId: v.string(),
  userId: v.string(),
  isTyping: v.boolean(),
}) satisfies v.GenericSchema<unknown, TypingUpdate>;
