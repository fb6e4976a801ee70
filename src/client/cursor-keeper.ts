import type { Clock } from '../lib/clock.ts';
import { uuidv7 } from '../lib/ids.ts';
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
  /** Marks what this keeper has written: other clients of the user may share the storage. */
  readonly #name = uuidv7();
  #key: string | undefined;
  /** Whose writing was seen last, and where the others stood who wrote besides. */
  #seen: string | undefined;
  #others = START;
  #cancel: (() => void) | undefined;

  constructor(storage: CommStorage, clock: Clock, position: () => Position, report: (error: unknown) => void) {
    this.#storage = storage;
    this.#clock = clock;
    this.#position = position;
    this.#report = report;
  }

  /** What was kept of this user; the start of everything where nothing was. */
  async load(userId: string): Promise<Position> {
    // What another user knew is no longer held here, and must not be written as theirs.
    this.#key = undefined;
    const key = `${encodeURIComponent(userId)}/cursors`;
    const stored = (await this.#storage.get(key).catch(this.#report)) ?? undefined;
    // Not before: whoever saves meanwhile has nothing yet that is worth keeping.
    this.#key = key;
    this.#seen = writerOf(stored);
    this.#others = START;
    return readPosition(stored) ?? START;
  }

  /** Something moved. A crash before it is saved costs a second look at the same changes, and loses none. */
  moved(): void {
    this.#cancel ??= this.#clock.after(SAVE_AFTER_MS, () => void this.save());
  }

  async save(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#key === undefined) return;
    const key = this.#key;
    const position = this.#position();
    await this.#storage
      .transact([key], (values) => {
        const stored = values.get(key);
        const writer = writerOf(stored);
        // Who is behind must not take back what another one has been told.
        if (writer !== this.#name && writer !== this.#seen) {
          this.#others = further(this.#others, readPosition(stored) ?? START);
        }
        this.#seen = this.#name;
        const { inboxRev, heads } = further(position, this.#others);
        const value = { by: this.#name, inboxRev, heads: [...heads].map(([id, { seq, rev }]) => [id, seq, rev]) };
        return { writes: new Map([[key, value]]), result: undefined };
      })
      .catch(this.#report);
  }
}

function further(one: Position, other: Position): Position {
  const heads = new Map(one.heads);
  for (const [id, head] of other.heads) if (head.rev > (heads.get(id)?.rev ?? -1)) heads.set(id, head);
  return { inboxRev: Math.max(one.inboxRev, other.inboxRev), heads };
}

function writerOf(stored: Storable | undefined): string | undefined {
  if (typeof stored !== 'object' || stored === null || !('by' in stored)) return undefined;
  const { by } = stored;
  return typeof by === 'string' ? by : undefined;
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
