import { equalBytes } from '../../lib/bytes.ts';
import { type Chain, checkGap, MAX_GAP, nextMessageKey, rootStep, skipTo } from './chain.ts';
import { failure, type Outcome } from './failures.ts';
import { dh, dhKeyPair, type KeyPair, type Random } from './primitives.ts';
import { type SkippedKey, takeSkipped, withSkipped } from './skipped-keys.ts';

/**
 * One side of a Double Ratchet (Signal, "The Double Ratchet Algorithm"). A value: a step returns the next one, and whoever
 * calls keeps it only after the message's tag has verified.
 */
export interface Ratchet {
  readonly root: Uint8Array;
  /**
   * The pair that our messages name. Gone once the other side has answered it with a new key of its own: a new pair is
   * drawn when we send next, and until then no honest message needs the old one.
   */
  readonly own: KeyPair | undefined;
  readonly remote: Uint8Array | undefined;
  readonly sending: Chain | undefined;
  readonly receiving: Chain | undefined;
  /** How many messages our chain before the current one had: PN. */
  readonly previous: number;
  readonly skipped: readonly SkippedKey[];
}

/** Where a message stands: the ratchet key it was sent under, PN and N. */
export interface Position {
  readonly dh: Uint8Array;
  readonly pn: number;
  readonly n: number;
}

const UNTURNED = { remote: undefined, sending: undefined, receiving: undefined, previous: 0, skipped: [] } as const;

/** The side that starts: a fresh pair against the other's signed prekey. `undefined` when their DH is zero. */
export function startRatchet(secret: Uint8Array, pair: KeyPair, signedPreKey: Uint8Array): Ratchet | undefined {
  const shared = dh(pair.privateKey, signedPreKey);
  if (shared === undefined) return undefined;
  const { root, chain } = rootStep(secret, shared);
  return { ...UNTURNED, root, own: pair, remote: signedPreKey, sending: chain };
}

/** The side that answers: its signed prekey is its first ratchet pair. */
export function answerRatchet(secret: Uint8Array, signedPreKey: KeyPair): Ratchet {
  const { publicKey, privateKey } = signedPreKey;
  return { ...UNTURNED, root: secret, own: { publicKey, privateKey } };
}

/** The key of the next message out. `undefined` before anything was received on a ratchet that answers. */
export function sendStep(
  ratchet: Ratchet,
  random: Random,
): { ratchet: Ratchet; position: Position; key: Uint8Array } | undefined {
  const ready = ratchet.sending === undefined ? withSendingChain(ratchet, random) : ratchet;
  if (ready?.sending === undefined || ready.own === undefined || ready.sending.next > 0xffff_ffff) return undefined;
  const position = { dh: ready.own.publicKey, pn: ready.previous, n: ready.sending.next };
  const { key, chain } = nextMessageKey(ready.sending);
  return { ratchet: { ...ready, sending: chain }, position, key };
}

function withSendingChain(ratchet: Ratchet, random: Random): Ratchet | undefined {
  if (ratchet.remote === undefined) return undefined;
  const own = dhKeyPair(random(32));
  const shared = dh(own.privateKey, ratchet.remote);
  if (shared === undefined) return undefined;
  const { root, chain } = rootStep(ratchet.root, shared);
  return { ...ratchet, root, own, sending: chain };
}

/** What came out of a message, and whether it is the newest of its session so far. */
export interface Read {
  readonly ratchet: Ratchet;
  readonly plaintext: Uint8Array;
  readonly newest: boolean;
}

/** Reads a message at a position; `open` checks its tag under the key it is given. */
export function receiveStep(
  ratchet: Ratchet,
  position: Position,
  open: (key: Uint8Array) => Uint8Array | undefined,
  now: number,
): Outcome<Read> {
  const kept = takeSkipped(ratchet.skipped, position.dh, position.n, now);
  if (kept !== undefined) {
    const plaintext = open(kept.key);
    if (plaintext === undefined) return failure('bad-tag');
    return { ok: true, ratchet: { ...ratchet, skipped: kept.rest }, plaintext, newest: false };
  }
  const { receiving, remote } = ratchet;
  if (receiving !== undefined && remote !== undefined && equalBytes(remote, position.dh))
    return readOn(ratchet, receiving, position, open, now, () => ratchet.skipped);
  return turn(ratchet, position, open, now);
}

/** The next message of the other side's chain, or one after a gap. `aside` are the keys put aside before it. */
function readOn(
  ratchet: Ratchet,
  receiving: Chain,
  { dh, n }: Position,
  open: (key: Uint8Array) => Uint8Array | undefined,
  now: number,
  aside: () => readonly SkippedKey[],
): Outcome<Read> {
  const gap = checkGap(receiving, n);
  if (!gap.ok) return gap;
  const { chain, skipped } = skipTo(receiving, n);
  const step = nextMessageKey(chain);
  const plaintext = open(step.key);
  if (plaintext === undefined) return failure('bad-tag');
  const kept = withSkipped(aside(), dh, skipped, now);
  return { ok: true, ratchet: { ...ratchet, receiving: step.chain, skipped: kept }, plaintext, newest: true };
}

/** The other side has a new ratchet key: a DH step, and the rest of its old chain is put aside. */
function turn(
  ratchet: Ratchet,
  position: Position,
  open: (key: Uint8Array) => Uint8Array | undefined,
  now: number,
): Outcome<Read> {
  const { receiving, remote, own, sending, skipped } = ratchet;
  // Both gaps are measured before anything is computed.
  if (position.n > MAX_GAP || (receiving !== undefined && position.pn - receiving.next > MAX_GAP))
    return failure('gap');
  // The other side turns only once it has our newest key, and gets that with the next message we send.
  if (own === undefined) return failure('bad-tag');
  const shared = dh(own.privateKey, position.dh);
  if (shared === undefined) return failure('bad-key');
  const { root, chain } = rootStep(ratchet.root, shared);
  const previous = sending?.next ?? ratchet.previous;
  const turned: Ratchet = {
    root,
    own: undefined,
    remote: position.dh,
    sending: undefined,
    receiving: chain,
    previous,
    skipped,
  };
  return readOn(turned, chain, position, open, now, () =>
    receiving === undefined || remote === undefined
      ? skipped
      : withSkipped(skipped, remote, skipTo(receiving, position.pn).skipped, now),
  );
}
