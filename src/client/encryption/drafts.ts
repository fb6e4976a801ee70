import { KeyedQueue } from '../../lib/keyed-queue.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import type { Secret } from '../cipher.ts';
import { NAMES, type Account } from './account.ts';
import type { View } from './records.ts';
import { hashOf } from './texts.ts';

/** What waits to be sent: its secret, and once it is encrypted the bytes that go out, the same ones for ever. */
export interface Draft {
  readonly secret: Secret;
  /** When it was written, in milliseconds. */
  readonly ts: number;
  readonly envelope?: EncryptedEnvelope | undefined;
}

/** Drafts at rest and at hand. */
export class Drafts {
  readonly #held = new Map<string, Draft>();
  /** Asked for here, and not stored yet. */
  readonly #lanes = new KeyedQueue<string>();
  readonly #unstored = new Set<string>();

  /** What is about drafts of one lane is done in the order in which it was asked for. */
  inLane(lane: string, task: () => Promise<void>): Promise<void> {
    return this.#lanes.run(lane, task);
  }

  /** The same client id again is the same message: what was first stays. */
  add(clientId: string, draft: Draft): void {
    if (this.#held.has(clientId)) return;
    this.#held.set(clientId, draft);
    this.#unstored.add(clientId);
  }

  secretOf(clientId: string): Secret | undefined {
    return this.#held.get(clientId)?.secret;
  }

  /** Stores one that was asked for here, unless it is stored already. */
  async keep(account: Account, clientId: string): Promise<void> {
    const draft = this.#held.get(clientId);
    if (draft === undefined || !this.#unstored.has(clientId)) return;
    const name = NAMES.draft(clientId);
    await account.records.transact([name], (view) => {
      if (view.get(name) === undefined) keepDraft(view, clientId, draft);
    });
    this.#unstored.delete(clientId);
  }

  async keepAll(account: Account): Promise<void> {
    for (const clientId of this.#unstored) await this.keep(account, clientId);
  }

  /** One that another tab or an earlier session has stored. */
  async load(account: Account, clientId: string): Promise<Draft | undefined> {
    const name = NAMES.draft(clientId);
    const stored = await account.records.transact([name], (view) => draftIn(view, clientId));
    if (stored !== undefined && !this.#held.has(clientId)) this.#held.set(clientId, stored);
    return stored ?? this.#held.get(clientId);
  }

  /** What is at hand is written again: somebody has deleted what was stored. */
  unstore(): void {
    for (const clientId of this.#held.keys()) this.#unstored.add(clientId);
  }

  /** Over: stored by the server, or never to be; then what was kept of its text goes as well. */
  async remove(account: Account, clientId: string, isStored: boolean): Promise<void> {
    this.#held.delete(clientId);
    this.#unstored.delete(clientId);
    const name = NAMES.draft(clientId);
    await account.records.transact([name], (view) => {
      const envelope = draftIn(view, clientId)?.envelope;
      if (!isStored && envelope !== undefined) view.delete(NAMES.own(hashOf(envelope.ciphertext)));
      view.delete(name);
    });
  }

  /** Without the bytes that were made of it, which nobody can read: they are made anew when it leaves again. */
  unseal(clientId: string): void {
    const held = this.#held.get(clientId);
    if (held !== undefined) this.#held.set(clientId, { secret: held.secret, ts: held.ts });
  }

  clear(): void {
    this.#held.clear();
    this.#unstored.clear();
  }
}

export function draftIn(view: View, clientId: string): Draft | undefined {
  const stored = view.read(NAMES.draft(clientId));
  return typeof stored === 'object' && stored !== null && 'secret' in stored ? (stored as Draft) : undefined;
}

export function keepDraft(view: View, clientId: string, { secret, ts, envelope }: Draft): void {
  const { attachment, ...rest } = secret;
  view.write(NAMES.draft(clientId), {
    secret: { ...rest, ...(attachment !== undefined && { attachment: { ...attachment } }) },
    ts,
    ...(envelope !== undefined && { envelope: { ...envelope } }),
  });
}
