import { type ByteReader, ByteWriter, equalBytes, readStrictly } from '../../../lib/bytes.ts';
import { readSkippedKeys, type SkippedKey, writeSkippedKeys } from './skipped-keys.ts';

/** A group member and their current identity key. */
export interface GroupMember {
  readonly userId: string;
  readonly identityKey: Uint8Array;
}

/** The chain that this user sends on. */
export interface SendingChain {
  readonly chainId: number;
  /** Number of the next message. */
  readonly iteration: number;
  readonly chainKey: Uint8Array;
  /** The Ed25519 key that signs the chain's messages: seed followed by the public key, 64 bytes. */
  readonly signingKey: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** The members that have been sent the chain key. */
  readonly distributedTo: readonly GroupMember[];
}

/** A chain that another member sends on. */
export interface ReceivingChain {
  readonly senderId: string;
  /** The sender's identity key in the session that delivered the chain key. */
  readonly identityKey: Uint8Array;
  readonly chainId: number;
  readonly iteration: number;
  readonly chainKey: Uint8Array;
  /** The Ed25519 key that verifies the chain's messages. */
  readonly sigKey: Uint8Array;
  readonly skippedKeys: readonly SkippedKey[];
}

/** All sender-key chains of one conversation. Immutable: each operation returns the next record. */
export interface SenderKeyRecord {
  readonly conversationId: string;
  readonly sendingChain: SendingChain | undefined;
  /** Newest last. */
  readonly receivingChains: readonly ReceivingChain[];
}

/** Creates an empty record. */
export function newSenderKeyRecord(conversationId: string): SenderKeyRecord {
  return { conversationId, sendingChain: undefined, receivingChains: [] };
}

/** Whether both are the same user with the same identity key. */
export function isSameMember(a: GroupMember, b: GroupMember): boolean {
  return a.userId === b.userId && equalBytes(a.identityKey, b.identityKey);
}

/** Finds the chain of a sender. */
export function findReceivingChain(
  record: SenderKeyRecord,
  senderId: string,
  chainId: number,
): ReceivingChain | undefined {
  return record.receivingChains.find((chain) => chain.senderId === senderId && chain.chainId === chainId);
}

/** Serializes a record for storage. */
export function encodeSenderKeyRecord(record: SenderKeyRecord): Uint8Array {
  const writer = new ByteWriter().u8(1).text(record.conversationId);
  writer.maybe(record.sendingChain, (chain) => {
    writer.u32(chain.chainId).u32(chain.iteration).bytes(chain.chainKey).bytes(chain.signingKey).u64(chain.createdAt);
    writer.list(chain.distributedTo, ({ userId, identityKey }) => writer.text(userId).bytes(identityKey));
  });
  writer.list(record.receivingChains, (chain) => {
    writer.text(chain.senderId).bytes(chain.identityKey).u32(chain.chainId).u32(chain.iteration);
    writer.bytes(chain.chainKey).bytes(chain.sigKey);
    writeSkippedKeys(writer, chain.skippedKeys, 0);
  });
  return writer.done();
}

/** Reads what {@link encodeSenderKeyRecord} wrote. Returns `undefined` if the bytes are malformed. */
export function decodeSenderKeyRecord(bytes: Uint8Array): SenderKeyRecord | undefined {
  return readStrictly(bytes, (reader) => {
    if (reader.u8() !== 1) reader.fail();
    return {
      conversationId: reader.text(),
      sendingChain: reader.maybe(() => readSendingChain(reader)),
      receivingChains: reader.list(() => readReceivingChain(reader)),
    };
  });
}

function readSendingChain(reader: ByteReader): SendingChain {
  return {
    chainId: reader.u32(),
    iteration: reader.u32(),
    chainKey: reader.take(32),
    signingKey: reader.take(64),
    createdAt: reader.u64(),
    distributedTo: reader.list(() => ({ userId: reader.text(), identityKey: reader.take(32) })),
  };
}

function readReceivingChain(reader: ByteReader): ReceivingChain {
  return {
    senderId: reader.text(),
    identityKey: reader.take(32),
    chainId: reader.u32(),
    iteration: reader.u32(),
    chainKey: reader.take(32),
    sigKey: reader.take(32),
    skippedKeys: readSkippedKeys(reader, 0),
  };
}
