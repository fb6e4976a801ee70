import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import type { Message } from '../../../protocol/messages.ts';
import type { Keystore } from '../keystore/keystore.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import {
  decryptFromPeer,
  decryptionFailed,
  type DecryptionResult,
  recordsForSender,
} from '../sessions/decrypt-envelope.ts';
import type { MessageDecryptorPorts } from './decryptor-ports.ts';

/** A decryption that has failed. */
export type FailedResult = Extract<DecryptionResult, { ok: false }>;

/** An envelope to be decrypted in a transaction. */
export interface EnvelopeStep {
  /** The records that the transaction must declare. */
  readonly names: readonly string[];
  open(tx: RecordTransaction): DecryptionResult;
}

const groupEncryption = () => import('../groups/group-encryption.ts');

/** Prepares the decryption of another user's envelope in a conversation, pairwise or of a group. */
export async function prepareEnvelope(
  keystore: Keystore,
  cid: string,
  envelope: EncryptedEnvelope,
  { policy, now }: { readonly policy: 'warn' | 'block'; readonly now: () => number },
): Promise<EnvelopeStep> {
  const { senderId, recipientId } = envelope;
  const names = recordsForSender(senderId);
  if (recipientId !== cid) {
    const open = (tx: RecordTransaction): DecryptionResult =>
      recipientId === keystore.userId
        ? decryptFromPeer(tx, keystore, envelope, policy, now())
        : decryptionFailed('not-for-us');
    return { names, open };
  }
  const { chainIdOf, decryptFromGroup, recordsForChain } = await groupEncryption();
  return {
    names: [...names, ...recordsForChain(cid, senderId, chainIdOf(envelope))],
    open: (tx) => decryptFromGroup(tx, keystore, cid, envelope, now()),
  };
}

/** Performs what follows from an envelope that can't be decrypted: keys are requested, or a session is reset. */
export async function handleFailure(
  ports: MessageDecryptorPorts,
  keystore: Keystore,
  message: Message,
  envelope: EncryptedEnvelope,
  failed: FailedResult,
  isLive: boolean,
): Promise<void> {
  const { senderId } = envelope;
  const { reason, effects } = failed;
  ports.effects(keystore, senderId, effects);
  if (isLive && isSessionLost(failed)) ports.sessionLost(keystore, senderId, reason);
  if (reason === 'gap') ports.backlogFound(keystore, message);
  if (isLive && isDiverged(failed)) ports.decryptionSuspect(keystore, envelope);
  if (isLive && reason === 'no-sender-key') {
    const chainId = (await groupEncryption()).chainIdOf(envelope);
    if (chainId !== undefined) ports.senderKeyMissing(keystore, senderId, message.conversationId, chainId);
  }
}

/** Whether the sender may have sent a copy of the message, because its session or prekey doesn't exist here. */
export function isSessionLost({ reason }: FailedResult): boolean {
  return reason === 'unknown-session' || reason === 'unknown-prekey';
}

/** Whether the session of both sides may differ, for example because one of them has restored an earlier state. */
export function isDiverged({ sessionFailure }: FailedResult): boolean {
  return sessionFailure === 'bad-tag' || sessionFailure === 'replay';
}

/** Whether a value of the server is an envelope. */
export function isEnvelope(value: unknown): value is EncryptedEnvelope {
  if (typeof value !== 'object' || value === null) return false;
  const { senderId, recipientId, sessionId, ciphertext } = value as Partial<Record<keyof EncryptedEnvelope, unknown>>;
  return [senderId, recipientId, sessionId, ciphertext].every((each) => typeof each === 'string');
}
