import { VISIBILITIES } from '../../protocol/constants.ts';
import { CommError } from '../../protocol/errors.ts';
import type { UpdateConversation } from '../../protocol/groups.ts';
import { isMetadata } from '../../protocol/metadata.ts';
import type { ClientContext } from '../context.ts';
import { kindOf, requireBoolean, requireOneOf } from '../validation.ts';

/** The settings with which a group can be created. */
export const INITIAL_SETTINGS = ['description', 'avatarUrl', 'metadata', 'visibility'];

/** @throws CommError `UNSUPPORTED` if the connected server has no settings, bans and public groups */
export function requireModeration(context: ClientContext, what: string): void {
  if (!context.has('moderation')) throw new CommError('UNSUPPORTED', `The server does not support ${what}`);
}

/** @throws TypeError unless `value` is a string */
export function requireText(name: string, value: unknown): void {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string; got ${kindOf(value)}`);
}

/** Returns whether any field is set. */
export function hasFields(fields: object): boolean {
  return Object.values(fields).some((value) => value !== undefined);
}

/** Validates the types of settings; their limits are the server's. @throws TypeError */
export function requireSettings(settings: Omit<UpdateConversation, 'conversationId' | 'name'>): void {
  const {
    description = null,
    avatarUrl = null,
    metadata = null,
    visibility,
    frozen,
    slowModeSeconds = null,
  } = settings;
  if (description !== null) requireText('description', description);
  if (avatarUrl !== null) requireText('avatarUrl', avatarUrl);
  if (metadata !== null && !isMetadata(metadata)) {
    throw new TypeError('metadata must be a JSON object of at most 4,096 bytes and 8 levels');
  }
  if (visibility !== undefined) requireOneOf('visibility', VISIBILITIES, visibility);
  if (frozen !== undefined) requireBoolean('frozen', frozen);
  if (slowModeSeconds !== null && !Number.isSafeInteger(slowModeSeconds)) {
    throw new TypeError(`slowModeSeconds must be a whole number of seconds; got ${kindOf(slowModeSeconds)}`);
  }
}
