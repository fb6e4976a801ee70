import { KeyedQueue } from '../../../lib/keyed-queue.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import type { Secret } from '../../cipher.ts';
import { type Keystore, RECORDS } from './keystore.ts';
import { hashCiphertext } from './plaintexts.ts';
import type { RecordTransaction } from './record-store.ts';

/** A message in the outbox: its secret part, and its envelope once it is encrypted. The envelope never changes. */
export interface Draft {
  readonly secret: Secret;
  /** When it was written, in milliseconds since the epoch. */
  readonly ts: number;
  readonly envelope?: EncryptedEnvelope | undefined;
}

/** The secret parts of messages in the outbox, in memory and in the keystore. */
export class DraftStore {
  readonly #cache = new Map<string, Draft>();
  readonly #lanes = new KeyedQueue<string>();
  /** Client ids of drafts that were created here and are not stored yet. */
  readonly #unstored = new Set<string>();

  /** Runs tasks of one outbox lane in order. */
  inLane(lane: string, task: () => Promise<void>): Promise<void> {
    return this.#lanes.run(lane, task);
  }

  /** Adds a draft in memory. No effect if the client id is known: it names the same message. */
  add(clientId: string, draft: Draft): void {
    if (this.#cache.has(clientId)) return;
    this.#cache.set(clientId, draft);
    this.#unstored.add(clientId);
  }

  /** Returns a draft that is in memory. */
  held(clientId: string): Draft | undefined {
    return this.#cache.get(clientId);
  }

  /** Replaces a draft in memory. No effect if there is none. */
  replace(clientId: string, draft: Draft): void {
    if (this.#cache.has(clientId)) this.#cache.set(clientId, draft);
  }

  /** Stores a draft that was added here. No effect if it is stored. */
  async persist(keystore: Keystore, clientId: string): Promise<void> {
    const draft = this.#cache.get(clientId);
    if (draft === undefined || !this.#unstored.has(clientId)) return;
    const name = RECORDS.draft(clientId);
    await keystore.records.transact([name], (tx) => {
      if (tx.get(name) === undefined) putDraft(tx, clientId, draft);
    });
    this.#unstored.delete(clientId);
  }

  /** Stores all drafts that are not stored yet. */
  async persistAll(keystore: Keystore): Promise<void> {
    for (const clientId of this.#unstored) await this.persist(keystore, clientId);
  }

  /** Reads a draft from the keystore, where another tab may have changed it, or else from memory. */
  async load(keystore: Keystore, clientId: string): Promise<Draft | undefined> {
    const name = RECORDS.draft(clientId);
    const stored = await keystore.records.transact([name], (tx) => getDraft(tx, clientId));
    if (stored !== undefined) this.#cache.set(clientId, stored);
    return stored ?? this.#cache.get(clientId);
  }

  /** Marks all drafts in memory as not stored, after the keystore was erased. */
  markUnstored(): void {
    for (const clientId of this.#cache.keys()) this.#unstored.add(clientId);
  }

  /**
   * Removes a draft whose item has left the outbox.
   *
   * @param isStored - whether the server has stored the message; if not, the kept plaintext is removed too
   */
  async remove(keystore: Keystore, clientId: string, isStored: boolean): Promise<void> {
    this.#cache.delete(clientId);
    this.#unstored.delete(clientId);
    const name = RECORDS.draft(clientId);
    await keystore.records.transact([name], (tx) => {
      const envelope = getDraft(tx, clientId)?.envelope;
      if (!isStored && envelope !== undefined) tx.delete(RECORDS.ownPlaintext(hashCiphertext(envelope.ciphertext)));
      tx.delete(name);
    });
  }
}

/** Reads a stored draft. The transaction must declare `draft`. */
export function getDraft(tx: RecordTransaction, clientId: string): Draft | undefined {
  const stored = tx.getJson(RECORDS.draft(clientId));
  return typeof stored === 'object' && stored !== null && 'secret' in stored ? (stored as Draft) : undefined;
}

/** Stores a draft. */
export function putDraft(tx: RecordTransaction, clientId: string, draft: Draft): void {
  tx.putJson(RECORDS.draft(clientId), draft);
}
