import * as v from 'valibot';
import { isAttachmentUrl } from './attachment-url.ts';
import { LIMITS } from './limits.ts';
import { isMetadata, type JsonObject } from './metadata.ts';

/**
 * Validates an id: an opaque, non-empty string without control characters. Lone surrogates are rejected, because UTF-8
 * databases store all of them as the same replacement character.
 */
export const idSchema = v.pipe(
  v.string(),
  v.nonEmpty(),
  v.maxLength(LIMITS.idLength),
  // \p{Cs}: lone surrogates.
  v.regex(/^[^\u0000-\u001f\u007f\p{Cs}]+$/u, 'must not contain control characters or unpaired surrogates'),
);

/** Replaces lone surrogates by U+FFFD, so that pushed text equals the text that a UTF-8 database returns later. */
export const wellFormed = v.transform(function toWellFormed(text: string): string {
  return text.toWellFormed();
});

/** Validates an app's own data. */
export const metadataSchema = v.custom<JsonObject>(
  isMetadata,
  `must be a JSON object of at most ${LIMITS.metadataBytes} bytes and ${LIMITS.metadataDepth} levels`,
);

/** Validates the URL of a file or picture: http(s), or relative to the page. */
export const safeUrlSchema: v.GenericSchema<string> = v.pipe(
  v.string(),
  v.maxLength(LIMITS.urlLength),
  // Relative or http(s) only: a javascript: or data: URL would be executed in the reader's page.
  v.check(isAttachmentUrl, ({ input }) => {
    const scheme = /^(?!https?:)([a-z][a-z0-9+.-]{0,19}):/i.exec(input)?.[1];
    return `must be an http(s) or relative URL${scheme === undefined ? '' : `; got a ${scheme}: URL`}`;
  }),
);

/** Validates a MIME type without parameters. */
export const mimeTypeSchema = v.pipe(
  v.string(),
  v.maxLength(127),
  v.regex(/^[\w.+-]+\/[\w.+-]+$/, 'must be a MIME type such as image/png'),
);

/** Validates a non-empty list of user ids. */
export const userIdsSchema = v.pipe(v.array(idSchema), v.minLength(1), v.maxLength(LIMITS.userIds));

/** Validates a time: ISO 8601 in UTC, or `YYYY-MM-DD HH:MM:SS` (UTC) in some rows of base servers. */
export const timeSchema = v.string();

/** Validates a counter or cursor. `seq` and `rev` start at 1; 0 stands for none. */
export const counterSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Validates an answer without content. */
export const emptySchema = v.null();
