import * as v from 'valibot';
import { LIMITS } from './limits.ts';

/**
 * Ids are opaque, non-empty strings. A control character in one is an attack or an accident; both are refused, and so is
 * half a surrogate pair, because a database keeps all such halves as one and the same character.
 */
export const idSchema = v.pipe(
  v.string(),
  v.nonEmpty(),
  v.maxLength(LIMITS.idLength),
  // Control characters are exactly what this looks for.
  v.regex(/^[^\u0000-\u001f\u007f\p{Cs}]+$/u),
);

/** Text as UTF-8 can hold it (half a surrogate pair becomes U+FFFD): what is told is what will be read later. */
export const wellFormed = v.transform(function toWellFormed(text: string): string {
  return text.toWellFormed();
});

export const userIdsSchema = v.pipe(v.array(idSchema), v.minLength(1), v.maxLength(LIMITS.userIds));

/** ISO 8601 in UTC; a base server writes some rows as `YYYY-MM-DD HH:MM:SS`. */
export const timeSchema = v.string();

/** A counter or cursor: `seq` and `rev` start at 1, so 0 means "nothing yet". */
export const counterSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const emptySchema = v.null();
