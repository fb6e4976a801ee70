import { isCommError, type CommError } from '../../../protocol/errors.ts';
import type { Work } from '../../store/engine/work.ts';
import type { Store } from '../../store/store.ts';

/** What became of one request. */
export type Outcome<Result> = { readonly value: Result } | { readonly rejection: CommError };

/** Work for several requests with the same key, such as those of one conversation. */
interface JoinedWork<Item, Written> {
  /** Writes the items. One that is rejected is an outcome and doesn't affect the others. */
  readonly write: (key: string, items: readonly Item[]) => Work<Written>;
  /** Called after the commit. */
  readonly committed: (key: string, written: Written) => void;
  /** Returns what the write changes; see `WriteOptions`. */
  readonly keys: (key: string, items: readonly Item[]) => readonly string[];
}

/** Maximum number of requests that are written together, so that they don't hold up the event loop. */
const MAX_JOINED = 128;

/**
 * Writes requests with the same key that wait for the same transaction together, which takes fewer statements than writing
 * each by itself. A request never waits for others to join it.
 */
export class JoinedWrites<Item, Result, Written extends { readonly outcomes: readonly Outcome<Result>[] }> {
  readonly #store: Store;
  readonly #work: JoinedWork<Item, Written>;
  /** The requests of each key that can still be joined. */
  readonly #open = new Map<string, { readonly items: Item[]; readonly written: Promise<Written> }>();

  constructor(store: Store, work: JoinedWork<Item, Written>) {
    this.#store = store;
    this.#work = work;
  }

  /** Resolves after the commit. @throws CommError with which the request is rejected */
  async write(key: string, item: Item): Promise<Result> {
    let joined = this.#open.get(key);
    if (joined === undefined || joined.items.length >= MAX_JOINED) this.#open.set(key, (joined = this.#start(key)));
    const place = joined.items.push(item) - 1;
    let outcome: Outcome<Result> | undefined;
    try {
      outcome = (await joined.written).outcomes[place];
    } catch (error) {
      // The database rejects one of them, for example by a trigger of the app.
      if (isCommError(error) || joined.items.length === 1) throw error;
    }
    // A request that refers to a write that was queued after the first of the others ran before it.
    if (joined.items.length > 1 && (outcome === undefined || 'rejection' in outcome)) {
      [outcome] = (await this.#start(key, [item]).written).outcomes;
    }
    if (outcome === undefined) throw new Error('A joined write has no outcome');
    if ('rejection' in outcome) throw outcome.rejection;
    return outcome.value;
  }

  #start(key: string, items: Item[] = []): { readonly items: Item[]; readonly written: Promise<Written> } {
    const { write, committed, keys: keysOf } = this.#work;
    const close = (): void => {
      if (this.#open.get(key)?.items === items) this.#open.delete(key);
    };
    const work = function* (): Work<Written> {
      close();
      return yield* write(key, items);
    };
    const rows = (): number => items.length;
    const keys = (): readonly string[] => {
      // What joins later could have other keys.
      close();
      return keysOf(key, items);
    };
    const written = this.#store.write(work, (value) => committed(key, value), { rows, keys });
    // In an outage of the database the work doesn't run.
    written.then(close, close);
    return { items, written };
  }
}
