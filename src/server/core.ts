import { systemClock, type Clock } from '../lib/clock.ts';
import { errorFields, type Logger } from '../lib/logger.ts';
import { CommError } from '../protocol/errors.ts';
import { resolveConfig, type CommunicationConfig, type ResolvedConfig } from './config.ts';
import { consoleLogger } from './console-logger.ts';
import { SocketHub } from './hub.ts';
import { InFlight } from './in-flight.ts';
import { createServices, type Services } from './services/services.ts';
import { useCommunicationStore, type CommunicationStore } from './store/ephemera/memory.ts';
import { ensureCommunicationTables } from './store/migrate.ts';
import { openDatabase } from './store/open.ts';
import { outageOf } from './store/outages.ts';
import { connectionOf, type DatabaseSource } from './store/sqlite-port.ts';
import { createStore, type Store } from './store/store.ts';

/** What everything of one database shares. */
export interface CoreOptions {
  /**
   * `node:sqlite`'s `DatabaseSync`, a better-sqlite3 `Database` or a LumenJS `LumenDb`.
   *
   * @defaultValue in memory: everything is gone when the process ends
   */
  db?: DatabaseSource | undefined;
  /** Limits, time-outs and paths. */
  config?: CommunicationConfig | undefined;
  /** Sockets, presence, typing and calls. @defaultValue the one of {@link useCommunicationStore} */
  store?: CommunicationStore | undefined;
  /** @defaultValue warnings and errors go to the console */
  logger?: Logger | undefined;
  /** For tests. */
  clock?: Clock | undefined;
}

/** What sockets and routes of one database share. */
export class Core {
  readonly config: ResolvedConfig;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly store: Store;
  readonly hub = new SocketHub();
  readonly services: Services;
  /** Requests that are being answered. */
  readonly inFlight = new InFlight();
  readonly #db: DatabaseSource;
  #logger: Logger | undefined;
  #configured = false;
  #ready: Promise<void> | undefined;
  /** Why it could not be prepared the last time, where that was no fault of ours: asking again is no news. */
  #outage: string | undefined;
  #draining = false;

  constructor(db: DatabaseSource, options: CoreOptions) {
    const { store: ephemera = useCommunicationStore(), clock = systemClock } = options;
    this.config = resolveConfig();
    this.logger = forwarding(() => this.#logger ?? consoleLogger);
    this.configure(options);
    this.clock = clock;
    this.#db = db;
    this.store = createStore(db, this.logger, clock);
    const { store, config, hub, logger } = this;
    const newId = (): string => crypto.randomUUID();
    this.services = createServices({ store, hub, clock, config, logger, ephemera, presence: ephemera, newId });
    this.#ready = this.#watched(this.store.ready);
    // Whoever asks learns of it; nobody asking must not crash the process.
    this.#ready.catch(() => undefined);
  }

  /** Takes over the first configuration and the first logger that anybody brings: which module is loaded first is chance. */
  configure({ config, logger }: CoreOptions): void {
    if (config !== undefined && !this.#configured) {
      Object.assign(this.config, resolveConfig(config));
      this.#configured = true;
    }
    this.#logger ??= logger;
  }

  /**
   * Resolves when the database can be used. A start that failed is tried again by whoever asks next.
   *
   * @throws CommError `UNAVAILABLE`, with what happened as its cause
   */
  ready(): Promise<void> {
    return (this.#ready ??= this.#watched(ensureCommunicationTables(this.#db)));
  }

  /** Rejects where the database doesn't answer, and while it takes no writes. */
  async check(): Promise<void> {
    await this.ready();
    await this.store.check();
  }

  /** From now on every new request is answered `UNAVAILABLE`. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Stops all timers. Whoever asks for this database from now on starts anew. */
  close(): void {
    if (cores.get(connectionOf(this.#db)) === this) cores.delete(connectionOf(this.#db));
    this.services.presence.close();
    this.services.calls.table.close();
  }

  async #watched(start: Promise<void>): Promise<void> {
    try {
      await start;
      this.#outage = undefined;
    } catch (error) {
      this.#ready = undefined;
      const sqlite = outageOf(error);
      if (sqlite === undefined || sqlite !== this.#outage) {
        this.logger.error('the database could not be prepared', { ...errorFields(error), sqlite });
      }
      this.#outage = sqlite;
      throw new CommError('UNAVAILABLE', 'The server is not ready', { retryAfterMs: 1_000, cause: error });
    }
  }
}

const cores = new WeakMap<object, Core>();

/**
 * The core of a database: handlers and routes that are given the same one share it. Without a database those who share
 * an ephemeral store share one in memory.
 */
export function coreOf(options: CoreOptions): Core {
  const key = options.db === undefined ? (options.store ?? useCommunicationStore()) : connectionOf(options.db);
  const known = cores.get(key);
  if (known !== undefined) {
    known.configure(options);
    return known;
  }
  const core = new Core(options.db ?? openDatabase(':memory:'), options);
  cores.set(key, core);
  return core;
}

function forwarding(target: () => Logger): Logger {
  return {
    debug: (message, fields) => target().debug(message, fields),
    info: (message, fields) => target().info(message, fields),
    warn: (message, fields) => target().warn(message, fields),
    error: (message, fields) => target().error(message, fields),
  };
}
