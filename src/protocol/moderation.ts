import * as v from 'valibot';
import { idSchema, wellFormed } from './common-schemas.ts';
import { LIMITS } from './limits.ts';
import type { MessageRef } from './messages.ts';

/** Pins a message for all members of its conversation, or ends that. */
export interface PinMessage extends MessageRef {
  pinned: boolean;
}

/** Reports a message to the people who run the app. Idempotent: a user reports a message once. */
export interface ReportMessage extends MessageRef {
  /** Why, in the app's own terms, such as `spam`; at most 100 characters. */
  reason: string;
  /** At most 2,000 characters. */
  comment?: string | undefined;
  /** Text of an encrypted message, as the reporter's device has decrypted it. The server can't verify it. */
  content?: string | undefined;
}

const messageRef = { conversationId: idSchema, messageId: idSchema };

/** Validates {@link PinMessage}, with the client id that makes it idempotent. */
export const pinMessageSchema = v.object({
  ...messageRef,
  clientId: v.optional(idSchema),
  pinned: v.boolean(),
}) satisfies v.GenericSchema<unknown, PinMessage>;
/** Validates {@link ReportMessage}. */
export const reportMessageSchema = v.object({
  ...messageRef,
  reason: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.reasonLength), wellFormed),
  comment: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.commentLength), wellFormed)),
  content: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.reportedLength), wellFormed)),
}) satisfies v.GenericSchema<unknown, ReportMessage>;
