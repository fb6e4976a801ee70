import * as v from 'valibot';
import { counterSchema, idSchema, metadataSchema, safeUrlSchema, timeSchema, wellFormed } from './common-schemas.ts';
import { VISIBILITIES, type Visibility } from './constants.ts';
import { LIMITS } from './limits.ts';
import type { JsonObject } from './metadata.ts';

/**
 * The settings of a conversation. An object with `visibility` has all of them: those that are absent are not set. Direct
 * conversations have no other settings than `private`.
 */
export interface ConversationSettings {
  description?: string | undefined;
  /** An http(s) URL, or one relative to the page. */
  avatarUrl?: string | undefined;
  /** Data of the app. */
  metadata?: JsonObject | undefined;
  /** Absent in what base servers send. */
  visibility?: Visibility | undefined;
  /** True: only owners and admins may send. */
  frozen?: boolean | undefined;
  /** Time that each member must wait between two messages; absent without slow mode. */
  slowModeSeconds?: number | undefined;
}

/** Entries of the schema of {@link ConversationSettings}. */
export const conversationSettings = {
  description: v.optional(v.string()),
  avatarUrl: v.optional(v.string()),
  metadata: v.optional(metadataSchema),
  visibility: v.optional(v.picklist(VISIBILITIES)),
  frozen: v.optional(v.boolean()),
  slowModeSeconds: v.optional(counterSchema),
};

/** Validates the name of a group. */
export const nameSchema = v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.nameLength), wellFormed);
const descriptionSchema = v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.descriptionLength), wellFormed);

/** Entries of the schema of the settings with which a group can be created. */
export const initialSettings = {
  description: v.optional(descriptionSchema),
  avatarUrl: v.optional(safeUrlSchema),
  metadata: v.optional(metadataSchema),
  visibility: v.optional(v.picklist(VISIBILITIES)),
};

// Requests

/** Changes a group. Fields that are absent stay as they are; `null` clears. */
export interface UpdateConversation {
  conversationId: string;
  name?: string | undefined;
  description?: string | null | undefined;
  avatarUrl?: string | null | undefined;
  metadata?: JsonObject | null | undefined;
  visibility?: Visibility | undefined;
  frozen?: boolean | undefined;
  /** 1 to 86,400; `null` or 0 ends the slow mode. */
  slowModeSeconds?: number | null | undefined;
}
/** Searches the public groups. */
export interface BrowseConversations {
  /** A part of the name; absent for all groups. */
  query?: string | undefined;
  /** 1 to 50. */
  limit?: number | undefined;
  /** The `cursor` of the previous page. */
  cursor?: string | undefined;
}
/** Makes the caller a member of a public group. Idempotent. */
export interface EnterConversation {
  conversationId: string;
}
/** Bans a user from a group, or lifts the ban. Idempotent. */
export interface BanUser {
  conversationId: string;
  userId: string;
  banned: boolean;
  /** At most 500 characters, for the owners and admins. */
  reason?: string | undefined;
}

/** Validates {@link UpdateConversation}. */
export const updateConversationSchema = v.pipe(
  v.object({
    conversationId: idSchema,
    name: v.optional(nameSchema),
    description: v.optional(v.nullable(descriptionSchema)),
    avatarUrl: v.optional(v.nullable(safeUrlSchema)),
    metadata: v.optional(v.nullable(metadataSchema)),
    visibility: v.optional(v.picklist(VISIBILITIES)),
    frozen: v.optional(v.boolean()),
    slowModeSeconds: v.optional(
      v.nullable(v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(LIMITS.slowModeSeconds))),
    ),
  }),
  v.check(
    ({ conversationId: _id, ...changes }) => Object.values(changes).some((value) => value !== undefined),
    'the request must name a field to change',
  ),
) satisfies v.GenericSchema<unknown, UpdateConversation>;
/** Validates {@link BrowseConversations}. */
export const browseSchema = v.object({
  query: v.optional(v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.searchLength), wellFormed)),
  limit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(LIMITS.browsePageSize))),
  cursor: v.optional(idSchema),
}) satisfies v.GenericSchema<unknown, BrowseConversations>;
/** Validates {@link EnterConversation}. */
export const enterSchema = v.object({ conversationId: idSchema }) satisfies v.GenericSchema<unknown, EnterConversation>;
/** Validates {@link BanUser}. */
export const banSchema = v.object({
  conversationId: idSchema,
  userId: idSchema,
  banned: v.boolean(),
  reason: v.optional(v.pipe(v.string(), v.trim(), v.maxLength(LIMITS.banReasonLength), wellFormed)),
}) satisfies v.GenericSchema<unknown, BanUser>;

// Answers

/** A public group as a user sees it who may not be a member. */
export interface PublicConversation {
  id: string;
  name?: string | undefined;
  description?: string | undefined;
  avatarUrl?: string | undefined;
  memberCount: number;
  /** True if the caller is a member. */
  joined: boolean;
}
/** A page of public groups, newest group first. */
export interface BrowsePage {
  conversations: PublicConversation[];
  /** The next page starts here; absent at the end. A page can end before its limit and can be empty. */
  cursor?: string | undefined;
}
/** A user who may not be a member of a group. */
export interface Ban {
  userId: string;
  /** Id of the user who banned them. */
  bannedBy: string;
  /** ISO 8601 time. */
  bannedAt: string;
  reason?: string | undefined;
}
/** A page of the bans of a group, ordered by user id. */
export interface BanPage {
  bans: Ban[];
  /** True: the next page starts after the last user of this one. */
  hasMore: boolean;
}

/** Validates {@link BrowsePage}. */
export const browsePageSchema = v.object({
  conversations: v.array(
    v.object({
      id: v.string(),
      name: v.optional(v.string()),
      description: v.optional(v.string()),
      avatarUrl: v.optional(v.string()),
      memberCount: counterSchema,
      joined: v.boolean(),
    }),
  ),
  cursor: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, BrowsePage>;
/** Validates {@link BanPage}. */
export const banPageSchema = v.object({
  bans: v.array(
    v.object({ userId: v.string(), bannedBy: v.string(), bannedAt: timeSchema, reason: v.optional(v.string()) }),
  ),
  hasMore: v.boolean(),
}) satisfies v.GenericSchema<unknown, BanPage>;
