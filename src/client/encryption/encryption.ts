import type { AbortOptions } from '../../lib/abort.ts';
import type { AttachmentKeys, Message } from '../../protocol/messages.ts';
import type { OpenIdentityChange, TrustState } from './nkc1/identity-trust.ts';

/** Options of `encryption.exportBackup()`. */
export interface ExportOptions extends AbortOptions {
  /**
   * Includes the content of encrypted messages. Without it a new device can't read earlier messages.
   * @defaultValue false
   */
  history?: boolean | undefined;
}

/** An encrypted file. */
export interface EncryptedAttachment {
  /** To be uploaded. */
  ciphertext: Blob;
  /** To be sent in the `attachment` of an encrypted message. Only its readers may know it. */
  secret: AttachmentKeys;
}

/**
 * End-to-end encryption with the protocol NKC1: X3DH, Double Ratchet and sender keys. The code is loaded on first use. Without
 * the client option `encryption` every method rejects with a `TypeError`.
 */
export interface Encryption {
  /**
   * Resolves when this user's keys are published, so that others can send encrypted messages. Rejects with `E2EE_OTHER_DEVICE`
   * if another device of the user has published its keys, and with `E2EE_LOCKED` if the stored keys can't be opened.
   */
  readonly ready: Promise<void>;
  /** Returns this user's identity key: Ed25519, 32 bytes in padded base64. */
  identityKey(options?: AbortOptions): Promise<string>;
  /**
   * Returns 60 digits that both users see if no one intercepts their keys; they compare them over another channel. The number
   * contains the pinned key of the other user, which is the one in use, also while another one waits to be accepted.
   * @throws CommError `E2EE_NO_KEYS` if the user has published no keys
   */
  safetyNumber(userId: string, options?: AbortOptions): Promise<string>;
  /** Returns the same as text for a QR code, which the other user scans and passes to `verifyQr()`. */
  qr(userId: string, options?: AbortOptions): Promise<string>;
  /**
   * Compares a QR code scanned from the other user's screen with the pinned key. Marks it as verified if it matches, and
   * rejects another key that waits to be accepted.
   * @returns whether it matches
   */
  verifyQr(userId: string, scanned: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Marks a user's pinned key as verified, and rejects another key that waits to be accepted.
   * @param safetyNumber - the digits that both users have compared; spaces are ignored
   * @throws CommError `E2EE_IDENTITY_CHANGED` if it isn't the safety number of the pinned key
   */
  verify(userId: string, safetyNumber: string, options?: AbortOptions): Promise<void>;
  /**
   * Pins a user's new key and shows the messages that were held since the change. The key is not verified by this. With the key
   * that is pinned already it acknowledges the change.
   * @param identityKey - the key of the event `encryption:identity-changed`, so that no other key is accepted by mistake
   * @throws CommError `CONFLICT` if it isn't the key that the user presented last
   */
  acceptIdentity(userId: string, identityKey: string, options?: AbortOptions): Promise<void>;
  /**
   * Rejects the key that a user presented last: the pinned one stays in use, with its verification. Messages under the other
   * key are not shown, and it isn't reported again. Idempotent.
   */
  rejectIdentity(userId: string, options?: AbortOptions): Promise<void>;
  /**
   * Returns the last change of a user's key until it is decided or acknowledged by `acceptIdentity()`, `rejectIdentity()` or
   * `verify()`, also after a reload.
   */
  identityChange(userId: string, options?: AbortOptions): Promise<OpenIdentityChange | undefined>;
  /**
   * Accepts the members of the last event `encryption:members-changed` of a conversation, with `accepted: false`. Idempotent.
   * @throws CommError `CONFLICT` if a direct conversation would have several peers
   */
  acceptMembers(conversationId: string, options?: AbortOptions): Promise<void>;
  /**
   * Returns an encrypted message of which only the server says that it was deleted (`deletionUnauthenticated`), with its content.
   * Returns `undefined` if it was deleted by its sender, or is not stored on this device.
   */
  keptMessage(messageId: string, options?: AbortOptions): Promise<Message | undefined>;
  /** Returns what is known of a user's key. */
  trust(userId: string, options?: AbortOptions): Promise<TrustState>;
  /**
   * Sets whether a conversation requires encryption: if so, its messages are encrypted or not sent. Applies to this device, in
   * all tabs. Forwarding into the conversation, and editing a message in it that isn't encrypted, rejects with `INVALID`.
   */
  setRequired(conversationId: string, required: boolean, options?: AbortOptions): Promise<void>;
  /** Returns whether a conversation requires encryption on this device. */
  isRequired(conversationId: string, options?: AbortOptions): Promise<boolean>;
  /** Exports identity and pinned keys, encrypted under a passphrase, for `importBackup()` on a new device. */
  exportBackup(passphrase: string, options?: ExportOptions): Promise<Uint8Array>;
  /**
   * Imports the identity of a backup and makes this the active device. Other users see no change of keys.
   * @throws CommError `E2EE_DECRYPTION_FAILED` if it isn't a backup of this user, or the passphrase is wrong
   */
  importBackup(bytes: Uint8Array, passphrase: string, options?: AbortOptions): Promise<void>;
  /** Makes this the active device with its own identity. Other users see that the key has changed. */
  takeOver(options?: AbortOptions): Promise<void>;
  /**
   * Deletes all keys and message contents on this device and creates another identity. Which conversations require encryption
   * is kept.
   */
  reset(options?: AbortOptions): Promise<void>;
  /**
   * Encrypts a file for upload, with AES-256-GCM in segments.
   * @throws CommError `UNSUPPORTED` without WebCrypto
   */
  encryptAttachment(file: Blob, options?: AbortOptions): Promise<EncryptedAttachment>;
  /**
   * Decrypts a file.
   * @throws CommError `E2EE_DECRYPTION_FAILED` if the file was modified, `UNSUPPORTED` without WebCrypto
   */
  decryptAttachment(ciphertext: Blob, keys: AttachmentKeys, options?: AbortOptions): Promise<Blob>;
}
