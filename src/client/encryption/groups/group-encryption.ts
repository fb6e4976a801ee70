/*
 * Transaction steps of group encryption. Loaded with the first group in which a message is encrypted or decrypted. Transactions
 * must declare `identity` and the `session` and `trust` of each peer, to encrypt the conversation's `sendingChain`, and to decrypt
 * the records of `recordsForChain`.
 */
import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { CALL_CID_PREFIX, putCallKey } from '../keystore/call-key-record.ts';
import {
  decodeRecord,
  DISTRIBUTED_KEYS,
  distributedKeys,
  encryptForPeer,
  enqueueEnvelope,
  getTrust,
  type Keystore,
  receivingChains,
  RECORDS,
} from '../keystore/keystore.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import { chainIdOf, GroupCipher } from '../nkc1/group-cipher.ts';
import { GroupSessionBuilder } from '../nkc1/group-session-builder.ts';
import { pinnedIdentityKey } from '../nkc1/identity-trust.ts';
import {
  type ChangePayload,
  encodePayload,
  type MessagePayload,
  type SenderKeyDistribution,
  type SenderKeyRequest,
} from '../nkc1/payload.ts';
import {
  decodeSenderKeyRecord,
  encodeSenderKeyRecord,
  findReceivingChain,
  type GroupMember,
  newSenderKeyRecord,
  type SenderKeyRecord,
} from '../nkc1/sender-key-record.ts';
import { CHAIN_RETENTION_MS, indexChain } from './chain-index.ts';
import { decryptionFailed, type DecryptionResult, openPayload } from '../sessions/decrypt-envelope.ts';

export { chainIdOf };

/** Bounds what is kept to answer requests for sender keys. */
const MAX_DISTRIBUTED_KEYS = 5_000;

/** The chain key that was sent to a member, so that it can be sent again. */
interface DistributedKey {
  readonly identityKey: string;
  readonly iteration: number;
  readonly chainKey: string;
  readonly sigKey: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The records of a member's chain. A message for which there is no chain needs them too. */
export function recordsForChain(cid: string, senderId: string, chainId = 0): string[] {
  return [RECORDS.receivingChain(cid, senderId, chainId), RECORDS.chainIndex(senderId)];
}

/**
 * Encrypts a message for a group, and enqueues the sender key for members that have not been sent it.
 *
 * @returns `undefined` if the session with a member no longer exists
 */
export function encryptForGroup(
  tx: RecordTransaction,
  keystore: Keystore,
  memberIds: readonly string[],
  payload: MessagePayload | ChangePayload,
  now: number,
): EncryptedEnvelope | undefined {
  keystore.requireStored();
  const { cid } = payload;
  const members = memberIds.flatMap((userId) => {
    const trust = getTrust(tx, userId);
    return trust === undefined ? [] : [{ userId, identityKey: pinnedIdentityKey(trust) }];
  });
  const prepared = GroupSessionBuilder.prepare(getSendingRecord(tx, cid), members, keystore.random, now);
  const { senderKey, missing } = prepared;
  for (const { userId } of missing) if (!enqueueSenderKey(tx, keystore, userId, senderKey, now)) return undefined;
  for (const member of missing) putDistributedKey(tx, senderKey, member, now);
  const record = GroupSessionBuilder.markDistributed(prepared.record, senderKey.chainId, missing);
  const step = GroupCipher.encrypt(record, keystore.localIdentity(tx), encodePayload(payload), keystore.random);
  if (!step.ok) return undefined;
  tx.put(RECORDS.sendingChain(cid), encodeSenderKeyRecord(step.record));
  return step.envelope;
}

/** Decrypts a group message and stores the sender's chain, and no other. */
export function decryptFromGroup(
  tx: RecordTransaction,
  keystore: Keystore,
  cid: string,
  envelope: EncryptedEnvelope,
  now: number,
): DecryptionResult {
  const { senderId } = envelope;
  const step = GroupCipher.decrypt(getReceivingRecord(tx, cid, senderId, chainIdOf(envelope)), keystore, envelope, now);
  if (!step.ok) {
    // For a member who joined later, messages before their first iteration look like replays.
    const isKeyMissing = step.reason === 'unknown-session' || step.reason === 'replay';
    const failed = decryptionFailed(isKeyMissing ? 'no-sender-key' : step.reason);
    // The sender may have gone back to an earlier state of the chain.
    return step.reason === 'replay' ? { ...failed, sessionFailure: step.reason } : failed;
  }
  // The identity key was evaluated when the sender key arrived; the pinned key may have changed since.
  const trust = getTrust(tx, senderId);
  if (trust?.changedTo !== undefined) return decryptionFailed('identity-changed');
  if (trust?.key !== toBase64(step.identityKey)) return decryptionFailed('wrong-key');
  putReceivingRecord(tx, senderId, step.record, now);
  return openPayload(step.plaintext, step.identityKey);
}

/**
 * Stores a sender key that arrived pairwise. The transaction must also declare `callKey`.
 *
 * @returns whether earlier messages may be decryptable now
 */
export function acceptDistribution(
  tx: RecordTransaction,
  sender: GroupMember,
  key: SenderKeyDistribution,
  now: number,
): boolean {
  if (key.cid.startsWith(CALL_CID_PREFIX)) {
    putCallKey(tx, sender.userId, key, now);
    return false;
  }
  const record = getReceivingRecord(tx, key.cid, sender.userId, key.chainId);
  const step = GroupSessionBuilder.accept(record, sender, key);
  if (step.ok && step.record !== record) putReceivingRecord(tx, sender.userId, step.record, now);
  return step.ok;
}

/**
 * Answers a member's request for a sender key with the key that this member was sent before. Requests of other users, and
 * requests under another identity key, are ignored. The transaction must declare `distributedKey`.
 *
 * @returns whether an envelope was enqueued
 */
export function redistribute(
  tx: RecordTransaction,
  keystore: Keystore,
  member: GroupMember,
  { cid, chainId }: SenderKeyRequest,
  now: number,
): boolean {
  if (!keystore.isStored) return false;
  const sent = tx.getJson(RECORDS.distributedKey(cid, chainId, member.userId)) as DistributedKey | undefined;
  if (sent?.identityKey !== toBase64(member.identityKey) || now - sent.at >= CHAIN_RETENTION_MS) return false;
  const chainKey = fromBase64(sent.chainKey);
  const sigKey = fromBase64(sent.sigKey);
  if (chainKey === undefined || sigKey === undefined) return false;
  const senderKey = { cid, chainId, iteration: sent.iteration, chainKey, sigKey };
  return enqueueSenderKey(tx, keystore, member.userId, senderKey, now);
}

/**
 * Enqueues a request for a sender key, unless it has arrived.
 *
 * @returns whether an envelope was enqueued
 */
export function requestSenderKey(
  tx: RecordTransaction,
  keystore: Keystore,
  senderId: string,
  request: SenderKeyRequest,
  now: number,
): boolean {
  const record = getReceivingRecord(tx, request.cid, senderId, request.chainId);
  if (findReceivingChain(record, senderId, request.chainId) !== undefined) return false;
  return enqueueSenderKey(tx, keystore, senderId, request, now);
}

function enqueueSenderKey(
  tx: RecordTransaction,
  keystore: Keystore,
  userId: string,
  senderKey: SenderKeyDistribution | SenderKeyRequest,
  now: number,
): boolean {
  const payload = { kind: 'sender-key', id: keystore.newId(), ts: now, cid: senderKey.cid, senderKey } as const;
  const step = encryptForPeer(tx, keystore, userId, payload);
  if (step.ok) enqueueEnvelope(tx, keystore, step.envelope);
  return step.ok;
}

function getSendingRecord(tx: RecordTransaction, cid: string): SenderKeyRecord {
  return readRecord(tx.get(RECORDS.sendingChain(cid)), cid);
}

/** Reads the record of one chain of a member, which has no other chains. */
function getReceivingRecord(tx: RecordTransaction, cid: string, senderId: string, chainId = 0): SenderKeyRecord {
  return readRecord(tx.get(RECORDS.receivingChain(cid, senderId, chainId)), cid);
}

function putReceivingRecord(tx: RecordTransaction, senderId: string, record: SenderKeyRecord, now: number): void {
  const cid = record.conversationId;
  const bytes = encodeSenderKeyRecord(record);
  const chainId = record.receivingChains[0]?.chainId ?? 0;
  tx.put(RECORDS.receivingChain(cid, senderId, chainId), bytes);
  indexChain(tx, senderId, { cid, chainId, bytes: bytes.length }, now);
}

function readRecord(stored: Uint8Array | undefined, cid: string): SenderKeyRecord {
  return stored === undefined ? newSenderKeyRecord(cid) : decodeRecord(stored, decodeSenderKeyRecord);
}

function putDistributedKey(
  tx: RecordTransaction,
  { cid, chainId, iteration, chainKey, sigKey }: SenderKeyDistribution,
  { userId, identityKey }: GroupMember,
  at: number,
): void {
  tx.putJson(RECORDS.distributedKey(cid, chainId, userId), {
    identityKey: toBase64(identityKey),
    iteration,
    chainKey: toBase64(chainKey),
    sigKey: toBase64(sigKey),
    at,
  });
}

/** Deletes all chains of a conversation that the user has left, and the keys that were sent to its members. */
export async function deleteGroupKeys({ records }: Keystore, cid: string): Promise<void> {
  const prefixes = [receivingChains(cid), distributedKeys(cid)];
  const names = (await Promise.all(prefixes.map((prefix) => records.listNames(prefix)))).flat();
  await records.transact([], (tx) => {
    for (const name of [...names, RECORDS.sendingChain(cid)]) tx.delete(name);
  });
}

/**
 * Ends the sending chains of which a member has the key, so that the next message starts others. Call when the member has lost
 * data, or can't decrypt because this device has gone back to an earlier state.
 */
export async function endChainsFor({ records }: Keystore, userId: string): Promise<void> {
  const prefix = RECORDS.sendingChain('');
  for (const name of await records.listNames(prefix)) {
    await records.transact([name], (tx) => {
      const record = getSendingRecord(tx, decodeURIComponent(name.slice(prefix.length)));
      if (record.sendingChain?.distributedTo.some((member) => member.userId === userId) !== true) return;
      tx.put(name, encodeSenderKeyRecord({ ...record, sendingChain: undefined }));
    });
  }
}

/** Deletes the keys that were sent to members more than 30 days ago, and the oldest ones beyond 5,000. */
export async function deleteExpiredDistributedKeys({ records }: Keystore, now: number): Promise<void> {
  const stored = (await records.listJson(DISTRIBUTED_KEYS)) as [name: string, key: DistributedKey][];
  const expired = stored
    .toSorted(([, a], [, b]) => b.at - a.at)
    .filter(([, { at }], index) => index >= MAX_DISTRIBUTED_KEYS || now - at >= CHAIN_RETENTION_MS);
  await records.transact([], (tx) => {
    for (const [name] of expired) tx.delete(name);
  });
}
