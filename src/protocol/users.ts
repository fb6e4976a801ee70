import * as v from 'valibot';
import { isAttachmentUrl } from './attachment-url.ts';
import { idSchema, timeSchema, wellFormed } from './common-schemas.ts';
import { LIMITS } from './limits.ts';
import { isMetadata, type JsonObject } from './metadata.ts';

/** A user as others see them. */
export interface User {
  id: string;
  /** The id if no source names the user. */
  displayName: string;
  /** An http(s) URL, or a path of the page's own origin. */
  avatarUrl?: string | undefined;
  /** Data of the app: at most 4 KiB of JSON, 8 levels deep. */
  metadata?: JsonObject | undefined;
  /** Time of the last change (ISO 8601); 1970 if there has been none. */
  updatedAt: string;
}

/** Requests the profiles of users, at most 200. */
export interface GetUsers {
  userIds: readonly string[];
}
/**
 * Answer to `user:get`, in the order of the request: only users whom the caller may see. Also of `user:search`, the best match
 * first. It ends after 128 KiB by default.
 */
export interface UserList {
  users: User[];
  /** The list ends before the last user. Of `user:get`, the ids behind the last listed one can be requested. */
  hasMore?: true | undefined;
}
/** Searches users by the beginnings of the words of their names, or of their ids. */
export interface SearchUsers {
  query: string;
  /** At most 50. @defaultValue 20 */
  limit?: number | undefined;
}
/** Changes the caller's profile. A field that is absent stays unchanged; `null` clears it. */
export interface UpdateUser {
  displayName?: string | null | undefined;
  avatarUrl?: string | null | undefined;
  metadata?: JsonObject | null | undefined;
}
/** Blocks or unblocks a user for the caller. Idempotent. */
export interface BlockUser {
  userId: string;
  blocked: boolean;
}
/** Answer to `user:blocked`: the users whom the caller has blocked, ordered by id. */
export interface BlockedUsers {
  userIds: string[];
}

/** Validates the URL of a picture: relative or http(s), because another scheme could run code in the reader's page. */
export const avatarUrlSchema = v.pipe(
  v.string(),
  v.maxLength(LIMITS.avatarUrlLength),
  v.check(isAttachmentUrl, 'must be an http(s) or relative URL'),
);
/** Validates the name of a user. */
export const displayNameSchema = v.pipe(
  v.string(),
  v.trim(),
  v.nonEmpty(),
  v.maxLength(LIMITS.displayNameLength),
  wellFormed,
);
/** Validates data of the app. */
export const userMetadataSchema: v.GenericSchema<unknown, JsonObject> = v.custom<JsonObject>(
  isMetadata,
  `must be a JSON object of at most ${LIMITS.metadataBytes} bytes and ${LIMITS.metadataDepth} levels`,
);

/** Validates {@link User}. */
export const userSchema = v.object({
  id: v.string(),
  displayName: v.string(),
  avatarUrl: v.optional(v.string()),
  metadata: v.optional(userMetadataSchema),
  updatedAt: timeSchema,
}) satisfies v.GenericSchema<unknown, User>;
/** Validates {@link GetUsers}. */
export const getUsersSchema = v.object({
  userIds: v.pipe(v.array(idSchema), v.minLength(1), v.maxLength(LIMITS.requestedUsers)),
}) satisfies v.GenericSchema<unknown, GetUsers>;
/** Validates {@link UserList}. */
export const userListSchema = v.object({
  users: v.array(userSchema),
  hasMore: v.optional(v.literal(true)),
}) satisfies v.GenericSchema<unknown, UserList>;
/** Validates {@link SearchUsers}. */
export const searchUsersSchema = v.object({
  query: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.userSearchLength), wellFormed),
  limit: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(LIMITS.foundUsers))),
}) satisfies v.GenericSchema<unknown, SearchUsers>;
/** Validates {@link UpdateUser}. */
export const updateUserSchema = v.pipe(
  v.object({
    displayName: v.optional(v.nullable(displayNameSchema)),
    avatarUrl: v.optional(v.nullable(avatarUrlSchema)),
    metadata: v.optional(v.nullable(userMetadataSchema)),
  }),
  v.check((change) => Object.keys(change).length > 0, 'must have displayName, avatarUrl or metadata'),
) satisfies v.GenericSchema<unknown, UpdateUser>;
/** Validates {@link BlockUser}. */
export const blockUserSchema = v.object({ userId: idSchema, blocked: v.boolean() }) satisfies v.GenericSchema<
  unknown,
  BlockUser
>;
/** Validates {@link BlockedUsers}. */
export const blockedUsersSchema = v.object({ userIds: v.array(v.string()) }) satisfies v.GenericSchema<
  unknown,
  BlockedUsers
>;
