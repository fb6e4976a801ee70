/** Two users with keys, and the little that tests of every part need. */
import { createHash } from 'node:crypto';
import type { EncryptedEnvelope } from '../../../../src/protocol/encryption.ts';
import type { Bundle } from '../../../../src/client/encryption/bundle.ts';
import { createIdentity } from '../../../../src/client/encryption/identity.ts';
import { newPeer, encryptTo, type Own, type Peer } from '../../../../src/client/encryption/peer-sessions.ts';
import { startWith } from '../../../../src/client/encryption/session-start.ts';
import { markPublished, NO_PREKEYS } from '../../../../src/client/encryption/prekeys.ts';
import { prepareUpload } from '../../../../src/client/encryption/uploading.ts';
import type { Random } from '../../../../src/client/encryption/primitives.ts';
import { type Decrypted, receive } from '../../../../src/client/encryption/receive.ts';

export const NOW = Date.UTC(2026, 0, 1);
export const DAY = 24 * 60 * 60_000;

/** Bytes that look random and are the same each time. */
export function randomOf(seed: string): Random {
  let counter = 0;
  return (length) => {
    const parts: Buffer[] = [];
    for (let made = 0; made < length; made += 32)
      parts.push(createHash('sha256').update(`${seed} ${counter++}`).digest());
    return new Uint8Array(Buffer.concat(parts).subarray(0, length));
  };
}

/** The bytes that a test wants to be drawn, in their order. */
export function randomFrom(...draws: readonly Uint8Array[]): Random {
  const left = [...draws];
  return (length) => {
    const next = left.shift();
    if (next?.length !== length) throw new Error(`${length} random bytes were not foreseen here`);
    return next;
  };
}

export const bytesOf = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const made = new Map<string, Own>();

/** The same for the same name: values don't change, and a hundred prekeys take their time. */
export function makeUser(userId: string): Own {
  const own = made.get(userId) ?? drawUser(userId);
  made.set(userId, own);
  return own;
}

function drawUser(userId: string): Own {
  const random = randomOf(userId);
  const identity = createIdentity(random);
  const { keys, upload } = prepareUpload(NO_PREKEYS, identity, random, NOW);
  return { userId, identity, preKeys: markPublished(keys, upload) };
}

/** What a server hands out of a user's keys. */
export function bundleOf(user: Own, oneTime = true): Bundle {
  const { identity, preKeys, userId } = user;
  const signedPreKey = preKeys.signed.at(-1);
  if (signedPreKey === undefined) throw new Error('This user has no keys');
  return {
    userId,
    identityKey: identity.publicKey,
    signedPreKey,
    oneTimePreKey: oneTime ? preKeys.oneTime[0] : undefined,
  };
}

/** One end of a conversation, which keeps its state as a client would. */
export class End {
  own: Own;
  peer: Peer;
  readonly random: Random;

  constructor(own: Own, peerId: string, seed = own.userId) {
    this.own = own;
    this.peer = newPeer(peerId);
    this.random = randomOf(`end ${seed}`);
  }

  start(bundle: Bundle, now = NOW): string {
    const started = must(startWith(this.peer, this.own, bundle, this.random, now));
    this.peer = started.peer;
    return started.sessionId;
  }

  send(text: string | Uint8Array, sessionId?: string): EncryptedEnvelope {
    const plaintext = typeof text === 'string' ? ascii(text) : text;
    const sent = must(encryptTo(this.peer, this.own, plaintext, this.random, sessionId));
    this.peer = sent.peer;
    return sent.envelope;
  }

  /** Reads it and keeps what comes of it; throws for a failure. */
  take(envelope: EncryptedEnvelope, now = NOW): Decrypted & { readonly text: string } {
    const got = must(receive(this.peer, this.own, envelope, now));
    this.peer = got.peer;
    const used = got.started?.oneTimePreKeyId;
    if (used !== undefined) {
      const { preKeys } = this.own;
      this.own = { ...this.own, preKeys: { ...preKeys, oneTime: preKeys.oneTime.filter(({ id }) => id !== used) } };
    }
    return { ...got, text: textOf(got.plaintext) };
  }

  /** Why it is refused; `undefined` when it isn't. */
  refusal(envelope: EncryptedEnvelope, now = NOW): string | undefined {
    const got = receive(this.peer, this.own, envelope, now);
    return got.ok ? undefined : got.reason;
  }
}

export function must<T>(outcome: ({ readonly ok: true } & T) | { readonly ok: false; readonly reason: string }): T {
  if (!outcome.ok) throw new Error(outcome.reason);
  return outcome;
}

/** Alice and Bob; Alice has started a session. */
export function pair(oneTime = true): { alice: End; bob: End } {
  const alice = new End(makeUser('alice'), 'bob');
  const bob = new End(makeUser('bob'), 'alice');
  alice.start(bundleOf(bob.own, oneTime));
  return { alice, bob };
}

/** The same, once both have heard of one another. */
export function acquainted(): { alice: End; bob: End } {
  const { alice, bob } = pair();
  bob.take(alice.send('hello'));
  alice.take(bob.send('hello yourself'));
  return { alice, bob };
}
