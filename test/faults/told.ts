import { openSync, readFileSync, writeSync } from 'node:fs';

/** The events that an actor's listeners received in one life of its process, as plain data. */
export interface Told {
  /** Pairs of message and `rev` that were emitted more than once. */
  toldTwice: string[];
  /** Messages whose `message:new` came after that of a later message, or whose `rev` came after a later one. */
  outOfOrder: string[];
  /** Number of `message:new` events, by message. */
  createdTold: Record<string, number>;
  /** The last emitted `rev`, by message. */
  lastTold: Record<string, number>;
  buried: string[];
}

interface Entry {
  what: 'created' | 'changed' | 'deleted';
  id: string;
  rev: number;
  /** Of what was created. */
  place?: { conversationId: string; seq: number };
}

/** Records the events of a client. */
export class ToldBook {
  readonly #file: number | undefined;
  readonly #told = new Map<string, number>();
  readonly #created = new Map<string, number>();
  readonly #last = new Map<string, number>();
  readonly #newest = new Map<string, number>();
  readonly #outOfOrder: string[] = [];
  readonly #buried = new Set<string>();

  /** @param path - a file to which each event is written before the listener returns, so that a kill loses none */
  constructor(path?: string) {
    this.#file = path === undefined ? undefined : openSync(path, 'a');
  }

  /** Reads the record of a killed process. */
  static read(path: string): Told {
    const book = new ToldBook();
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      if (line !== '') book.write(JSON.parse(line) as Entry);
    }
    return book.told;
  }

  get told(): Told {
    return {
      toldTwice: [...this.#told].filter(([, count]) => count > 1).map(([key]) => key),
      outOfOrder: this.#outOfOrder,
      createdTold: Object.fromEntries(this.#created),
      lastTold: Object.fromEntries(this.#last),
      buried: [...this.#buried],
    };
  }

  /** Returns whether a `message:new` was emitted. */
  hasCreated(id: string): boolean {
    return this.#created.has(id);
  }

  write(entry: Entry): void {
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    const { what, id, rev, place } = entry;
    const key = `${id} ${rev}`;
    this.#told.set(key, (this.#told.get(key) ?? 0) + 1);
    const last = this.#last.get(id) ?? 0;
    if (rev < last) this.#outOfOrder.push(`${id} (rev ${rev} after ${last})`);
    this.#last.set(id, rev);
    if (what === 'deleted') this.#buried.add(id);
    if (place !== undefined) this.#place(id, place);
  }

  #place(id: string, { conversationId, seq }: NonNullable<Entry['place']>): void {
    this.#created.set(id, (this.#created.get(id) ?? 0) + 1);
    const newest = this.#newest.get(conversationId) ?? 0;
    if (seq < newest) this.#outOfOrder.push(`${id} (${seq} after ${newest})`);
    else this.#newest.set(conversationId, seq);
  }
}
