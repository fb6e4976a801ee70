import { EXPORT_SECTIONS } from '../../store/queries/user-data/exported-rows.ts';
import type { ScanKey, ScanStep } from '../../store/queries/user-data/scan.ts';
import type { Store } from '../../store/store.ts';

/** One record of an export. */
export interface UserRecord {
  /** What the record is about, such as `message` or `membership`. Later versions add further kinds. */
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads everything that the server holds about a user. */
export class ExportService {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /**
   * Yields the records of a user, one kind after another. Tables are read in windows, each in its own snapshot, so that memory and
   * the turns of the event loop are bounded. What is written meanwhile may be contained or not.
   */
  async *records(userId: string): AsyncGenerator<UserRecord, void, undefined> {
    for (const { kind, start, read } of EXPORT_SECTIONS) {
      let after: ScanKey | undefined = start;
      while (after !== undefined) {
        const from: ScanKey = after;
        const { rows, next }: ScanStep = await this.#store.read(() => read(userId, from));
        for (const data of rows) yield { kind, data };
        after = next;
        // On a synchronous driver reads resolve in this turn.
        await nextTurn();
      }
    }
  }
}

/** Resolves in a later turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
