import { RECORDS } from '../keystore/keystore.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';

/** A stored chain of a sender, in any conversation. */
interface IndexedChain {
  readonly cid: string;
  readonly chainId: number;
  /** When its key arrived, in milliseconds since the epoch. */
  readonly at: number;
  /** Size of its record. */
  readonly bytes: number;
}

/** How long chains are kept: for members who were away, and to answer those who request a key again. */
export const CHAIN_RETENTION_MS = 30 * 24 * 3_600_000;
/** One sender's chains in all conversations. A sender who exceeds a bound loses only their own oldest chains. */
const MAX_BYTES_PER_SENDER = 512 * 1_024;
const MAX_CHAINS_PER_SENDER = 300;

/**
 * Records the size of a stored chain, and deletes chains of the sender that are older than 30 days or beyond the bounds,
 * oldest first. The transaction must declare the sender's `chainIndex`.
 */
export function indexChain(
  tx: RecordTransaction,
  senderId: string,
  { cid, chainId, bytes }: Omit<IndexedChain, 'at'>,
  now: number,
): void {
  const stored = parseIndex(tx.getJson(RECORDS.chainIndex(senderId)));
  const isChain = (each: IndexedChain): boolean => each.cid === cid && each.chainId === chainId;
  const at = stored.find(isChain)?.at ?? now;
  const chains = [...stored.filter((each) => !isChain(each)), { cid, chainId, at, bytes }];
  const kept: IndexedChain[] = [];
  let total = 0;
  for (const each of chains.toSorted((a, b) => b.at - a.at)) {
    total += each.bytes;
    const isWithin = total <= MAX_BYTES_PER_SENDER && kept.length < MAX_CHAINS_PER_SENDER;
    if (isChain(each) || (isWithin && now - each.at < CHAIN_RETENTION_MS)) kept.push(each);
    else tx.delete(RECORDS.receivingChain(each.cid, senderId, each.chainId));
  }
  tx.putJson(
    RECORDS.chainIndex(senderId),
    kept.map((each) => ({ ...each })),
  );
}

function parseIndex(value: unknown): IndexedChain[] {
  return Array.isArray(value) ? (value as IndexedChain[]) : [];
}
