import * as v from 'valibot';
import { counterSchema, idSchema } from './common-schemas.ts';
import { unreadStateEntries, type UnreadState } from './threads.ts';

/** Confirms that a device has received all messages of a conversation up to `seq`. */
export interface DeliveryMarker {
  conversationId: string;
  seq: number;
}
/** The caller's read position in a conversation. */
export interface ReadMarker extends UnreadState {
  conversationId: string;
  /** `seq` of the last message read. */
  lastReadSeq: number;
  /** Unread messages after that one. */
  unreadCount: number;
  /** When the message was read, as an ISO 8601 time. Only present in `sync` answers. */
  readAt?: string | undefined;
}

/** Users who have read a message, and all earlier ones, at the same time. */
export interface ReceiptGroup {
  messageId: string;
  /** `seq` of the message. */
  seq: number;
  /** ISO 8601. */
  readAt: string;
  userIds: string[];
}
/** Receipts of a conversation that the server has collected; each user occurs once. */
export interface CollectedReceipts {
  conversationId: string;
  receipts: ReceiptGroup[];
}

/** Validates {@link DeliveryMarker}. */
export const deliveryMarkerSchema = v.object({
  conversationId: idSchema,
  seq: counterSchema,
}) satisfies v.GenericSchema<unknown, DeliveryMarker>;
/** Validates {@link ReadMarker}. */
export const readMarkerSchema = v.object({
  conversationId: v.string(),
  lastReadSeq: counterSchema,
  unreadCount: counterSchema,
  ...unreadStateEntries,
  readAt: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, ReadMarker>;
/** Validates {@link CollectedReceipts}. */
export const collectedReceiptsSchema = v.object({
  conversationId: v.string(),
  receipts: v.array(
    v.object({ messageId: v.string(), seq: counterSchema, readAt: v.string(), userIds: v.array(v.string()) }),
  ),
}) satisfies v.GenericSchema<unknown, CollectedReceipts>;
