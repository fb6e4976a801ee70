import type { AbortOptions } from '../../lib/abort.ts';
import type { TrustState } from './trust.ts';

/** What a backup may hold besides the identity and what is known of others. */
export interface ExportOptions extends AbortOptions {
  /** The texts of encrypted messages as well: without them a new device can't read what was sent before. */
  history?: boolean | undefined;
}

/** What is kept of an encrypted file in the message that brings it. */
export interface EncryptedAttachment {
  /** What is uploaded. */
  ciphertext: Blob;
  /** What only readers of the message may know: it belongs into `attachment` of an encrypted message. */
  secret: AttachmentKeys;
}

/** Opens an encrypted file; all in padded base64 but the size, which is the file's own in bytes. */
export interface AttachmentKeys {
  key: string;
  prefix: string;
  size: number;
  sha256: string;
}

/**
 * End-to-end encryption: X3DH, double ratchet and sender keys as the NKC1 protocol has them. Loaded with the first use.
 * Without the option `encryption` every method rejects with a `TypeError`.
 */
export interface Encryption {
  /**
   * Resolves when the keys are there and published, so that others can write to this user; rejects with
   * `E2EE_OTHER_DEVICE` where another device of the user has published its own, and with `E2EE_LOCKED`.
   */
  readonly ready: Promise<void>;
  /** The own identity key: Ed25519, 32 bytes in padded base64. */
  identityKey(options?: AbortOptions): Promise<string>;
  /**
   * The 60 digits that both see alike when nobody is in between: to be compared by another way. They are of the key that
   * the other side shows now, also while that isn't accepted.
   * @throws CommError `E2EE_NO_KEYS` when nothing is known of that user
   */
  safetyNumber(userId: string, options?: AbortOptions): Promise<string>;
  /** The same as text for a QR code, to be scanned by the other side's `verifyQr()`. */
  qr(userId: string, options?: AbortOptions): Promise<string>;
  /**
   * Compares what was scanned from that user's screen, and on a match marks their key as verified.
   * @returns whether it matches
   */
  verifyQr(userId: string, scanned: string, options?: AbortOptions): Promise<boolean>;
  /**
   * Their key was compared with them, and is theirs: the one that `safetyNumber()` or `qr()` was last asked for here.
   * @throws CommError `E2EE_IDENTITY_CHANGED` until another key is accepted, or when one has come since it was compared
   */
  verify(userId: string, options?: AbortOptions): Promise<void>;
  /**
   * From now on this is that user's key: what was held since it changed is shown. It is pinned, not verified.
   * @param identityKey - the one that `encryption:identity-changed` has told, so that no other is accepted by mistake
   * @throws CommError `CONFLICT` when it isn't the one they show
   */
  acceptIdentity(userId: string, identityKey: string, options?: AbortOptions): Promise<void>;
  /** What is known of that user's key. */
  trust(userId: string, options?: AbortOptions): Promise<TrustState>;
  /**
   * From now on messages of this conversation are encrypted or not sent; `false` takes it back. On this device, in all
   * tabs. Forwarding into it, and editing what isn't encrypted in it, is refused with `INVALID`.
   */
  require(conversationId: string, required: boolean, options?: AbortOptions): Promise<void>;
  isRequired(conversationId: string, options?: AbortOptions): Promise<boolean>;
  /** The identity and the pins, encrypted under a passphrase: for `import()` on a new device. */
  export(passphrase: string, options?: ExportOptions): Promise<Uint8Array>;
  /**
   * Takes over the identity from a backup and makes this the active device: for others nothing changes.
   * @throws CommError `E2EE_DECRYPTION_FAILED` when it is no backup of this user, or the passphrase is wrong
   */
  import(bytes: Uint8Array, passphrase: string, options?: AbortOptions): Promise<void>;
  /** Makes this the active device under its own identity: others are told that the user's key has changed. */
  takeOver(options?: AbortOptions): Promise<void>;
  /** Deletes all keys and texts that are kept here, and starts anew under another identity. What is required stays so. */
  reset(options?: AbortOptions): Promise<void>;
  /** Encrypts a file for upload (AES-256-GCM in segments). @throws CommError `UNSUPPORTED` without WebCrypto */
  encryptAttachment(file: Blob, options?: AbortOptions): Promise<EncryptedAttachment>;
  /** @throws CommError `INVALID` when it isn't the file that was encrypted */
  decryptAttachment(ciphertext: Blob, keys: AttachmentKeys, options?: AbortOptions): Promise<Blob>;
}
