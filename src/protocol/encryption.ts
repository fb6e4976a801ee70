import * as v from 'valibot';
import { idSchema } from './fields.ts';
import { LIMITS } from './limits.ts';

/** A public prekey; `keyId` runs from 1 to 2³¹−1. Keys are 32 bytes in padded base64. */
export interface PreKey {
  keyId: number;
  publicKey: string;
}
/** What a user publishes so that others can start a session while they are away. */
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
}
export interface KeyExchangeResponse {
  recipientId: string;
  identityKey: string;
  signedPreKey: PreKey;
  signedPreKeySignature: string;
  /** Handed out once, to one caller; absent when the recipient has none left. */
  oneTimePreKey?: PreKey | undefined;
}
/** The answer to a caller without acknowledgements when there is no bundle, or none they may see. */
export interface NoKeys {
  error: 'no_keys';
  recipientId: string;
}
/** Opaque to the server, which checks only whose it is and how large. */
export interface EncryptedEnvelope {
  senderId: string;
  recipientId: string;
  sessionId: string;
  ciphertext: string;
  messageType: 'prekey' | 'message';
  senderIdentityKey: string;
  senderEphemeralKey?: string | undefined;
  usedOneTimePreKeyId?: number | undefined;
}
/** Keys to publish in place of all that the caller had published before. */
export interface UploadKeys extends KeyBundle {
  /**
   * The identity key that the caller takes the server to hold; `null`: none. Where the server holds another one (neither
   * this nor the uploaded one), it answers CONFLICT and keeps what it has. Absent: replaced whatever it is.
   */
  replaces?: string | null | undefined;
}
/** Somebody in a common conversation has published another identity. A hint to look: nobody has vouched for it. */
export interface KeysChanged {
  userId: string;
  identityKey: string;
}
export interface RequestKeys {
  recipientId: string;
}
export interface SessionInit {
  recipientId: string;
  sessionId: string;
  envelope: EncryptedEnvelope;
}
export interface SessionInitPush {
  senderId: string;
  sessionId: string;
  envelope: EncryptedEnvelope;
  /**
   * With the capability `mailbox`: the server keeps the envelope, and hands it over anew on every connection, until this
   * id is acknowledged. Opaque; in a row of pushes each is greater than the one before.
   */
  mailboxId?: string | undefined;
}
/** These envelopes are kept by the caller now, and the server may forget them. */
export interface MailboxAck {
  /** Those that aren't there, or not the caller's, are passed over. */
  mailboxIds: string[];
}
export interface KeysUploaded {
  userId: string;
  keyCount: number;
}

/**
 * Why a client can't read an encrypted message:
 * - `unknown-session`, `unknown-prekey`: the keys it was encrypted for are gone here; a new session is being started.
 * - `no-sender-key`: its sender's key for the group hasn't come, or was never meant for this user.
 * - `identity-changed`: its sender shows another identity than before, and it is held until that is accepted.
 * - `not-for-us`: it is encrypted for somebody else, or by this user on another device.
 * - `replayed`: these bytes were another message.
 * - `misplaced`: it says of itself that it belongs elsewhere: to another conversation, sender or message.
 * - `locked`: what is stored on this device can't be opened.
 * - `invalid`: it is damaged or forged.
 */
export type DecryptionFailure =
  | 'unknown-session'
  | 'unknown-prekey'
  | 'no-sender-key'
  | 'identity-changed'
  | 'not-for-us'
  | 'replayed'
  | 'misplaced'
  | 'locked'
  | 'invalid';

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
// Exactly 32 and 64 bytes: by length alone, a byte less would pass with a second `=`.
const publicKeySchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{43}=$/));
const signatureSchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{86}==$/));
const keyIdSchema = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 31 - 1));

export const preKeySchema = v.object({ keyId: keyIdSchema, publicKey: publicKeySchema }) satisfies v.GenericSchema<
  unknown,
  PreKey
>;
const keyBundle = {
  // The server stamps both: a base client sends them, nobody needs to.
  userId: v.optional(v.string(), ''),
  uploadedAt: v.optional(v.string(), ''),
  identityKey: publicKeySchema,
  signedPreKey: preKeySchema,
  signedPreKeySignature: signatureSchema,
  oneTimePreKeys: v.pipe(v.array(preKeySchema), v.maxLength(LIMITS.oneTimePreKeys)),
};
export const keyBundleSchema = v.object(keyBundle) satisfies v.GenericSchema<unknown, KeyBundle>;
export const uploadKeysSchema = v.object({
  ...keyBundle,
  replaces: v.optional(v.nullable(publicKeySchema)),
}) satisfies v.GenericSchema<unknown, UploadKeys>;
export const keysChangedSchema = v.object({
  userId: v.string(),
  identityKey: publicKeySchema,
}) satisfies v.GenericSchema<unknown, KeysChanged>;
export const keyExchangeResponseSchema = v.object({
  recipientId: v.string(),
  identityKey: publicKeySchema,
  signedPreKey: preKeySchema,
  signedPreKeySignature: v.string(),
  oneTimePreKey: v.optional(preKeySchema),
}) satisfies v.GenericSchema<unknown, KeyExchangeResponse>;
export const noKeysSchema = v.object({
  error: v.literal('no_keys'),
  recipientId: v.string(),
}) satisfies v.GenericSchema<unknown, NoKeys>;
export const envelopeSchema = v.object({
  senderId: idSchema,
  recipientId: idSchema,
  sessionId: idSchema,
  ciphertext: v.pipe(v.string(), v.nonEmpty(), v.maxLength(LIMITS.ciphertextLength), v.regex(base64)),
  messageType: v.picklist(['prekey', 'message']),
  senderIdentityKey: publicKeySchema,
  senderEphemeralKey: v.optional(publicKeySchema),
  usedOneTimePreKeyId: v.optional(keyIdSchema),
}) satisfies v.GenericSchema<unknown, EncryptedEnvelope>;
export const requestKeysSchema = v.object({ recipientId: idSchema }) satisfies v.GenericSchema<unknown, RequestKeys>;
export const sessionInitSchema = v.object({
  recipientId: idSchema,
  sessionId: idSchema,
  envelope: envelopeSchema,
}) satisfies v.GenericSchema<unknown, SessionInit>;
export const sessionInitPushSchema = v.object({
  senderId: v.string(),
  sessionId: v.string(),
  envelope: envelopeSchema,
  mailboxId: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, SessionInitPush>;
export const mailboxAckSchema = v.object({
  mailboxIds: v.pipe(v.array(idSchema), v.minLength(1), v.maxLength(LIMITS.mailboxIds)),
}) satisfies v.GenericSchema<unknown, MailboxAck>;
export const keysUploadedSchema = v.object({
  userId: v.string(),
  keyCount: v.number(),
}) satisfies v.GenericSchema<unknown, KeysUploaded>;
export const sessionEstablishedSchema = v.object({ sessionId: v.string(), senderId: v.string() });
export const keysDepletedSchema = v.object({ userId: v.string() });
