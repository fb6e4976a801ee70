import { failure, type Outcome } from './failures.ts';
import type { SenderKeyDistribution } from './payload.ts';
import { ed25519KeyPair, ed25519ToX25519, type Random } from './primitives.ts';
import {
  findReceivingChain,
  type GroupMember,
  isSameMember,
  type ReceivingChain,
  type SenderKeyRecord,
  type SendingChain,
} from './sender-key-record.ts';

const MAX_AGE_MS = 7 * 24 * 60 * 60_000;
const MAX_MESSAGES = 1_000;

/** Creates, distributes and accepts sender keys. */
export const GroupSessionBuilder = {
  /**
   * Ensures a sending chain that may be used for these members, who are all other members of the conversation. Starts a new
   * chain if a member has left or changed keys, after 7 days, or after 1,000 messages. `senderKey` must be sent pairwise to
   * the `missing` members before a message is sent; then call `markDistributed`.
   */
  prepare(
    record: SenderKeyRecord,
    members: readonly GroupMember[],
    random: Random,
    now: number,
  ): { record: SenderKeyRecord; senderKey: SenderKeyDistribution; missing: readonly GroupMember[] } {
    const current = record.sendingChain;
    const chain = current !== undefined && isUsable(current, members, now) ? current : createChain(random, now);
    return {
      record: { ...record, sendingChain: chain },
      senderKey: {
        cid: record.conversationId,
        chainId: chain.chainId,
        iteration: chain.iteration,
        chainKey: chain.chainKey,
        sigKey: chain.signingKey.slice(32),
      },
      missing: members.filter((member) => !hasReceived(chain, member)),
    };
  },

  /** Records which members were sent the key of the sending chain. No effect if that chain has been replaced. */
  markDistributed(record: SenderKeyRecord, chainId: number, members: readonly GroupMember[]): SenderKeyRecord {
    const { sendingChain: chain } = record;
    if (chain?.chainId !== chainId) return record;
    const added = members.filter((member) => !hasReceived(chain, member));
    return { ...record, sendingChain: { ...chain, distributedTo: [...chain.distributedTo, ...added] } };
  },

  /** Accepts a key that `sender` sent pairwise under that identity key. A chain that is already known keeps its state. */
  accept(
    record: SenderKeyRecord,
    sender: GroupMember,
    key: SenderKeyDistribution,
  ): Outcome<{ record: SenderKeyRecord }> {
    if (key.cid !== record.conversationId) return failure('not-ours');
    if (ed25519ToX25519(key.sigKey) === undefined) return failure('bad-key');
    if (findReceivingChain(record, sender.userId, key.chainId) !== undefined) return { ok: true, record };
    const { chainId, iteration, chainKey, sigKey } = key;
    const chain: ReceivingChain = {
      senderId: sender.userId,
      identityKey: sender.identityKey,
      chainId,
      iteration,
      chainKey,
      sigKey,
      skippedKeys: [],
    };
    return { ok: true, record: { ...record, receivingChains: [...record.receivingChains, chain] } };
  },
} as const;

function isUsable({ createdAt, iteration, distributedTo }: SendingChain, members: readonly GroupMember[], now: number) {
  if (now - createdAt >= MAX_AGE_MS || iteration >= MAX_MESSAGES) return false;
  return distributedTo.every((each) => members.some((member) => isSameMember(member, each)));
}

function hasReceived({ distributedTo }: SendingChain, member: GroupMember): boolean {
  return distributedTo.some((each) => isSameMember(each, member));
}

function createChain(random: Random, now: number): SendingChain {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  const chainId = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  return {
    chainId,
    iteration: 0,
    chainKey: random(32),
    signingKey: ed25519KeyPair(random(32)).secretKey,
    createdAt: now,
    distributedTo: [],
  };
}
