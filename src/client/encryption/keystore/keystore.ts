import { toBase64 } from '../../../lib/base64.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { CommStorage } from '../../../storage/comm-storage.ts';
import type { Outcome } from '../nkc1/failures.ts';
import { generateIdentityKeyPair, type IdentityKeyPair, identityKeyPairFromSeed } from '../nkc1/identity-key.ts';
import { type IdentityTrust, parseIdentityTrust } from '../nkc1/identity-trust.ts';
import { encodePayload, type Payload } from '../nkc1/payload.ts';
import { decodePreKeyState, EMPTY_PREKEY_STATE } from '../nkc1/prekey-state.ts';
import type { Random } from '../nkc1/primitives.ts';
import { SessionCipher } from '../nkc1/session-cipher.ts';
import {
  decodeSessionRecord,
  encodeSessionRecord,
  type LocalIdentity,
  type LocalParty,
  newSessionRecord,
  type SessionRecord,
} from '../nkc1/session-record.ts';
import { type DataKeyDeps, openDataKey } from './data-key.ts';
import { DATA_KEY_NAME, laterFormatError, RecordStore, resetError, type RecordTransaction } from './record-store.ts';

const SEED_BYTES = 32;

const path = (kind: string) => (id: string) => `${kind}/${encodeURIComponent(id)}`;

/** Prefix of all `resentCopy` records. */
export const RESENT_COPIES = 'late/';

/** Prefix of all `distributedKey` records. */
export const DISTRIBUTED_KEYS = 'given/';

/** Prefix of all `receivingChain` records. */
export const RECEIVING_CHAINS = 'chain/';

/** Prefix of the `receivingChain` records of a conversation. */
export function receivingChains(conversationId: string): string {
  return `${RECEIVING_CHAINS}${encodeURIComponent(conversationId)}/`;
}

/** Prefix of the `distributedKey` records of a conversation. */
export function distributedKeys(conversationId: string): string {
  return `${DISTRIBUTED_KEYS}${encodeURIComponent(conversationId)}/`;
}

/** Names of a user's records. */
export const RECORDS = {
  identity: 'identity',
  preKeys: 'prekeys',
  /** Sessions, by peer. */
  session: path('peer'),
  /** Identity trust, by peer. */
  trust: path('pin'),
  /** The own sender-key chain, by conversation. */
  sendingChain: path('group'),
  /** The sender-key chain of a member. */
  receivingChain: (conversationId: string, senderId: string, chainId: number) =>
    `${receivingChains(conversationId)}${encodeURIComponent(senderId)}/${chainId}`,
  /** The stored chains, by sender. */
  chainIndex: path('chains'),
  /** The chain key that was sent to a member. */
  distributedKey: (conversationId: string, chainId: number, userId: string) =>
    `${distributedKeys(conversationId)}${chainId}/${encodeURIComponent(userId)}`,
  /** Messages in the outbox, by client id. */
  draft: path('draft'),
  /** Plaintexts of own messages that have no message id yet, by the hash of their ciphertext. */
  ownPlaintext: path('own'),
  /** Plaintexts of messages, by message id. */
  plaintext: path('text'),
  /** Exists if the sender of an encrypted message has deleted it, by message id. */
  deletion: path('deleted'),
  /** Payloads of messages that only a later version can read, by message id. */
  keptPayload: path('kept'),
  /** Payloads and envelopes of a later version that arrived by mailbox, by sender. */
  keptMail: path('kept-mail'),
  /** Envelopes to be sent by `encryption:session-init`, by a time-ordered id. */
  mailbox: path('post'),
  /** Members of a conversation as far as a base server has reported them. */
  members: path('members'),
  /** Exists if a message was encrypted, by sender and client id. */
  sealed: (senderId: string, clientId: string) =>
    `sealed/${encodeURIComponent(senderId)}/${encodeURIComponent(clientId)}`,
  /** The confirmed members of a conversation. */
  memberPin: path('roster'),
  /** The newest call key, by sender. */
  callKey: path('media'),
  /** The newest envelopes that arrived by mailbox and were decrypted, by sender. */
  seenEnvelopes: path('seen'),
  /** Messages on an existing session that could not be decrypted, by sender. */
  failures: path('failures'),
  /** How many bytes of resent messages are still accepted, by sender. */
  resendAllowance: path('allowance'),
  /** Copies of messages that a sender has sent again, by sender and client id. */
  resentCopy: (senderId: string, clientId: string) =>
    `${RESENT_COPIES}${encodeURIComponent(senderId)}/${encodeURIComponent(clientId)}`,
} as const;

/** What a keystore needs, besides the user. */
export interface KeystoreDeps extends Omit<DataKeyDeps, 'storeKey'> {
  /** Returns a new UUIDv7, later than all before it. */
  readonly newId: () => string;
  /** Returns true if the storage has failed since it was opened: then memory is used. */
  readonly hasStorageFailed: () => boolean;
}

/** One user's keys and decrypted messages. */
export class Keystore {
  readonly userId: string;
  readonly records: RecordStore;
  /** Source of the keys and nonces of this user. */
  readonly random: Random;
  /** Returns a new time-ordered id. */
  readonly newId: () => string;
  readonly #hasStorageFailed: () => boolean;
  #identity: IdentityKeyPair | undefined;
  /** True if the identity was created in memory after the storage had failed, as on a new device. */
  #isEphemeral = false;

  private constructor(userId: string, records: RecordStore, { random, newId, hasStorageFailed }: KeystoreDeps) {
    this.userId = userId;
    this.records = records;
    this.random = random;
    this.newId = newId;
    this.#hasStorageFailed = hasStorageFailed;
  }

  /**
   * Opens the keystore of a user. Generates the identity if there is none.
   *
   * @throws CommError `E2EE_LOCKED`, `STORAGE`
   */
  static async open(deps: KeystoreDeps, userId: string): Promise<Keystore> {
    const prefix = keystorePrefix(userId);
    const { storage, random } = deps;
    const dataKey = await openDataKey({ ...deps, storeKey: prefix + DATA_KEY_NAME });
    const records = new RecordStore(storage, prefix, dataKey, random);
    // Stored by an earlier version, under its name.
    if ((await storage.get(prefix + RECORDS.identity)) !== undefined) {
      const { hashNames } = await import('./hash-names.ts');
      await hashNames(storage, prefix, records);
    }
    const keystore = new Keystore(userId, records, deps);
    // The first tab generates the identity.
    const isNew = await keystore.records.transact([RECORDS.identity], (tx) => {
      if (tx.get(RECORDS.identity) !== undefined) return false;
      tx.put(RECORDS.identity, generateIdentityKeyPair(random).seed);
      return true;
    });
    records.endWithout(RECORDS.identity);
    keystore.#isEphemeral = isNew && deps.hasStorageFailed();
    return keystore;
  }

  /** Deletes all records, including those that can't be decrypted. */
  static async erase(storage: CommStorage, userId: string): Promise<void> {
    const prefix = keystorePrefix(userId);
    // Twice: until the identity is deleted, other tabs may store records that the first list doesn't contain.
    for (let left = 2; left > 0; left -= 1) {
      const writes = new Map((await storage.list(prefix)).map(([key]) => [key, undefined] as const));
      await storage.transact([], () => ({ writes, result: undefined }));
    }
  }

  /** False if what is written is lost when the process ends, although earlier keys are stored: only reading is safe. */
  get isStored(): boolean {
    return this.#isEphemeral || !this.#hasStorageFailed();
  }

  /**
   * Call before a step that peers see: encrypting or publishing keys. After a restart the client continues with the stored
   * keys, and would encrypt again under keys that were used since.
   *
   * @throws CommError `STORAGE` if the storage has failed
   */
  requireStored(): void {
    if (this.isStored) return;
    throw new CommError('STORAGE', 'The storage has failed, so the state of the encryption cannot be stored', {
      fix: 'Free storage space and restart the app.',
    });
  }

  /** Reads the identity, which another tab may have replaced. The transaction must declare `identity`. */
  identity(tx: RecordTransaction): IdentityKeyPair {
    const seed = tx.get(RECORDS.identity);
    if (seed === undefined) throw resetError();
    if (seed.length !== SEED_BYTES) throw laterFormatError();
    const cached = this.#identity;
    if (cached !== undefined && toBase64(cached.seed) === toBase64(seed)) return cached;
    return (this.#identity = identityKeyPairFromSeed(seed));
  }

  /** The user with their identity. The transaction must declare `identity`. */
  localIdentity(tx: RecordTransaction): LocalIdentity {
    return { userId: this.userId, identity: this.identity(tx) };
  }

  /** The user with identity and prekeys. The transaction must declare `identity` and `preKeys`. */
  localParty(tx: RecordTransaction): LocalParty {
    const stored = tx.get(RECORDS.preKeys);
    const preKeys = stored === undefined ? EMPTY_PREKEY_STATE : decodeRecord(stored, decodePreKeyState);
    return { ...this.localIdentity(tx), preKeys };
  }
}

/** Prefix of the storage keys of a user's records. */
function keystorePrefix(userId: string): string {
  return `${encodeURIComponent(userId)}/e2ee/`;
}

/**
 * Decodes a stored record.
 *
 * @throws CommError `E2EE_LOCKED` if it has another format, for example that of a later version: to continue without it would
 * drop sessions, and accept replays
 */
export function decodeRecord<T>(stored: Uint8Array, decode: (bytes: Uint8Array) => T | undefined): T {
  const record = decode(stored);
  if (record === undefined) throw laterFormatError();
  return record;
}

/** Reads the sessions with a peer. The transaction must declare `session`. */
export function getSessionRecord(tx: RecordTransaction, peerId: string): SessionRecord {
  const stored = tx.get(RECORDS.session(peerId));
  return stored === undefined ? newSessionRecord(peerId) : decodeRecord(stored, decodeSessionRecord);
}

/** Reads what is known of a peer's identity key. The transaction must declare `trust`. */
export function getTrust(tx: RecordTransaction, peerId: string): IdentityTrust | undefined {
  return parseIdentityTrust(tx.getJson(RECORDS.trust(peerId)));
}

/** Stores what is known of a peer's identity key. */
export function putTrust(tx: RecordTransaction, peerId: string, trust: IdentityTrust): void {
  tx.putJson(RECORDS.trust(peerId), { ...trust });
}

/**
 * Encrypts a payload for a peer and stores the session. The transaction must declare `identity` and `session`.
 *
 * @throws CommError `STORAGE` if the storage has failed
 * @param sessionId - the session to use; by default the primary one
 */
export function encryptForPeer(
  tx: RecordTransaction,
  keystore: Keystore,
  peerId: string,
  payload: Payload,
  sessionId?: string,
): Outcome<{ envelope: EncryptedEnvelope }> {
  keystore.requireStored();
  const local = keystore.localIdentity(tx);
  const record = getSessionRecord(tx, peerId);
  const step = SessionCipher.encrypt(record, local, encodePayload(payload), keystore.random, sessionId);
  if (step.ok) tx.put(RECORDS.session(peerId), encodeSessionRecord(step.record));
  return step;
}

/** Enqueues an envelope for `MailboxSender`, which sends it after the transaction. */
export function enqueueEnvelope(tx: RecordTransaction, keystore: Keystore, envelope: EncryptedEnvelope): void {
  tx.putJson(RECORDS.mailbox(keystore.newId()), { ...envelope });
}
