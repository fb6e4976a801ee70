import { systemClock, type Clock } from '../lib/clock.ts';
import { errorFields, type Logger } from '../lib/logger.ts';
import type { Tracer } from '../lib/tracing.ts';
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
import type { Bus } from './cluster/bus.ts';
import { defaultProcessName, namedLogger } from './process-name.ts';
import type { Ephemera } from './cluster/ephemera.ts';
import { LocalEphemera } from './cluster/local-ephemera.ts';
import { presenceReader } from './services/presence/presence-reader.ts';
import { SocketBroadcaster } from './sockets/broadcaster.ts';
import { ClusterBroadcaster } from './sockets/cluster-broadcaster.ts';
import { InFlight } from './sockets/in-flight.ts';
import { Refusals } from './services/limits/refusals.ts';
import { UnreadOutput } from './services/limits/unread-output.ts';
import { UserSlots } from './services/limits/user-slots.ts';
import { resolveLimits, type ServerLimits } from './services/limits/server-limits.ts';
import { ContactPolicy } from './services/people/contact-policy.ts';
import { AnswerTurns } from './services/limits/answer-turns.ts';
import { FrameTurns } from './sockets/frame-turns.ts';
import { OutputTurns } from './sockets/output-turns.ts';
import { SharedActiveCalls } from './services/calls/shared-active-calls.ts';
import { UserBudgets } from './services/limits/user-budgets.ts';
import { resolveFiles, type FilesConfig, type FilesOptions } from './services/files/files-config.ts';
import { createServices, type Services } from './services/services.ts';
import { useCommunicationStore, type CommunicationStore } from './cluster/memory-ephemera.ts';
import { ensureCommunicationTables } from './store/engine/migrate.ts';
import { openDatabase } from './store/engine/open.ts';
import { outageCode } from './store/engine/outages.ts';
import { connectionOf, type DatabaseSource } from './store/engine/database-source.ts';
import { isPostgresPool } from './store/engine/postgres-pool.ts';
import { createStore, type Store } from './store/store.ts';

/** Options that all handlers and routes of one database share. */
export interface ServerCoreOptions {
  /**
   * A `DatabaseSync` of `node:sqlite`, a `Database` of better-sqlite3, a `LumenDb` of LumenJS or a `Pool` of `pg`.
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
  /**
   * Reaches the other processes with this Postgres database, such as that of `openRedis()`. Pass it to each handler and route
   * of this database. @defaultValue none: the process uses the database alone
   */
  bus?: Bus | undefined;
  /**
   * Names this process in logs and in `GET /readyz`. @defaultValue none without a `bus`, else the host name and the process id
   */
  processName?: string | undefined;
  /**
   * What the processes with this database share, such as presence. @defaultValue the state of this process alone
   */
  ephemera?: Ephemera | undefined;
  /** Receives warnings and errors. @defaultValue the console */
  logger?: Logger | undefined;
  /**
   * Traces requests and transactions: a `Tracer` of `@opentelemetry/api`, such as that of `trace.getTracer('chat')`.
   *
   * @defaultValue none
   */
  tracer?: Tracer | undefined;
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
    max: () => Math.max(1, Math.floor(this.limits.socketsPerUser / this.#unsharedProcesses)),
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
  readonly broadcaster: SocketBroadcaster | ClusterBroadcaster;
  /** Reaches the other processes; `undefined` for a process that uses the database alone. */
  readonly bus: Bus | undefined;
  /** What the processes share. */
  readonly shared: Ephemera;
  /** Delivers to the other processes; `undefined` without a bus. */
  readonly cluster: ClusterBroadcaster | undefined;
  /** Name of the process in logs. */
  readonly name: string | undefined;
  /** Name of the process that clients are told, in development mode. */
  announcedName: string | undefined;
  readonly services: Services;
  /** Requests that are being handled. */
  readonly inFlight = new InFlight();
  readonly #db: DatabaseSource;
  #logger: Logger | undefined;
  #tracer: Tracer | undefined;
  #configured = false;
  readonly #hooks: ServerHooks = {};
  #limited = false;
  #files: FilesConfig | undefined;
  #ready: Promise<void> | undefined;
  /** SQLite's name for the last failed preparation, if the cause was an outage. Used to log an outage once. */
  #outage: string | undefined;
  #draining = false;
  #restored = false;
  #cancelClaimCheck: () => void = () => undefined;
  #closed = false;

  constructor(db: DatabaseSource, options: ServerCoreOptions) {
    const { store: ephemera = useCommunicationStore(), clock = systemClock, bus } = options;
    this.bus = bus;
    this.shared = options.ephemera ?? new LocalEphemera(ephemera);
    this.name = options.processName ?? (bus && defaultProcessName());
    this.config = resolveConfig();
    this.limits = resolveLimits(undefined);
    this.logger = namedLogger(() => this.#logger ?? consoleLogger, this.name);
    this.configure(options);
    this.clock = clock;
    this.refusals = new Refusals(clock, this.logger, () => this.limits.logIntervalMs);
    this.unread = new UnreadOutput(this.limits, clock, this.refusals);
    this.#db = db;
    this.store = createStore(db, this.logger, clock, { turns: this.outputTurns, tracer: () => this.#tracer });
    const newId = (): string => crypto.randomUUID();
    const local = new SocketBroadcaster(() => this.outputTurns.pause());
    this.cluster = bus && new ClusterBroadcaster(local, bus, { newId, clock, logger: this.logger });
    const broadcaster = this.cluster ?? local;
    this.broadcaster = broadcaster;
    const { store, config, limits, logger } = this;
    const sharedCalls = bus && {
      processId: newId(),
      reachesProcesses: () => bus.connected,
      active: new SharedActiveCalls({ store, broadcaster, clock, logger }),
    };
    this.services = createServices({
      store,
      broadcaster,
      clock,
      config,
      limits,
      budgets: new UserBudgets(limits, clock, options.ephemera),
      sharedLimits: options.ephemera,
      contacts: new ContactPolicy(this.#hooks, clock, logger),
      logger,
      ephemera,
      shared: this.shared,
      presence: options.ephemera === undefined ? ephemera : presenceReader(options.ephemera),
      runningCalls: sharedCalls?.active ?? ephemera,
      sharedCalls,
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
   * Applies the first configuration, limits, file storage, hooks, logger and tracer that a handler or route provides. Later ones
   * are ignored, because the order in which modules are loaded is not defined.
   */
  configure({ config, limits, files, hooks, turn, logger, tracer }: ServerCoreOptions): void {
    if (config !== undefined && !this.#configured) {
      Object.assign(this.config, resolveConfig(config));
      this.#configured = true;
    }
    if (files !== undefined) this.#files ??= resolveFiles(files);
    if (this.#files !== undefined) Object.assign(this.config, { fileUpload: this.#files.fileUpload });
    if (turn !== undefined && this.config.turn === undefined) Object.assign(this.config, { turn: resolveTurn(turn) });
    this.#logger ??= logger;
    this.#tracer ??= tracer;
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
    await this.#claim();
    await this.store.check();
  }

  /** What works worse than it should, while requests are answered. */
  get degradations(): readonly string[] {
    return this.bus?.connected === false ? ['no connection to Redis: what other processes push arrives late'] : [];
  }

  /** @throws CommError `RATE_LIMITED` if the user may have no further socket, counting those of all processes */
  async checkSockets(userId: string): Promise<void> {
    const elsewhere = this.shared.devicesElsewhere(userId);
    this.userSockets.check(userId, elsewhere instanceof Promise ? (await elsewhere).length : elsewhere.length);
  }

  /** Processes whose use of a limit isn't known, including this one. */
  get #unsharedProcesses(): number {
    return this.shared.connected ? 1 : this.shared.processes;
  }

  /** Rejects every new request with `UNAVAILABLE`. */
  drain(): void {
    this.#draining = true;
  }

  get tracer(): Tracer | undefined {
    return this.#tracer;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /**
   * Stops all timers and removes the core from the registry: the next handler with this database creates a new core.
   */
  close(): void {
    if (cores.get(connectionOf(this.#db)) === this) cores.delete(connectionOf(this.#db));
    this.#closed = true;
    this.#cancelClaimCheck();
    this.services.presence.close();
    this.services.receipts.close();
    this.services.files.close();
    this.services.profiles.close();
    this.services.calls.close();
    this.services.activeCalls.close();
  }

  /** Takes up the calls of an earlier process, once. */
  async #restoreCalls(): Promise<void> {
    if (this.#restored) return;
    await this.services.calls.start();
    this.#restored = true;
  }

  async #claim(): Promise<void> {
    await this.store.claim(this.bus === undefined ? 'alone' : 'shared');
  }

  /** Claims the database again after the connection was lost, also if nothing asks whether the server is ready. */
  #checkClaim(): void {
    this.#cancelClaimCheck();
    if (this.#closed || !isPostgresPool(connectionOf(this.#db))) return;
    const check = (): void => {
      // Logged as an outage of the database, or told by `/readyz`.
      this.#claim()
        .catch(() => undefined)
        .finally(() => this.#checkClaim());
    };
    this.#cancelClaimCheck = this.clock.after(CLAIM_CHECK_MS, check, true);
  }

  async #watched(start: Promise<void>): Promise<void> {
    try {
      await start;
      await this.#claim();
      this.#checkClaim();
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

/** Time in ms between two checks of the claim, whose connection can be lost. */
const CLAIM_CHECK_MS = 10_000;

const cores = new WeakMap<object, ServerCore>();

/**
 * Returns the core of a database. Handlers and routes with the same database share it. Without a database, those with
 * the same ephemeral store share a database in memory.
 */
export function serverCoreFor(options: ServerCoreOptions): ServerCore {
  const key = options.db === undefined ? (options.store ?? useCommunicationStore()) : connectionOf(options.db);
  const known = cores.get(key);
  if (known !== undefined) {
    if (options.bus !== undefined && options.bus !== known.bus) {
      throw new TypeError('bus must be passed to every handler and route of this database, and be the same');
    }
    known.configure(options);
    return known;
  }
  const core = new ServerCore(options.db ?? openDatabase(':memory:'), options);
  cores.set(key, core);
  return core;
}
