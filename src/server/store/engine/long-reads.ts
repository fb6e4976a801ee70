import type { Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { Database, ReadSession, SharedDatabase } from './database.ts';
import { DatabaseThread } from './database-thread.ts';
import { all, drive, type Statement, type Work } from './work.ts';

/** Options of a long read. */
export interface LongReadOptions {
  /** User on whose behalf the read runs. Users take turns, so that no user waits for all reads of another one. */
  readonly userId: string;
  /** Time in ms after which the read is given up, counted from its start. */
  readonly deadlineMs: number;
}

/**
 * Where a long read runs: in a thread, in turns of the event loop, which a long statement holds up, or on a connection to
 * Postgres.
 */
export type ReadPlace = 'thread' | 'turns' | 'postgres';
/** A read that may depend on where it runs. */
export type LongRead<T> = (place: ReadPlace) => Work<T>;

interface Task {
  readonly queuedAt: number;
  readonly run: () => Promise<void>;
  readonly reject: (error: unknown) => void;
}

/** A read that was given up. */
const LATE = Symbol('late');
/** Reads that wait, over all users. */
const MAX_WAITING = 256;
/** Time in ms after which a read that waits is given up. */
const MAX_WAIT_MS = 5_000;
/** Threads that still run a statement which was given up. */
const MAX_ABANDONED = 2;

/**
 * Runs reads that can take long, one at a time, so that they don't hold up the event loop: in a thread with a read
 * connection of its own if {@link Database.shared} allows it, on a connection of the pool with Postgres, else one statement per
 * turn of the event loop.
 *
 * In the thread and with Postgres, a read sees one snapshot of the database. Without one, each statement of the read sees the state of its
 * turn.
 */
export class LongReads {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By user, the one whose turn is next first. */
  readonly #queues = new Map<string, Task[]>();
  #waiting = 0;
  #isRunning = false;
  /** What a thread opens; `undefined` if reads can't use one. Determined with the first read. */
  #shared: Promise<SharedDatabase | undefined> | undefined;
  #thread: DatabaseThread | undefined;
  #abandoned = 0;

  constructor(database: Database, clock: Clock, logger: Logger) {
    this.#database = database;
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Queues a read.
   *
   * @param otherwise - a cheaper read, which runs if the first takes longer than the deadline
   * @throws CommError `UNAVAILABLE` if the read takes longer than its deadline or too many reads wait
   */
  read<T>(work: LongRead<T>, { userId, deadlineMs }: LongReadOptions, otherwise?: LongRead<T>): Promise<T> {
    if (this.#waiting >= MAX_WAITING) return Promise.reject(tooSlow());
    return new Promise<T>((resolve, reject) => {
      const run = (): Promise<void> => this.#runEither(work, otherwise, deadlineMs).then(resolve, reject);
      const task: Task = { queuedAt: this.#clock.now(), run, reject };
      const queue = this.#queues.get(userId);
      if (queue === undefined) this.#queues.set(userId, [task]);
      else queue.push(task);
      this.#waiting += 1;
      if (!this.#isRunning) void this.#runAll();
    });
  }

  /** Ends the thread. A later read starts another one. */
  async close(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.stop();
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    for (let task = this.#next(); task !== undefined; task = this.#next()) {
      if (this.#clock.now() - task.queuedAt > MAX_WAIT_MS) task.reject(tooSlow());
      else await task.run();
    }
    this.#isRunning = false;
  }

  /** Takes the first read of the user whose turn it is, and moves the user to the end. */
  #next(): Task | undefined {
    for (const [userId, queue] of this.#queues) {
      const task = queue.shift();
      this.#queues.delete(userId);
      if (queue.length > 0) this.#queues.set(userId, queue);
      this.#waiting -= 1;
      return task;
    }
    return undefined;
  }

  async #runEither<T>(work: LongRead<T>, otherwise: LongRead<T> | undefined, deadlineMs: number): Promise<T> {
    let done = await this.#run(work, deadlineMs);
    if (done === LATE && otherwise !== undefined) done = await this.#run(otherwise, deadlineMs);
    if (done === LATE) throw tooSlow();
    return done.value;
  }

  async #run<T>(work: LongRead<T>, deadlineMs: number): Promise<{ value: T } | typeof LATE> {
    const thread = await this.#session();
    let over = false;
    let ended = false;
    let begun = false;
    const execute = (statement: Statement): Promise<readonly unknown[]> => {
      if (thread === undefined) return this.#inItsTurn(statement);
      // The transaction begins with its first statement: each message to the thread costs as much as a small statement.
      const begins = !begun;
      begun = true;
      return thread.execute(statement, begins);
    };
    const result = drive(work(this.#placeOf(thread)), (statement) =>
      over ? Promise.reject(tooSlow()) : execute(statement),
    );
    let cancel = (): void => undefined;
    const late = new Promise<typeof LATE>((resolve) => {
      const giveUp = (): void => {
        if (ended) return;
        over = true;
        resolve(LATE);
        // Its statement can't be interrupted, and its transaction is still open.
        if (thread !== undefined) this.#abandon(thread);
      };
      // After a turn that was long, timers run before an answer that has already arrived.
      cancel = this.#clock.after(deadlineMs, () => void setImmediate(giveUp));
    });
    try {
      const done = Promise.resolve(result).then((value) => ({ value }));
      // Abandoning the thread rejects the statement that it runs.
      done.catch(() => undefined);
      return await Promise.race([done, late]);
    } finally {
      ended = true;
      cancel();
      if (!over) thread?.end();
    }
  }

  async #inItsTurn(statement: Statement): Promise<readonly unknown[]> {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    return await this.#database.run(() => all(statement));
  }

  #placeOf(session: ReadSession | undefined): ReadPlace {
    if (this.#database.dialect === 'postgres') return 'postgres';
    return session === undefined ? 'turns' : 'thread';
  }

  async #session(): Promise<ReadSession | undefined> {
    if (this.#thread === undefined && this.#abandoned >= MAX_ABANDONED) throw tooSlow();
    return await (this.#database.session?.() ?? this.#startThread());
  }

  async #startThread(): Promise<DatabaseThread | undefined> {
    if (this.#thread !== undefined) return this.#thread;
    const shared = await (this.#shared ??= this.#database.shared());
    if (shared === undefined) return undefined;
    try {
      return (this.#thread = await DatabaseThread.start(shared, { readOnly: true }));
    } catch (error) {
      this.#logger.warn('failed to start a thread for reads; they share the connection of writes', errorFields(error));
      this.#shared = Promise.resolve(undefined);
      return undefined;
    }
  }

  #abandon(thread: ReadSession): void {
    if (this.#thread === thread) this.#thread = undefined;
    this.#abandoned += 1;
    void thread.stop().then(() => (this.#abandoned -= 1));
  }
}

function tooSlow(): CommError {
  return new CommError('UNAVAILABLE', 'The read takes too long', { retryAfterMs: 1_000 });
}
