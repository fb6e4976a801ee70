import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import { membershipOf } from '../store/members.ts';
import type { Work } from '../store/work.ts';
import { forbidden, invalid } from './refusals.ts';

/** @throws CommError `FORBIDDEN` for an envelope in somebody else's name */
export function checkSender(userId: string, envelope: EncryptedEnvelope): void {
  if (envelope.senderId !== userId) throw forbidden('The envelope names another sender');
}

/**
 * For one person an envelope is encrypted to the other one of a direct conversation; for a group to all of it, under the
 * conversation's id (sender keys), or to one of its members.
 *
 * @throws CommError `INVALID`
 */
export function* checkRecipient(conversationId: string, { senderId, recipientId }: EncryptedEnvelope): Work<void> {
  if (recipientId === conversationId && (yield* membershipOf(conversationId, senderId))?.type === 'group') return;
  if (recipientId !== senderId && (yield* membershipOf(conversationId, recipientId)) !== undefined) return;
  throw invalid('The envelope is for somebody who is not in the conversation');
}
