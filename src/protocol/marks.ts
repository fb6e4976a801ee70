import * as v from 'valibot';
import { counterSchema, idSchema } from './fields.ts';

/** This device has everything up to `seq`. */
export interface Delivered {
  conversationId: string;
  seq: number;
}
/** The caller's own mark after `message:read`. */
export interface ReadMark {
  conversationId: string;
  lastReadSeq: number;
  unreadCount: number;
  /** When; only in `sync`. ISO 8601. */
  readAt?: string | undefined;
}

export const deliveredSchema = v.object({ conversationId: idSchema, seq: counterSchema }) satisfies v.GenericSchema<
  unknown,
  Delivered
>;
export const readMarkSchema = v.object({
  conversationId: v.string(),
  lastReadSeq: counterSchema,
  unreadCount: counterSchema,
  readAt: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, ReadMark>;
