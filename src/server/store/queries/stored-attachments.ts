import * as v from 'valibot';
import { attachmentSchema, type Message, type MessageAttachment } from '../../../protocol/messages.ts';

/** The files of a message, as requests and messages name them. */
export type Attachments = Pick<Message, 'attachment' | 'attachments'>;

/**
 * The column `attachment`: the first file as LumenJS stores it, which reads no other field, and the further ones in `more`,
 * which is absent if the message was sent with `attachment` alone.
 */
export const storedAttachmentsSchema = v.pipe(
  v.object({ ...attachmentSchema.entries, more: v.optional(v.array(attachmentSchema)) }),
  v.transform(({ more, ...attachment }): Attachments =>
    more === undefined ? { attachment } : { attachment, attachments: [attachment, ...more] },
  ),
);

/** Returns all files of a message. */
export function attachmentsOf({ attachment, attachments }: Attachments): readonly MessageAttachment[] {
  return attachments ?? (attachment === undefined ? [] : [attachment]);
}

/** Writes the column `attachment`; `null` for a message without files. */
export function storeAttachments(message: Attachments): string | null {
  const [first, ...more] = attachmentsOf(message);
  if (first === undefined) return null;
  return JSON.stringify(message.attachments === undefined ? first : { ...first, more });
}
