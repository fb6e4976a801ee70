import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { membershipOf } from '../../store/queries/members.ts';
import type { Work } from '../../store/engine/work.ts';
import { forbidden, invalid } from '../errors.ts';

/** Requires that the envelope names the sender. @throws CommError `FORBIDDEN` */
export function checkSender(userId: string, envelope: EncryptedEnvelope): void {
  if (envelope.senderId !== userId) throw forbidden('envelope.senderId must be your own user id');
}

/**
 * Requires a recipient in the conversation: in a direct conversation the other participant; in a group one of its
 * members, or the conversation itself (sender keys).
 *
 * @throws CommError `INVALID`
 */
export function* checkRecipient(conversationId: string, { senderId, recipientId }: EncryptedEnvelope): Work<void> {
  if (recipientId === conversationId && (yield* membershipOf(conversationId, senderId))?.type === 'group') return;
  if (recipientId !== senderId && (yield* membershipOf(conversationId, recipientId)) !== undefined) return;
  throw invalid('envelope.recipientId must be a participant of the conversation');
}
