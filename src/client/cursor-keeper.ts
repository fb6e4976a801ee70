import type { Clock } from '../lib/clock.ts';
import type { Head } from '../protocol/conversations.ts';
import type { CommStorage, Storable } from '../storage/comm-storage.ts';

export interface Position {
  inboxRev: number;
  heads: ReadonlyMap<string, Head>;
}

const SAVE_AFTER_MS = 1_000;
const START: Position = { inboxRev: 0, heads: new Map() };

/** Keeps where the client stands, so that a new start catches up from there instead of from nothing. */
export class CursorKeeper {
  readonly #storage: CommStorage;
  readonly #clock: Clock;
  readonly #position: () => Position;
  readonly #report: (error: unknown) => void;
  #key: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(storage: CommStorage, clock: Clock, position: () => Position, report: (error: unknown) => void) {
    this.#storage = storage;
    this.#clock = clock;
    this.#position = position;
    this.#report = report;
  }

  /** What was kept of this user; the start of everything where nothing was. */
  async load(userId: string): Promise<Position> {
    const key = `${encodeURIComponent(userId)}/cursors`;
    const stored = await this.#storage.get(key).catch(this.#report);
    // Not before: whoever saves meanwhile has nothing yet that is worth keeping.
    this.#key = key;
    return readPosition(stored ?? undefined) ?? START;
  }

  /** Something moved. A crash before it is saved costs a second look at the same changes, and loses none. */
  moved(): void {
    this.#cancel ??= this.#clock.after(SAVE_AFTER_MS, () => void this.save());
  }

  async save(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#key === undefined) return;
    const { inboxRev, heads } = this.#position();
    const value = { inboxRev, heads: [...heads].map(([id, { seq, rev }]) => [id, seq, rev]) };
    const writes = new Map([[this.#key, value]]);
    await this.#storage.transact([], () => ({ writes, result: undefined })).catch(this.#report);
  }
}

function readPosition(stored: Storable | undefined): Position | undefined {
  if (typeof stored !== 'object' || stored === null || !('heads' in stored)) return undefined;
  const { inboxRev, heads } = stored;
  if (typeof inboxRev !== 'number' || !Array.isArray(heads)) return undefined;
  const known = new Map<string, Head>();
  for (const entry of heads as readonly Storable[]) {
    if (!Array.isArray(entry)) continue;
    const [id, seq, rev] = entry as readonly Storable[];
    if (typeof id === 'string' && typeof seq === 'number' && typeof rev === 'number') known.set(id, { seq, rev });
  }
  return { inboxRev, heads: known };
}
