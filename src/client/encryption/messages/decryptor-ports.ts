import type { DecryptionFailure, EncryptedEnvelope } from '../../../protocol/encryption.ts';
import type { Message } from '../../../protocol/messages.ts';
import type { Keystore } from '../keystore/keystore.ts';
import type { DecryptionEffects } from '../sessions/decrypt-envelope.ts';

/** What the decryption of messages needs of other parts, and what it reports. */
export interface MessageDecryptorPorts {
  keystore(): Promise<Keystore>;
  /** Returns a message from memory or from the server. */
  findMessage(messageId: string): Promise<Message>;
  /** Called with messages before they are decrypted. */
  messagesSeen(keystore: Keystore, messages: readonly Message[]): Promise<void>;
  /** Whether a conversation requires encryption. @param isLive - may ask the server for the conversation */
  isRequired(conversationId: string, isLive: boolean): Promise<boolean>;
  /** Called with the recipients that the sender of a message has named. */
  recipientsSeen(keystore: Keystore, message: Message, to: readonly string[], isLive: boolean): void;
  /** Called after the transaction, before the message is returned. */
  effects(keystore: Keystore, senderId: string, effects: DecryptionEffects): void;
  /** The sender uses a session or prekey that doesn't exist here. */
  sessionLost(keystore: Keystore, senderId: string, reason: DecryptionFailure): void;
  /** A new message could not be decrypted on a session that exists. */
  decryptionSuspect(keystore: Keystore, envelope: EncryptedEnvelope): void;
  /** More messages than a chain can skip were not decrypted before this one. */
  backlogFound(keystore: Keystore, message: Message): void;
  /** The sender key of a group message has not arrived. */
  senderKeyMissing(keystore: Keystore, senderId: string, cid: string, chainId: number): void;
}
