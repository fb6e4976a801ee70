import { equalBytes } from '../../../lib/bytes.ts';
import { type Chain, checkSkip, kdfChainKey, kdfRootKey, MAX_SKIP, skipMessageKeys } from './chain.ts';
import { failure, type Outcome } from './failures.ts';
import { type KeyPair, type Random, x25519, x25519KeyPair } from './primitives.ts';
import { addSkippedKeys, type SkippedKey, takeSkippedKey } from './skipped-keys.ts';

/**
 * One side of a Double Ratchet (Signal, "The Double Ratchet Algorithm"). Immutable: each step returns the next state, which
 * the caller keeps only after the message's tag has verified.
 */
export interface RatchetState {
  readonly rootKey: Uint8Array;
  /**
   * The ratchet key pair of our sending chain. Deleted as soon as the peer has answered it with a new ratchet key: the next
   * message we send creates another pair, and no honest message refers to the old one in between.
   */
  readonly ownKeyPair: KeyPair | undefined;
  readonly remoteKey: Uint8Array | undefined;
  readonly sending: Chain | undefined;
  readonly receiving: Chain | undefined;
  /** PN: number of messages in our previous sending chain. */
  readonly previousCount: number;
  readonly skippedKeys: readonly SkippedKey[];
}

/** The ratchet fields of a message header. */
export interface RatchetHeader {
  /** The sender's ratchet key. */
  readonly ratchetKey: Uint8Array;
  /** Number of messages in the sender's previous chain. */
  readonly pn: number;
  /** Number of the message in its chain. */
  readonly n: number;
}

const INITIAL_STATE = {
  remoteKey: undefined,
  sending: undefined,
  receiving: undefined,
  previousCount: 0,
  skippedKeys: [],
} as const;

/**
 * Creates the initiator's ratchet: `keyPair` is fresh, and the responder's signed prekey is the first remote key.
 *
 * @returns `undefined` if the DH result is zero
 */
export function initiatorRatchet(
  secret: Uint8Array,
  keyPair: KeyPair,
  signedPreKey: Uint8Array,
): RatchetState | undefined {
  const shared = x25519(keyPair.privateKey, signedPreKey);
  if (shared === undefined) return undefined;
  const { rootKey, chain } = kdfRootKey(secret, shared);
  return { ...INITIAL_STATE, rootKey, ownKeyPair: keyPair, remoteKey: signedPreKey, sending: chain };
}

/** Creates the responder's ratchet: the signed prekey is its first ratchet key pair. */
export function responderRatchet(secret: Uint8Array, signedPreKey: KeyPair): RatchetState {
  const { publicKey, privateKey } = signedPreKey;
  return { ...INITIAL_STATE, rootKey: secret, ownKeyPair: { publicKey, privateKey } };
}

/**
 * Derives the key and header of the next outgoing message.
 *
 * @returns `undefined` if the responder has not received anything yet, or if the message number is exhausted
 */
export function advanceSendingChain(
  ratchet: RatchetState,
  random: Random,
): { ratchet: RatchetState; ratchetHeader: RatchetHeader; key: Uint8Array } | undefined {
  const ready = ratchet.sending === undefined ? startSendingChain(ratchet, random) : ratchet;
  if (ready?.sending === undefined || ready.ownKeyPair === undefined || ready.sending.next > 0xffff_ffff)
    return undefined;
  const ratchetHeader = { ratchetKey: ready.ownKeyPair.publicKey, pn: ready.previousCount, n: ready.sending.next };
  const { key, chain } = kdfChainKey(ready.sending);
  return { ratchet: { ...ready, sending: chain }, ratchetHeader, key };
}

function startSendingChain(ratchet: RatchetState, random: Random): RatchetState | undefined {
  if (ratchet.remoteKey === undefined) return undefined;
  const ownKeyPair = x25519KeyPair(random(32));
  const shared = x25519(ownKeyPair.privateKey, ratchet.remoteKey);
  if (shared === undefined) return undefined;
  const { rootKey, chain } = kdfRootKey(ratchet.rootKey, shared);
  return { ...ratchet, rootKey, ownKeyPair, sending: chain };
}

/** A decrypted message and the ratchet after it. */
export interface RatchetDecrypted {
  readonly ratchet: RatchetState;
  readonly plaintext: Uint8Array;
  /** True if no later message of the session has been decrypted. */
  readonly isNewest: boolean;
}

/**
 * Decrypts a message. `open` decrypts it under a candidate message key and returns `undefined` if the tag is wrong. A failure
 * leaves the ratchet unchanged.
 */
export function ratchetDecrypt(
  ratchet: RatchetState,
  header: RatchetHeader,
  open: (key: Uint8Array) => Uint8Array | undefined,
  now: number,
): Outcome<RatchetDecrypted> {
  const skipped = takeSkippedKey(ratchet.skippedKeys, header.ratchetKey, header.n, now);
  if (skipped !== undefined) {
    const plaintext = open(skipped.key);
    if (plaintext === undefined) return failure('bad-tag');
    return { ok: true, ratchet: { ...ratchet, skippedKeys: skipped.rest }, plaintext, isNewest: false };
  }
  const { receiving, remoteKey } = ratchet;
  if (receiving !== undefined && remoteKey !== undefined && equalBytes(remoteKey, header.ratchetKey))
    return decryptOnChain(ratchet, receiving, header, open, now, () => ratchet.skippedKeys);
  return dhRatchet(ratchet, header, open, now);
}

/** Decrypts a message of the receiving chain. `skippedBefore` are the keys that were skipped on earlier chains. */
function decryptOnChain(
  ratchet: RatchetState,
  receiving: Chain,
  { ratchetKey, n }: RatchetHeader,
  open: (key: Uint8Array) => Uint8Array | undefined,
  now: number,
  skippedBefore: () => readonly SkippedKey[],
): Outcome<RatchetDecrypted> {
  const gap = checkSkip(receiving, n);
  if (!gap.ok) return gap;
  const reached = skipMessageKeys(receiving, n);
  const step = kdfChainKey(reached.chain);
  const plaintext = open(step.key);
  if (plaintext === undefined) return failure('bad-tag');
  const skippedKeys = addSkippedKeys(skippedBefore(), ratchetKey, reached.skippedKeys, now);
  return { ok: true, ratchet: { ...ratchet, receiving: step.chain, skippedKeys }, plaintext, isNewest: true };
}

/** DHRatchet: the message carries a new ratchet key. Stores the remaining keys of the old chain as skipped. */
function dhRatchet(
  ratchet: RatchetState,
  header: RatchetHeader,
  open: (key: Uint8Array) => Uint8Array | undefined,
  now: number,
): Outcome<RatchetDecrypted> {
  const { receiving, remoteKey, ownKeyPair, sending, skippedKeys } = ratchet;
  // Both gaps are checked before any key is computed.
  if (header.n > MAX_SKIP || (receiving !== undefined && header.pn - receiving.next > MAX_SKIP)) return failure('gap');
  // The peer creates a new ratchet key only after it has received our newest one, which our next message carries.
  if (ownKeyPair === undefined) return failure('bad-tag');
  const shared = x25519(ownKeyPair.privateKey, header.ratchetKey);
  if (shared === undefined) return failure('bad-key');
  const { rootKey, chain } = kdfRootKey(ratchet.rootKey, shared);
  const turned: RatchetState = {
    rootKey,
    ownKeyPair: undefined,
    remoteKey: header.ratchetKey,
    sending: undefined,
    receiving: chain,
    previousCount: sending?.next ?? ratchet.previousCount,
    skippedKeys,
  };
  return decryptOnChain(turned, chain, header, open, now, () =>
    receiving === undefined || remoteKey === undefined
      ? skippedKeys
      : addSkippedKeys(skippedKeys, remoteKey, skipMessageKeys(receiving, header.pn).skippedKeys, now),
  );
}
