import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import type { Outcome } from './failures.ts';
import type { SenderKey } from './payload.ts';
import type { OwnIdentity } from './peer-sessions.ts';
import type { Random } from './primitives.ts';

/** A member, and the identity key that the member has now. */
export interface Member {
  readonly userId: string;
  readonly identityKey: Uint8Array;
}

/** The chains of one conversation. A value: each step returns the next one. */
export interface Group {
  readonly conversationId: string;
  readonly own: OwnChain | undefined;
  /** Other members' chains, the newest last. */
  readonly others: readonly MemberChain[];
}

export interface OwnChain {
  readonly chainId: number;
  readonly iteration: number;
  readonly chainKey: Uint8Array;
  readonly signingSeed: Uint8Array;
  readonly createdAt: number;
  /** Who was given the key. */
  readonly given: readonly Member[];
}

export interface MemberChain {
  readonly senderId: string;
  /** The identity key of the session that the chain's key came on. */
  readonly identityKey: Uint8Array;
  readonly chainId: number;
  readonly sigKey: Uint8Array;
}

export function newGroup(conversationId: string): Group {
  return { conversationId, own: undefined, others: [] };
}

/**
 * Makes sure that the own chain may be used among these members (all others of the conversation): a new one when somebody
 * left or changed keys, after 7 days, after 1,000 messages. `missing` are those who must be given `senderKey` pairwise
 * before a message goes out; then {@link markGiven}.
 */
export function prepareChain(
  _group: Group,
  _members: readonly Member[],
  _random: Random,
  _now: number,
): { group: Group; senderKey: SenderKey; missing: readonly Member[] } {
  throw new Error('not yet');
}

export function markGiven(_group: Group, _chainId: number, _members: readonly Member[]): Group {
  throw new Error('not yet');
}

/** Takes a key that came pairwise from `sender`, under that identity key. */
export function acceptSenderKey(_group: Group, _sender: Member, _key: SenderKey): Outcome<{ group: Group }> {
  throw new Error('not yet');
}

/** Encrypts on the own chain, which {@link prepareChain} has made. */
export function encryptToGroup(
  _group: Group,
  _own: OwnIdentity,
  _plaintext: Uint8Array,
  _random: Random,
): Outcome<{ group: Group; envelope: EncryptedEnvelope }> {
  throw new Error('not yet');
}

/** `unknown-session`: the chain isn't here; ask its sender once, with `chainId` of {@link chainIdOf}. */
export function receiveInGroup(
  _group: Group,
  _own: OwnIdentity,
  _envelope: EncryptedEnvelope,
  _now: number,
): Outcome<{ group: Group; plaintext: Uint8Array; identityKey: Uint8Array }> {
  throw new Error('not yet');
}

/** The chain that an envelope says it is on. */
export function chainIdOf(_envelope: EncryptedEnvelope): number | undefined {
  throw new Error('not yet');
}

/** Without the chains of somebody who left. */
export function forgetMember(_group: Group, _userId: string): Group {
  throw new Error('not yet');
}

export function encodeGroup(_group: Group): Uint8Array {
  throw new Error('not yet');
}

export function decodeGroup(_bytes: Uint8Array): Group | undefined {
  throw new Error('not yet');
}
