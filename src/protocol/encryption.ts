import * as v from 'valibot';
import { idSchema } from './common-schemas.ts';
import { LIMITS } from './limits.ts';

/**
 * Fields of later versions: a JSON object of at most 4 KiB. The server stores it and passes it on unchanged; clients ignore keys
 * that they don't know. Nothing authenticates it.
 */
export interface ExtensionFields {
  readonly [key: string]: ExtensionValue;
}
/** A JSON value in {@link ExtensionFields}. */
export type ExtensionValue = null | boolean | number | string | readonly ExtensionValue[] | ExtensionFields;
/** A public prekey. `keyId` is between 1 and 2³¹−1; the key is 32 bytes in padded base64. */
export interface PreKey {
  keyId: number;
  publicKey: string;
}
/** The public keys that a user publishes, so that others can start a session while the user is offline. */
export interface KeyBundle {
  userId: string;
  /** Ed25519. */
  identityKey: string;
  /** X25519. */
  signedPreKey: PreKey;
  /** Ed25519 by `identityKey` over the raw 32 bytes of the signed prekey. */
  signedPreKeySignature: string;
  oneTimePreKeys: PreKey[];
  uploadedAt: string;
  ext?: ExtensionFields | undefined;
}
/** The keys for starting a session with a user (X3DH). */
export interface KeyExchangeResponse {
  recipientId: string;
  identityKey: string;
  signedPreKey: PreKey;
  signedPreKeySignature: string;
  /** Issued to one caller only; absent if the recipient has none left. */
  oneTimePreKey?: PreKey | undefined;
  /** The `ext` of the recipient's key bundle. */
  ext?: ExtensionFields | undefined;
}
/** Pushed to a caller without acknowledgements if there is no bundle, or none that the caller may see. */
export interface NoKeys {
  error: 'no_keys';
  recipientId: string;
}
/** An encrypted message. The server checks only its sender, recipient and size. */
export interface EncryptedEnvelope {
  senderId: string;
  recipientId: string;
  sessionId: string;
  ciphertext: string;
  messageType: 'prekey' | 'message';
  senderIdentityKey: string;
  senderEphemeralKey?: string | undefined;
  usedOneTimePreKeyId?: number | undefined;
  ext?: ExtensionFields | undefined;
}
/** Replaces all keys that the caller has published. */
export interface UploadKeys extends KeyBundle {
  /**
   * The identity key that the caller expects the server to have, or `null` for none. If the server has another one (neither
   * this nor the uploaded one), it answers CONFLICT and keeps its keys. If absent, the keys are replaced unconditionally.
   */
  replaces?: string | null | undefined;
}
/** Reports that a user in a common conversation has published a new identity key. A hint: the key is not authenticated. */
export interface KeysChanged {
  userId: string;
  identityKey: string;
}
/** Requests the keys for starting a session with a user. */
export interface RequestKeys {
  recipientId: string;
}
/** Sends the first message of a session. */
export interface SessionInit {
  recipientId: string;
  sessionId: string;
  envelope: EncryptedEnvelope;
}
/** Delivers the first message of a session. */
export interface SessionInitPush {
  senderId: string;
  sessionId: string;
  envelope: EncryptedEnvelope;
  /**
   * With the capability `mailbox`, the server stores the envelope and sends it again on each connection until this id is
   * acknowledged. Opaque. Within one connection each id is greater than the previous one.
   */
  mailboxId?: string | undefined;
}
/** Confirms that the caller has stored envelopes, so that the server can delete them. */
export interface MailboxAck {
  /** Unknown ids and those of other users are ignored. */
  mailboxIds: string[];
}
/** Confirms an upload with the number of unused one-time prekeys. */
export interface KeysUploaded {
  userId: string;
  keyCount: number;
}

/**
 * Why a client could not decrypt a message:
 * - `unknown-session`, `unknown-prekey`: this device no longer has the keys; the client starts a new session.
 * - `no-sender-key`: the sender's group key has not arrived, or was not sent to this user.
 * - `identity-changed`: the sender's identity key has changed; the message is held until the new key is accepted.
 * - `gap`: too many messages before it have not been decrypted; the client reads them in the background and tries again.
 * - `not-for-us`: the message is encrypted for another user, or was sent by another device of this user.
 * - `replayed`: the ciphertext was already used by another message.
 * - `misplaced`: the authenticated content names another conversation, sender or message.
 * - `not-encrypted`: the server returned readable content for an encrypted message, or in a conversation that requires
 *   encryption.
 * - `unsupported`: the message has the format of a later version, which can decrypt it.
 * - `locked`: the keys stored on this device can't be decrypted.
 * - `invalid`: the message is damaged or forged.
 */
export type DecryptionFailure =
  | 'unknown-session'
  | 'unknown-prekey'
  | 'no-sender-key'
  | 'identity-changed'
  | 'gap'
  | 'not-for-us'
  | 'replayed'
  | 'misplaced'
  | 'not-encrypted'
  | 'unsupported'
  | 'locked'
  | 'invalid';

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
// Exactly 32 and 64 bytes. A check of the length alone would accept one byte less with a second `=`.
const publicKeySchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{43}=$/, 'must be 32 bytes in base64'));
const signatureSchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{86}==$/, 'must be 64 bytes in base64'));
const keyIdSchema = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 31 - 1));

/** Returns true for a JSON object that fits into {@link LIMITS.extBytes}. Accepts it as it is, so that it is stored unchanged. */
function isExtension(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  try {
    return new TextEncoder().encode(JSON.stringify(value)).length <= LIMITS.extBytes && isJson(value);
  } catch {
    // Cyclic, or nested too deeply.
    return false;
  }
}
function isJson(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'object' && value !== null) return Object.values(value).every((each) => isJson(each));
  return value === null || typeof value === 'string' || typeof value === 'boolean';
}
/** Validates {@link ExtensionFields}. */
export const extensionFieldsSchema = v.custom<ExtensionFields>(
  isExtension,
  `must be an object of at most ${LIMITS.extBytes} bytes of JSON`,
);
/** Validates {@link PreKey}. */
export const preKeySchema = v.object({ keyId: keyIdSchema, publicKey: publicKeySchema }) satisfies v.GenericSchema<
  unknown,
  PreKey
>;
const keyBundle = {
  // The server sets both; base clients send them.
  userId: v.optional(v.string(), ''),
  uploadedAt: v.optional(v.string(), ''),
  identityKey: publicKeySchema,
  signedPreKey: preKeySchema,
  signedPreKeySignature: signatureSchema,
  oneTimePreKeys: v.pipe(v.array(preKeySchema), v.maxLength(LIMITS.oneTimePreKeys)),
  ext: v.optional(extensionFieldsSchema),
};
/** Validates {@link KeyBundle}. */
export const keyBundleSchema = v.object(keyBundle) satisfies v.GenericSchema<unknown, KeyBundle>;
/** Validates {@link UploadKeys}. */
export const uploadKeysSchema = v.object({
  ...keyBundle,
  replaces: v.optional(v.nullable(publicKeySchema)),
}) satisfies v.GenericSchema<unknown, UploadKeys>;
/** Validates {@link KeysChanged}. */
export const keysChangedSchema = v.object({
  userId: v.string(),
  identityKey: publicKeySchema,
}) satisfies v.GenericSchema<unknown, KeysChanged>;
/** Validates {@link KeyExchangeResponse}. */
export const keyExchangeResponseSchema = v.object({
  recipientId: v.string(),
  identityKey: publicKeySchema,
  signedPreKey: preKeySchema,
  signedPreKeySignature: v.string(),
  oneTimePreKey: v.optional(preKeySchema),
  ext: v.optional(extensionFieldsSchema),
}) satisfies v.GenericSchema<unknown, KeyExchangeResponse>;
/** Validates {@link NoKeys}. */
export const noKeysSchema = v.object({
  error: v.literal('no_keys'),
  recipientId: v.string(),
}) satisfies v.GenericSchema<unknown, NoKeys>;
/** Validates {@link EncryptedEnvelope}. */
export const envelopeSchema = v.object({
  senderId: idSchema,
  recipientId: idSchema,
  sessionId: idSchema,
  ciphertext: v.pipe(v.string(), v.nonEmpty(), v.maxLength(LIMITS.ciphertextLength), v.regex(base64, 'must be base64')),
  messageType: v.picklist(['prekey', 'message']),
  senderIdentityKey: publicKeySchema,
  senderEphemeralKey: v.optional(publicKeySchema),
  usedOneTimePreKeyId: v.optional(keyIdSchema),
  ext: v.optional(extensionFieldsSchema),
}) satisfies v.GenericSchema<unknown, EncryptedEnvelope>;
/** Validates an {@link EncryptedEnvelope} that contains no message, but a deletion or reactions. */
export const changeEnvelopeSchema: v.GenericSchema<unknown, EncryptedEnvelope> = v.pipe(
  envelopeSchema,
  v.check(
    ({ ciphertext }) => ciphertext.length <= LIMITS.changeCiphertextLength,
    `ciphertext must have at most ${LIMITS.changeCiphertextLength} characters`,
  ),
);
/** Validates {@link RequestKeys}. */
export const requestKeysSchema = v.object({ recipientId: idSchema }) satisfies v.GenericSchema<unknown, RequestKeys>;
/** Validates {@link SessionInit}. */
export const sessionInitSchema = v.object({
  recipientId: idSchema,
  sessionId: idSchema,
  envelope: envelopeSchema,
}) satisfies v.GenericSchema<unknown, SessionInit>;
/** Validates {@link SessionInitPush}. */
export const sessionInitPushSchema = v.object({
  senderId: v.string(),
  sessionId: v.string(),
  envelope: envelopeSchema,
  mailboxId: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, SessionInitPush>;
/** Validates {@link MailboxAck}. */
export const mailboxAckSchema = v.object({
  mailboxIds: v.pipe(v.array(idSchema), v.minLength(1), v.maxLength(LIMITS.mailboxIds)),
}) satisfies v.GenericSchema<unknown, MailboxAck>;
/** Validates {@link KeysUploaded}. */
export const keysUploadedSchema = v.object({
  userId: v.string(),
  keyCount: v.number(),
}) satisfies v.GenericSchema<unknown, KeysUploaded>;
/** Validates the push `encryption:session-established`. */
export const sessionEstablishedSchema = v.object({ sessionId: v.string(), senderId: v.string() });
/** Validates the push `encryption:keys-depleted`. */
export const keysDepletedSchema = v.object({ userId: v.string() });
