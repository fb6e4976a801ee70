/** Users with keys, and pairs of users with sessions, for tests of NKC1. */
import { createHash } from 'node:crypto';
import type { EncryptedEnvelope } from '../../../../../src/protocol/encryption.ts';
import { prepareUpload } from '../../../../../src/client/encryption/keys/prekey-upload.ts';
import { generateIdentityKeyPair } from '../../../../../src/client/encryption/nkc1/identity-key.ts';
import type { PreKeyBundle } from '../../../../../src/client/encryption/nkc1/prekey-bundle.ts';
import {
  EMPTY_PREKEY_STATE,
  markPublished,
  removeOneTimePreKey,
} from '../../../../../src/client/encryption/nkc1/prekey-state.ts';
import type { Random } from '../../../../../src/client/encryption/nkc1/primitives.ts';
import { SessionBuilder } from '../../../../../src/client/encryption/nkc1/session-builder.ts';
import { type DecryptedMessage, SessionCipher } from '../../../../../src/client/encryption/nkc1/session-cipher.ts';
import {
  type LocalParty,
  newSessionRecord,
  type SessionRecord,
} from '../../../../../src/client/encryption/nkc1/session-record.ts';

export const NOW = Date.UTC(2026, 0, 1);
export const DAY = 24 * 60 * 60_000;

/** Returns a deterministic random generator. */
export function randomOf(seed: string): Random {
  let counter = 0;
  return (length) => {
    const parts: Buffer[] = [];
    for (let made = 0; made < length; made += 32)
      parts.push(createHash('sha256').update(`${seed} ${counter++}`).digest());
    return new Uint8Array(Buffer.concat(parts).subarray(0, length));
  };
}

/** Returns a generator of the given values, in order. */
export function randomFrom(...values: readonly Uint8Array[]): Random {
  const left = [...values];
  return (length) => {
    const next = left.shift();
    if (next?.length !== length) throw new Error(`no value of ${length} bytes is left`);
    return next;
  };
}

export const bytesOf = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const users = new Map<string, LocalParty>();

/** Returns the user of that name. Cached, because 100 prekeys take time. */
export function makeUser(userId: string): LocalParty {
  const user = users.get(userId) ?? createUser(userId);
  users.set(userId, user);
  return user;
}

function createUser(userId: string): LocalParty {
  const random = randomOf(userId);
  const identity = generateIdentityKeyPair(random);
  const { state, upload } = prepareUpload(EMPTY_PREKEY_STATE, identity, random, NOW);
  return { userId, identity, preKeys: markPublished(state, upload) };
}

/** Returns the bundle that a server hands out for a user. */
export function bundleOf(user: LocalParty, oneTime = true): PreKeyBundle {
  const { identity, preKeys, userId } = user;
  const signedPreKey = preKeys.signedPreKeys.at(-1);
  if (signedPreKey === undefined) throw new Error('the user has no signed prekey');
  return {
    userId,
    identityKey: identity.publicKey,
    signedPreKey,
    oneTimePreKey: oneTime ? preKeys.oneTimePreKeys[0] : undefined,
  };
}

/** A user with the sessions with one peer, stored as a client stores them. */
export class TestParty {
  local: LocalParty;
  record: SessionRecord;
  readonly random: Random;

  constructor(local: LocalParty, peerId: string, seed = local.userId) {
    this.local = local;
    this.record = newSessionRecord(peerId);
    this.random = randomOf(`party ${seed}`);
  }

  start(bundle: PreKeyBundle, now = NOW): string {
    const started = unwrap(SessionBuilder.initiate(this.record, this.local, bundle, this.random, now));
    this.record = started.record;
    return started.sessionId;
  }

  send(text: string | Uint8Array, sessionId?: string): EncryptedEnvelope {
    const plaintext = typeof text === 'string' ? ascii(text) : text;
    const sent = unwrap(SessionCipher.encrypt(this.record, this.local, plaintext, this.random, sessionId));
    this.record = sent.record;
    return sent.envelope;
  }

  /** Decrypts an envelope and stores the result. Throws the reason of a failure. */
  receive(envelope: EncryptedEnvelope, now = NOW): DecryptedMessage & { readonly text: string } {
    const received = unwrap(SessionCipher.decrypt(this.record, this.local, envelope, now));
    this.record = received.record;
    const used = received.started?.oneTimePreKeyId;
    if (used !== undefined) {
      this.local = { ...this.local, preKeys: removeOneTimePreKey(this.local.preKeys, used) };
    }
    return { ...received, text: textOf(received.plaintext) };
  }

  /** Returns why an envelope is rejected, or `undefined` if it isn't. Stores nothing. */
  rejection(envelope: EncryptedEnvelope, now = NOW): string | undefined {
    const outcome = SessionCipher.decrypt(this.record, this.local, envelope, now);
    return outcome.ok ? undefined : outcome.reason;
  }
}

/** Returns the result of an outcome, or throws its reason. */
export function unwrap<T>(outcome: ({ readonly ok: true } & T) | { readonly ok: false; readonly reason: string }): T {
  if (!outcome.ok) throw new Error(outcome.reason);
  return outcome;
}

/** Returns Alice, who has started a session, and Bob. */
export function startedPair(oneTime = true): { alice: TestParty; bob: TestParty } {
  const alice = new TestParty(makeUser('alice'), 'bob');
  const bob = new TestParty(makeUser('bob'), 'alice');
  alice.start(bundleOf(bob.local, oneTime));
  return { alice, bob };
}

/** Returns Alice and Bob after one message each way. */
export function establishedPair(): { alice: TestParty; bob: TestParty } {
  const { alice, bob } = startedPair();
  bob.receive(alice.send('hello'));
  alice.receive(bob.send('hello yourself'));
  return { alice, bob };
}
