import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { deferred, type Deferred } from '../lib/deferred.ts';
import { CommError } from '../protocol/errors.ts';
import type { CommStorage, Step, Storable } from './comm-storage.ts';
import { fileError } from './file-errors.ts';
import { encodeLine, Journal, type Change } from './file-journal.ts';
import { FileLock } from './file-lock.ts';
import { unstorable } from './unstorable.ts';

/**
 * Keeps a client's data in a directory, for Node: crash-safe, also against `kill -9` and power cuts. Everything is in
 * memory too, so it is meant for what a client keeps (outbox, cursors, keys), not for archives.
 *
 * `transact` resolves once its writes are on the disk; those that wait at the same time share one sync. One process at a
 * time owns the directory: a second one gets `STORAGE`. The directory is made with mode 0700, files with 0600. Nothing is
 * opened before the first use, nor after `close()` until the next one.
 */
export function fileStorage(dir: string): CommStorage {
  if (typeof dir !== 'string' || dir === '') throw new TypeError('fileStorage needs the path of a directory');
  return new FileStorage(resolve(dir));
}

interface Pending {
  line: string;
  durable: Deferred<undefined>;
}

interface Opened {
  lock: FileLock;
  journal: Journal;
  /** Values as JSON, so that nobody can change what is stored through an object they hold. */
  entries: Map<string, string>;
}

class FileStorage implements CommStorage {
  readonly #dir: string;
  #opening: Promise<Opened> | undefined;
  #opened: Opened | undefined;
  #closing: Promise<void> | undefined;
  #pending: Pending[] = [];
  #flushing = false;
  /** Set after a failed write: nothing behind it in the journal was promised to anybody. */
  #upTo: number | undefined;

  constructor(dir: string) {
    this.#dir = dir;
  }

  get(key: string): Promise<Storable | undefined> {
    return this.#read(({ entries }) => decode(entries.get(key)));
  }

  list(prefix: string): Promise<[key: string, value: Storable][]> {
    return this.#read(({ entries }) => {
      const keys = [...entries.keys()].filter((key) => key.startsWith(prefix)).toSorted();
      return keys.map((key) => [key, decode(entries.get(key)) as Storable]);
    });
  }

  transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T> {
    return this.#use(async (opened) => {
      const values = new Map<string, Storable>();
      for (const key of keys) {
        const value = decode(opened.entries.get(key));
        if (value !== undefined) values.set(key, value);
      }
      const { writes, result } = step(values);
      const changes = Array.from(writes, ([key, value]) => [key, encode(value)] as const);
      for (const [key, json] of changes) {
        if (json === undefined) opened.entries.delete(key);
        else opened.entries.set(key, json);
      }
      await this.#durable(opened, changes);
      return result;
    });
  }

  close(): Promise<void> {
    const opening = this.#opening;
    if (opening !== undefined) {
      this.#opening = undefined;
      this.#opened = undefined;
      this.#closing = this.#letGo(opening).catch((error: unknown) => Promise.reject(fileError(error)));
    }
    return this.#closing ?? Promise.resolve();
  }

  /** Runs `work` in the same turn in which it is certain that the directory is open and ours. */
  async #use<T>(work: (opened: Opened) => T | Promise<T>): Promise<T> {
    for (;;) {
      const opening = (this.#opening ??= this.#open());
      const opened = await opening.catch((error: unknown) => {
        if (this.#opening === opening) this.#opening = undefined;
        throw fileError(error);
      });
      if (this.#opening === opening) return work(opened);
    }
  }

  /** Nobody gets to see what may still fail to be written. */
  async #read<T>(look: (opened: Opened) => T): Promise<T> {
    return this.#use(async (opened) => {
      const found = look(opened);
      await this.#durable(opened, []);
      return found;
    });
  }

  /** Resolves when `changes` and all that was written before them are on the disk. */
  async #durable(opened: Opened, changes: readonly Change[]): Promise<void> {
    if (changes.length === 0 && !this.#flushing) return;
    const pending = { line: changes.length === 0 ? '' : encodeLine(changes), durable: deferred<undefined>() };
    this.#pending.push(pending);
    if (!this.#flushing) {
      this.#flushing = true;
      void this.#flush(opened);
    }
    await pending.durable.promise;
  }

  async #flush(opened: Opened): Promise<void> {
    // Those who called in the same turn get in on it.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      // Taken before anything else can change the entries: exactly what is durable, and this batch.
      const snapshot = opened.journal.worthRewriting ? [...opened.entries] : undefined;
      try {
        await write(opened, batch, snapshot);
      } catch (cause) {
        this.#fail(opened, batch, fileError(cause));
        break;
      }
      for (const { durable } of batch) durable.resolve(undefined);
    }
    this.#flushing = false;
  }

  /** The entries hold what never became durable, and later steps have built on it: all of that goes. */
  #fail(opened: Opened, batch: readonly Pending[], error: CommError): void {
    const lost = [...batch, ...this.#pending];
    this.#pending = [];
    this.#upTo = opened.journal.size;
    if (this.#opened === opened) {
      // The next use opens again; whether this one closes well is of no interest to anybody.
      this.#opening = undefined;
      this.#opened = undefined;
      this.#closing = release(opened).catch(() => undefined);
    }
    for (const { durable } of lost) durable.reject(error);
  }

  async #open(): Promise<Opened> {
    await this.#closing?.catch(() => undefined);
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const lock = await FileLock.acquire(join(this.#dir, 'lock'));
    try {
      const entries = new Map<string, string>();
      const apply = ([key, json]: Change): unknown =>
        json === undefined ? entries.delete(key) : entries.set(key, json);
      const journal = await Journal.open(join(this.#dir, 'journal'), apply, this.#upTo);
      this.#upTo = undefined;
      this.#opened = { lock, journal, entries };
      return this.#opened;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  async #letGo(opening: Promise<Opened>): Promise<void> {
    const opened = await opening.catch(() => undefined);
    if (opened === undefined) return;
    // Behind everything that was asked for before; if that failed, whoever asked knows.
    await this.#durable(opened, []).catch(() => undefined);
    await release(opened);
  }
}

async function write(
  opened: Opened,
  batch: readonly Pending[],
  snapshot: readonly Change[] | undefined,
): Promise<void> {
  const { lock, journal } = opened;
  if (!(await lock.stillHeld())) {
    throw new CommError('STORAGE', 'Another process has taken over this directory', {
      fix: 'Give each process a directory of its own, and share none between machines or containers.',
    });
  }
  if (snapshot !== undefined && (await journal.rewrite(snapshot))) return;
  const lines = batch.map(({ line }) => line).filter((line) => line !== '');
  if (lines.length === 0) return;
  try {
    await journal.append(lines);
  } catch (error) {
    await journal.rollBack().catch(() => undefined);
    throw error;
  }
}

async function release({ journal, lock }: Opened): Promise<void> {
  try {
    await journal.close();
  } finally {
    await lock.release();
  }
}

function encode(value: Storable | undefined): string | undefined {
  if (value === undefined) return undefined;
  let cause: unknown;
  try {
    // The type says string, but a function, say, has no JSON.
    const json = JSON.stringify(value) as string | undefined;
    if (json !== undefined) return json;
  } catch (error) {
    cause = error;
  }
  throw unstorable(cause);
}

function decode(json: string | undefined): Storable | undefined {
  return json === undefined ? undefined : (JSON.parse(json) as Storable);
}
