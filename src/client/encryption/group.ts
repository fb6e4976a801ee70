import { type ByteReader, ByteWriter, equalBytes, readStrictly } from '../../lib/bytes.ts';
import { readSkipped, type SkippedKey, writeSkipped } from './skipped-keys.ts';

/** A member, and the identity key that the member has now. */
export interface Member {
  readonly userId: string;
  readonly identityKey: Uint8Array;
}

/** The chain that we send on. */
export interface OwnChain {
  readonly chainId: number;
  readonly iteration: number;
  readonly chainKey: Uint8Array;
  /** The Ed25519 key that signs its messages: 32 bytes of seed, 32 of public key. */
  readonly signingKey: Uint8Array;
  readonly createdAt: number;
  /** Who was given the key. */
  readonly given: readonly Member[];
}

/** A chain that another member sends on. */
export interface MemberChain {
  readonly senderId: string;
  /** The identity key of the session that the chain's key came on. */
  readonly identityKey: Uint8Array;
  readonly chainId: number;
  readonly iteration: number;
  readonly chainKey: Uint8Array;
  readonly sigKey: Uint8Array;
  readonly skipped: readonly SkippedKey[];
}

/** The chains of one conversation. A value: each step returns the next one. */
export interface Group {
  readonly conversationId: string;
  readonly own: OwnChain | undefined;
  /** Other members' chains, the newest last. */
  readonly others: readonly MemberChain[];
}

export function newGroup(conversationId: string): Group {
  return { conversationId, own: undefined, others: [] };
}

export function isSameMember(a: Member, b: Member): boolean {
  return a.userId === b.userId && equalBytes(a.identityKey, b.identityKey);
}

/** Without the chains of somebody who left. */
export function forgetMember(group: Group, userId: string): Group {
  return { ...group, others: group.others.filter(({ senderId }) => senderId !== userId) };
}

export function encodeGroup(group: Group): Uint8Array {
  const writer = new ByteWriter().u8(1).text(group.conversationId);
  writer.maybe(group.own, (own) => {
    writer.u32(own.chainId).u32(own.iteration).bytes(own.chainKey).bytes(own.signingKey).u64(own.createdAt);
    writer.list(own.given, ({ userId, identityKey }) => writer.text(userId).bytes(identityKey));
  });
  writer.list(group.others, (chain) => {
    writer.text(chain.senderId).bytes(chain.identityKey).u32(chain.chainId).u32(chain.iteration);
    writer.bytes(chain.chainKey).bytes(chain.sigKey);
    writeSkipped(writer, chain.skipped, 0);
  });
  return writer.done();
}

export function decodeGroup(bytes: Uint8Array): Group | undefined {
  return readStrictly(bytes, (reader) => {
    if (reader.u8() !== 1) reader.fail();
    return {
      conversationId: reader.text(),
      own: reader.maybe(() => readOwnChain(reader)),
      others: reader.list(() => readMemberChain(reader)),
    };
  });
}

function readOwnChain(reader: ByteReader): OwnChain {
  return {
    chainId: reader.u32(),
    iteration: reader.u32(),
    chainKey: reader.take(32),
    signingKey: reader.take(64),
    createdAt: reader.u64(),
    given: reader.list(() => ({ userId: reader.text(), identityKey: reader.take(32) })),
  };
}

function readMemberChain(reader: ByteReader): MemberChain {
  return {
    senderId: reader.text(),
    identityKey: reader.take(32),
    chainId: reader.u32(),
    iteration: reader.u32(),
    chainKey: reader.take(32),
    sigKey: reader.take(32),
    skipped: readSkipped(reader, 0),
  };
}
