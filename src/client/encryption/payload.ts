import type { Storable } from '../../storage/comm-storage.ts';

/** What the encrypted part of a message says: P. */
export type Payload = MessagePayload | SessionPayload | SenderKeyPayload;

interface Common {
  /** The message's client id. */
  readonly id: string;
  /** When it was written, in milliseconds. */
  readonly ts: number;
}

export interface MessagePayload extends Common {
  readonly kind: 'message';
  /** The conversation it was written in: to be compared with the one it came in. */
  readonly cid: string;
  readonly type: string;
  readonly content: string;
  readonly replyTo?: string | undefined;
  /** JSON as the sender made it; an encrypted file's has `key`, `prefix`, `size` and `sha256` besides. */
  readonly attachment?: { readonly [key: string]: Storable | undefined } | undefined;
}

/** About the session itself: it belongs to no conversation. */
export interface SessionPayload extends Common {
  readonly kind: 'session-init' | 'session-ack' | 'session-reset';
}

/** Gives a member the key of the sender's chain in a group, or asks a sender for it. */
export interface SenderKeyPayload extends Common {
  readonly kind: 'sender-key';
  readonly cid: string;
  readonly senderKey: SenderKey | SenderKeyRequest;
}

export interface SenderKey {
  readonly cid: string;
  readonly chainId: number;
  readonly iteration: number;
  readonly chainKey: Uint8Array;
  readonly sigKey: Uint8Array;
}

/** The same without keys: "I can't read this chain of yours". */
export interface SenderKeyRequest {
  readonly cid: string;
  readonly chainId: number;
}

export function encodePayload(_payload: Payload): Uint8Array {
  throw new Error('not yet');
}

/** `undefined` for what is no payload of this version. */
export function readPayload(_plaintext: Uint8Array): Payload | undefined {
  throw new Error('not yet');
}
