import { KeyedTimers } from '../../lib/keyed-timers.ts';
import type { Head } from '../../protocol/conversations.ts';
import type { CommStorage, Storable } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';

/** How far a client has received the user's changes. */
export interface Position {
  /** The counter of changes that belong to the user and to no single conversation. */
  readonly inboxRev: number;
  /** The last received change of each conversation. */
  readonly heads: ReadonlyMap<string, Head>;
}

const SAVE_AFTER_MS = 1_000;
const START: Position = { inboxRev: 0, heads: new Map() };

/** Stores the position of the client, so that the next session resyncs from there. */
export class CursorStore {
  readonly #storage: CommStorage;
  readonly #position: () => Position;
  readonly #storeChanges: () => Promise<void>;
  readonly #report: (error: unknown) => void;
  readonly #timers: KeyedTimers<'save'>;
  /** Identifies this writer: other clients of the user may share the storage. */
  readonly #writerId: string;
  /** The storage key of the loaded user; absent while a position loads. */
  #key: string | undefined;
  /** The writer of the last value that this client read or wrote. */
  #lastWriter: string | undefined;
  /** The furthest position that other writers have stored since. */
  #others = START;

  /**
   * @param position - returns the current position; called when it is saved
   * @param storeChanges - stores what else has to be stored before the position; never rejects
   */
  constructor(
    storage: CommStorage,
    { clock, newId, report }: Pick<ClientContext, 'clock' | 'newId' | 'report'>,
    position: () => Position,
    storeChanges: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.#storage = storage;
    this.#position = position;
    this.#storeChanges = storeChanges;
    this.#report = report;
    this.#timers = new KeyedTimers(clock);
    this.#writerId = newId();
  }

  /** Returns the stored position of this user, or the start if there is none. A storage error counts as none. */
  async load(userId: string): Promise<Position> {
    // Until it is loaded nothing is saved: the current position may belong to another user.
    this.#key = undefined;
    const key = `${encodeURIComponent(userId)}/cursors`;
    const stored = (await this.#storage.get(key).catch(this.#report)) ?? undefined;
    this.#key = key;
    this.#lastWriter = writerOf(stored);
    this.#others = START;
    return parsePosition(stored) ?? START;
  }

  /** Saves nothing until a position is loaded again. */
  forget(): void {
    this.#timers.clear();
    this.#key = undefined;
  }

  /** Schedules a save within a second. After a crash before it, the changes since the stored position are received again. */
  changed(): void {
    if (!this.#timers.has('save')) this.#timers.set('save', SAVE_AFTER_MS, () => void this.save());
  }

  /** Saves now. Resolves when the position is stored; storage errors are reported. */
  async save(): Promise<void> {
    this.#timers.clear();
    if (this.#key === undefined) return;
    const key = this.#key;
    const position = this.#position();
    // After a crash in between, the changes are received again, and applied a second time.
    await this.#storeChanges();
    await this.#storage
      .transact([key], (values) => {
        const stored = values.get(key);
        const writer = writerOf(stored);
        // A client that is behind must not overwrite a further position with its own.
        if (writer !== this.#writerId && writer !== this.#lastWriter) {
          this.#others = furthest(this.#others, parsePosition(stored) ?? START);
        }
        this.#lastWriter = this.#writerId;
        const { inboxRev, heads } = furthest(position, this.#others);
        const value = { by: this.#writerId, inboxRev, heads: [...heads].map(([id, { seq, rev }]) => [id, seq, rev]) };
        return { writes: new Map([[key, value]]), result: undefined };
      })
      .catch(this.#report);
  }
}

function furthest(one: Position, other: Position): Position {
  const heads = new Map(one.heads);
  for (const [id, head] of other.heads) if (head.rev > (heads.get(id)?.rev ?? -1)) heads.set(id, head);
  return { inboxRev: Math.max(one.inboxRev, other.inboxRev), heads };
}

function writerOf(stored: Storable | undefined): string | undefined {
  if (typeof stored !== 'object' || stored === null || !('by' in stored)) return undefined;
  const { by } = stored;
  return typeof by === 'string' ? by : undefined;
}

function parsePosition(stored: Storable | undefined): Position | undefined {
  if (typeof stored !== 'object' || stored === null || !('heads' in stored)) return undefined;
  const { inboxRev, heads: entries } = stored;
  if (typeof inboxRev !== 'number' || !Array.isArray(entries)) return undefined;
  const heads = new Map<string, Head>();
  for (const entry of entries as readonly Storable[]) {
    if (!Array.isArray(entry)) continue;
    const [id, seq, rev] = entry as readonly Storable[];
    if (typeof id === 'string' && typeof seq === 'number' && typeof rev === 'number') heads.set(id, { seq, rev });
  }
  return { inboxRev, heads };
}
