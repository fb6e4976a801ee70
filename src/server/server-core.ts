import { systemClock, type Clock } from '../lib/clock.ts';
import { errorFields, type Logger } from '../lib/logger.ts';
import { CommError } from '../protocol/errors.ts';
import {
  resolveConfig,
  resolveTurn,
  type CommunicationConfig,
  type ResolvedConfig,
  type TurnConfig,
} from './config.ts';
import { consoleLogger } from './console-logger.ts';
import type { ServerHooks } from './hooks.ts';
import { SocketBroadcaster } from './sockets/broadcaster.ts';
import { InFlight } from './sockets/in-flight.ts';
import { Refusals } from './services/limits/refusals.ts';
import { UnreadOutput } from './services/limits/unread-output.ts';
import { UserSlots } from './services/limits/user-slots.ts';
import { resolveLimits, type ServerLimits } from './services/limits/server-limits.ts';
import { ContactPolicy } from './services/people/contact-policy.ts';
import { AnswerTurns } from './services/limits/answer-turns.ts';
import { FrameTurns } from './sockets/frame-turns.ts';
import { OutputTurns } from './sockets/output-turns.ts';
import { UserBudgets } from './services/limits/user-budgets.ts';
import { resolveFiles, type FilesConfig, type FilesOptions } from './services/files/files-config.ts';
import { createServices, type Services } from './services/services.ts';
import { useCommunicationStore, type CommunicationStore } from './cluster/memory-ephemera.ts';
import { ensureCommunicationTables } from './store/engine/migrate.ts';
import { openDatabase } from './store/engine/open.ts';
import { outageCode } from './store/engine/outages.ts';
import { connectionOf, type DatabaseSource } from './store/engine/database-source.ts';
import { createStore, type Store } from './store/store.ts';

/** Options that all handlers and routes of one database share. */
export interface ServerCoreOptions {
  /**
   * A `DatabaseSync` of `node:sqlite`, a `Database` of better-sqlite3 or a `LumenDb` of LumenJS.
   *
   * @defaultValue a database in memory that is lost when the process ends
   */
  db?: DatabaseSource | undefined;
  /** Sizes, timeouts and paths. */
  config?: CommunicationConfig | undefined;
  /** Limits on what one peer may cost. `false` removes them, for tests and measurements. @defaultValue every default */
  limits?: Partial<ServerLimits> | false | undefined;
  /**
   * Stores uploaded files: a directory, or an object with a backend and limits.
   *
   * @defaultValue uploads are rejected with `UNSUPPORTED`
   */
  files?: string | FilesOptions | undefined;
  /** Functions of the app that decide about requests. */
  hooks?: ServerHooks | undefined;
  /**
   * TURN servers of clients without the option `calls.iceServers`, which receive time-limited credentials.
   *
   * @defaultValue none
   */
  turn?: TurnConfig | undefined;
  /**
   * Sockets, presence, typing and calls of this process. @defaultValue the store returned by {@link
   * useCommunicationStore}
   */
  store?: CommunicationStore | undefined;
  /** Receives warnings and errors. @defaultValue the console */
  logger?: Logger | undefined;
  /** Source of time and timers; tests inject their own. */
  clock?: Clock | undefined;
}

/**
 * Composition root of the server: constructs the store, the broadcaster and the services of one database, which sockets
 * and routes share.
 */
export class ServerCore {
  readonly config: ResolvedConfig;
  readonly limits: ServerLimits;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly store: Store;
  /** Refusals of this process, logged once per cause and interval. */
  readonly refusals: Refusals;
  /** Output of connections and responses that has not been read. */
  readonly unread: UnreadOutput;
  /** Number of sockets of each user. */
  readonly userSockets = new UserSlots({
    max: () => this.limits.socketsPerUser,
    message: 'too many connections of this user',
    retryAfterMs: 10_000,
  });
  /** Number of REST requests of each user that are being handled. */
  readonly restRequests = new UserSlots({
    max: () => this.limits.restRequestsPerUser,
    message: 'too many requests at the same time',
    retryAfterMs: 1_000,
  });
  /** The turns of the event loop in which requests with large answers are handled. */
  readonly turns = new AnswerTurns();
  /** The turns of the event loop in which frames of sockets are handled. */
  readonly frames = new FrameTurns();
  /** The turns of the event loop in which rows are stored and pushes are sent. */
  readonly outputTurns = new OutputTurns();
  readonly broadcaster = new SocketBroadcaster(() => this.outputTurns.pause());
  readonly services: Services;
  /** Requests that are being handled. */
  readonly inFlight = new InFlight();
  readonly #db: DatabaseSource;
  #logger: Logger | undefined;
  #configured = false;
  readonly #hooks: ServerHooks = {};
  #limited = false;
  #files: FilesConfig | undefined;
  #ready: Promise<void> | undefined;
  /** SQLite's name for the last failed preparation, if the cause was an outage. Used to log an outage once. */
  #outage: string | undefined;
  #draining = false;
  #restored = false;

  constructor(db: DatabaseSource, options: ServerCoreOptions) {
    const { store: ephemera = useCommunicationStore(), clock = systemClock } = options;
    this.config = resolveConfig();
    this.limits = resolveLimits(undefined);
    this.logger = forwarding(() => this.#logger ?? consoleLogger);
    this.configure(options);
    this.clock = clock;
    this.refusals = new Refusals(clock, this.logger, () => this.limits.logIntervalMs);
    this.unread = new UnreadOutput(this.limits, clock, this.refusals);
    this.#db = db;
    this.store = createStore(db, this.logger, clock, this.outputTurns);
    const { store, config, limits, broadcaster, logger } = this;
    const newId = (): string => crypto.randomUUID();
    this.services = createServices({
      store,
      broadcaster,
      clock,
      config,
      limits,
      budgets: new UserBudgets(limits, clock),
      contacts: new ContactPolicy(this.#hooks, clock, logger),
      logger,
      ephemera,
      presence: ephemera,
      runningCalls: ephemera,
      files: () => this.#files,
      hooks: this.#hooks,
      newId,
      refusals: this.refusals,
    });
    this.#ready = this.#watched(this.store.ready);
    // Callers of `ready()` receive the rejection; without a caller it must not become an unhandled rejection.
    this.#ready.catch(() => undefined);
  }

  /**
   * Applies the first configuration, limits, file storage, hooks and logger that a handler or route provides. Later ones
   * are ignored, because the order in which modules are loaded is not defined.
   */
  configure({ config, limits, files, hooks, turn, logger }: ServerCoreOptions): void {
    if (config !== undefined && !this.#configured) {
      Object.assign(this.config, resolveConfig(config));
      this.#configured = true;
    }
    if (files !== undefined) this.#files ??= resolveFiles(files);
    if (this.#files !== undefined) Object.assign(this.config, { fileUpload: this.#files.fileUpload });
    if (turn !== undefined && this.config.turn === undefined) Object.assign(this.config, { turn: resolveTurn(turn) });
    this.#logger ??= logger;
    if (hooks !== undefined) Object.assign(this.#hooks, { ...hooks, ...this.#hooks });
    if (limits !== undefined && !this.#limited) {
      Object.assign(this.limits, resolveLimits(limits));
      this.#limited = true;
      if (limits === false) this.logger.warn('all limits are removed: one peer can stop the server');
    }
  }

  /**
   * Resolves when the database can be used. After a failed preparation, the next call retries it.
   *
   * @throws CommError `UNAVAILABLE` with the failure as its `cause`
   */
  ready(): Promise<void> {
    return (this.#ready ??= this.#watched(ensureCommunicationTables(this.#db)));
  }

  /** Rejects if the database doesn't respond or doesn't accept writes. */
  async check(): Promise<void> {
    await this.ready();
    // Again, if the connection that held it was lost.
    await this.store.claim();
    await this.store.check();
  }

  /** Rejects every new request with `UNAVAILABLE`. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Stops all timers and removes the core from the registry: the next handler with this database creates a new core.
   */
  close(): void {
    if (cores.get(connectionOf(this.#db)) === this) cores.delete(connectionOf(this.#db));
    this.services.presence.close();
    this.services.receipts.close();
    this.services.files.close();
    this.services.profiles.close();
    this.services.calls.registry.close();
    this.services.activeCalls.close();
    this.services.callStore.close();
  }

  /** Takes up the calls of an earlier process, once. */
  async #restoreCalls(): Promise<void> {
    if (this.#restored) return;
    const calls = await this.services.callStore.load();
    this.#restored = true;
    this.services.calls.registry.restore(calls);
  }

  async #watched(start: Promise<void>): Promise<void> {
    try {
      await start;
      await this.store.claim();
      await this.#restoreCalls();
      this.#outage = undefined;
    } catch (error) {
      this.#ready = undefined;
      const sqlite = outageCode(error);
      if (sqlite === undefined || sqlite !== this.#outage) {
        this.logger.error('failed to prepare the database', { ...errorFields(error), sqlite });
      }
      this.#outage = sqlite;
      throw new CommError('UNAVAILABLE', 'The server is not ready', { retryAfterMs: 1_000, cause: error });
    }
  }
}

const cores = new WeakMap<object, ServerCore>();

/**
 * Returns the core of a database. Handlers and routes with the same database share it. Without a database, those with
 * the same ephemeral store share a database in memory.
 */
export function serverCoreFor(options: ServerCoreOptions): ServerCore {
  const key = options.db === undefined ? (options.store ?? useCommunicationStore()) : connectionOf(options.db);
  const known = cores.get(key);
  if (known !== undefined) {
    known.configure(options);
    return known;
  }
  const core = new ServerCore(options.db ?? openDatabase(':memory:'), options);
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
