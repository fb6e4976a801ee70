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
}
export interface KeysUploaded {
  userId: string;
  keyCount: number;
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
// Exactly 32 and 64 bytes: by length alone, a byte less would pass with a second `=`.
const publicKeySchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{43}=$/));
const signatureSchema = v.pipe(v.string(), v.regex(/^[A-Za-z0-9+/]{86}==$/));
const keyIdSchema = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 31 - 1));

export const preKeySchema = v.object({ keyId: keyIdSchema, publicKey: publicKeySchema }) satisfies v.GenericSchema<
  unknown,
  PreKey
>;
export const keyBundleSchema = v.object({
  // The server stamps both: a base client sends them, nobody needs to.
  userId: v.optional(v.string(), ''),
  uploadedAt: v.optional(v.string(), ''),
  identityKey: publicKeySchema,
  signedPreKey: preKeySchema,
  signedPreKeySignature: signatureSchema,
  oneTimePreKeys: v.pipe(v.array(preKeySchema), v.maxLength(LIMITS.oneTimePreKeys)),
}) satisfies v.GenericSchema<unknown, KeyBundle>;
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
}) satisfies v.GenericSchema<unknown, SessionInitPush>;
export const keysUploadedSchema = v.object({
  userId: v.string(),
  keyCount: v.number(),
}) satisfies v.GenericSchema<unknown, KeysUploaded>;
export const sessionEstablishedSchema = v.object({ sessionId: v.string(), senderId: v.string() });
export const keysDepletedSchema = v.object({ userId: v.string() });
