import { deferred, type Deferred } from '../../lib/deferred.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import type { RandomSource } from '../../lib/random.ts';
import { retry } from '../../lib/retry.ts';
import type { Bus, BusListener } from './bus.ts';
import type { RedisCommands } from './redis-commands.ts';
import { connectRedis, DEFAULT_PREFIX, type RedisConnection, type RedisOptions } from './redis-connection.ts';
import { PublishedSequence, ReceivedSequences } from './sequences.ts';

/** Options of {@link RedisBus}. */
export interface RedisBusOptions extends RedisOptions {
  /** Id of this process, without spaces, never used by another one. */
  readonly processId: string;
  readonly random: RandomSource;
  readonly logger: Logger;
  /** Time in ms between two heartbeats. After {@link MAX_UNANSWERED} unanswered ones the connection counts as lost. @defaultValue 2,000 */
  readonly heartbeatMs?: number | undefined;
  /** Characters of messages that Redis hasn't confirmed. Messages beyond that are dropped. @defaultValue 16 Mi */
  readonly maxPending?: number | undefined;
}

const HEARTBEAT_MS = 2_000;
const MAX_UNANSWERED = 3;
const MAX_PENDING = 16 * 1_048_576;
const BACKOFF = { baseMs: 200, maxMs: 5_000 };
/** Channels in one command. Redis answers each, which takes about a microsecond. */
const CHANNELS_PER_COMMAND = 500;
/** Channels with lost messages, whose subscribers are told by name. Beyond that, all subscribers of all channels are. */
const MAX_UNTOLD = 10_000;
/** Channel of every process: its publisher has lost more messages than it could remember. */
const EVERYTHING = '*';

/**
 * The bus over the sharded pub/sub of Redis. Subscribers see by the numbers of the messages that one was lost; a publisher that
 * has lost messages says so once it is connected again. A silent connection is found by heartbeats, which are messages to
 * the process itself.
 */
export class RedisBus implements Bus, RedisCommands {
  readonly #options: RedisBusOptions;
  readonly #prefix: string;
  readonly #heartbeatChannel: string;
  readonly #published: PublishedSequence;
  readonly #received = new ReceivedSequences();
  readonly #closing = new AbortController();
  #listener: BusListener | undefined;
  readonly #connectedListeners: (() => void)[] = [];
  #connection: RedisConnection | undefined;
  #connected = false;
  readonly #wanted = new Set<string>();
  /** Channels that are subscribed on the connection, or are being subscribed. */
  readonly #active = new Set<string>();
  /** Channels in one of `#wanted` and `#active` only. */
  readonly #changed = new Set<string>();
  readonly #waiting = new Map<string, Deferred<undefined>>();
  /** The connection whose subscriptions are being changed. */
  #updating: RedisConnection | undefined;
  #pendingCharacters = 0;
  #pendingMessages = 0;
  #allPublished: Deferred<undefined> | undefined;
  /** Channels with lost messages of this process. */
  readonly #untold = new Set<string>();
  #unanswered = 0;
  /** Why the last connection was lost. */
  #failure: unknown;
  /** Time at which the first unanswered heartbeat was sent. */
  #beatAt = 0;
  #lastLagMs: number | undefined;
  #cancelHeartbeat: () => void = () => undefined;

  constructor(options: RedisBusOptions) {
    this.#options = options;
    this.#prefix = options.prefix ?? DEFAULT_PREFIX;
    this.#published = new PublishedSequence(options.processId);
    this.#heartbeatChannel = `heartbeat:${options.processId}`;
    for (const channel of [EVERYTHING, this.#heartbeatChannel]) this.#wanted.add(channel);
  }

  /**
   * Connects, and again whenever the connection is lost, until {@link close}. Resolves with the first connection.
   *
   * @param mode - `once` rejects if the first attempt fails; `patient` repeats it
   */
  async open(mode: 'once' | 'patient' = 'patient'): Promise<void> {
    const { clock, random, logger, url, connect = connectRedis } = this.#options;
    const { signal } = this.#closing;
    const attempt = async (): Promise<void> => {
      const events = {
        received: (channel: string, message: string) => this.#receive(channel, message),
        lost: (error: unknown) => this.#lost(this.#connection, error),
      };
      const connection = await connect(url, events, clock);
      if (signal.aborted) return connection.destroy();
      this.#connection = connection;
      await this.#resume(connection);
    };
    let warned = false;
    const shouldRetry = (error: unknown): boolean => {
      if (mode === 'once') return false;
      if (!warned && !signal.aborted) logger.warn('no connection to Redis', errorFields(error));
      warned = true;
      return true;
    };
    await retry(attempt, { clock, random }, { backoff: BACKOFF, signal, shouldRetry });
  }

  get connected(): boolean {
    return this.#connected;
  }

  get lagMs(): number | undefined {
    if (!this.#connected) return undefined;
    if (this.#unanswered === 0) return this.#lastLagMs;
    return Math.max(this.#lastLagMs ?? 0, this.#options.clock.now() - this.#beatAt);
  }

  listen(listener: BusListener): void {
    this.#listener = listener;
  }

  async command(args: readonly string[]): Promise<unknown> {
    const connection = this.#connected ? this.#connection : undefined;
    if (connection === undefined) throw new Error('No connection to Redis');
    return await connection.command(args);
  }

  onConnected(listener: () => void): void {
    this.#connectedListeners.push(listener);
  }

  publish(channel: string, payload: string): void {
    this.#send(channel, this.#published.next(channel, payload));
  }

  subscribe(channel: string): Promise<void> {
    this.#wanted.add(channel);
    this.#touched(channel);
    const waiting = this.#waiting.get(channel);
    if (waiting !== undefined) return waiting.promise;
    if (this.#connection === undefined || this.#active.has(channel)) return Promise.resolve();
    const subscribed = deferred<undefined>();
    this.#waiting.set(channel, subscribed);
    return subscribed.promise;
  }

  unsubscribe(channel: string): void {
    this.#wanted.delete(channel);
    this.#touched(channel);
    // The subscription has not begun, and won't.
    if (!this.#active.has(channel)) this.#settle(channel);
  }

  /** Tells all processes, also this one, that messages of a process were lost that can't tell it itself. */
  lostByOthers(): void {
    this.#listener?.missed(this.#channels());
    this.#loses(EVERYTHING);
    this.#tellLost();
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new Error('The bus is closed'));
    if (this.#pendingMessages > 0) await (this.#allPublished = deferred()).promise;
    this.#disconnect();
  }

  /** Subscribes again, tells what may have been missed, and what others have missed. */
  async #resume(connection: RedisConnection): Promise<void> {
    for (const channel of this.#wanted) this.#changed.add(channel);
    const updated = this.#update();
    // The line may fall silent before everything is subscribed.
    this.#beat(connection);
    await updated;
    if (this.#connection !== connection) throw new Error('The connection to Redis was lost', { cause: this.#failure });
    this.#connected = true;
    const channels = this.#channels();
    for (const connected of this.#connectedListeners) connected();
    if (channels.length > 0) this.#listener?.missed(channels);
    this.#tellLost();
  }

  /** The subscriptions of the listener. */
  #channels(): string[] {
    return [...this.#wanted].filter((each) => each !== EVERYTHING && each !== this.#heartbeatChannel);
  }

  #touched(channel: string): void {
    if (this.#wanted.has(channel) === this.#active.has(channel)) this.#changed.delete(channel);
    else this.#changed.add(channel);
    // At the end of the task, with what else is subscribed in it.
    if (this.#connection !== undefined && this.#updating === undefined) queueMicrotask(() => void this.#update());
  }

  /** Makes the subscriptions of the connection those that are wanted. */
  async #update(): Promise<void> {
    const connection = this.#connection;
    if (connection === undefined || this.#updating === connection) return;
    this.#updating = connection;
    try {
      while (connection === this.#connection && this.#changed.size > 0) {
        const channels = [...this.#changed].slice(0, CHANNELS_PER_COMMAND);
        for (const channel of channels) this.#changed.delete(channel);
        const added = channels.filter((each) => this.#wanted.has(each) && !this.#active.has(each));
        const removed = channels.filter((each) => !this.#wanted.has(each) && this.#active.has(each));
        for (const channel of added) this.#active.add(channel);
        for (const channel of removed) {
          this.#active.delete(channel);
          this.#received.forget(channel);
        }
        if (removed.length > 0) await connection.unsubscribe(removed.map((each) => this.#prefix + each));
        if (added.length > 0) await connection.subscribe(added.map((each) => this.#prefix + each));
        for (const channel of added) this.#settle(channel);
      }
    } catch (error) {
      this.#lost(connection, error);
    } finally {
      if (this.#updating === connection) this.#updating = undefined;
    }
  }

  #settle(channel: string): void {
    this.#waiting.get(channel)?.resolve(undefined);
    this.#waiting.delete(channel);
  }

  #send(channel: string, message: string): void {
    const connection = this.#connected ? this.#connection : undefined;
    const { maxPending = MAX_PENDING } = this.#options;
    if (connection === undefined || this.#pendingCharacters + message.length > maxPending) return this.#loses(channel);
    this.#pendingCharacters += message.length;
    this.#pendingMessages += 1;
    connection
      .publish(this.#prefix + channel, message)
      .catch(() => this.#loses(channel))
      .finally(() => {
        this.#pendingCharacters -= message.length;
        this.#pendingMessages -= 1;
        if (this.#pendingMessages > 0) return;
        this.#allPublished?.resolve(undefined);
        this.#tellLost();
      });
  }

  #loses(channel: string): void {
    if (this.#untold.size < MAX_UNTOLD) this.#untold.add(channel);
    else this.#untold.add(EVERYTHING);
  }

  /** Tells the subscribers of channels that messages of this process were lost. */
  #tellLost(): void {
    if (!this.#connected || this.#untold.size === 0) return;
    const channels = this.#untold.has(EVERYTHING) ? [EVERYTHING] : [...this.#untold];
    this.#untold.clear();
    for (const channel of channels) this.#send(channel, this.#published.next(channel));
  }

  #receive(name: string, message: string): void {
    const channel = name.slice(this.#prefix.length);
    if (channel === this.#heartbeatChannel) {
      this.#lastLagMs = this.#options.clock.now() - this.#beatAt;
      this.#unanswered = 0;
      return;
    }
    // What still arrives on a channel after it was given up must not be remembered.
    if (!this.#wanted.has(channel)) return;
    const received = this.#received.receive(channel, message);
    if (received === undefined || received.publisherId === this.#options.processId) return;
    if (channel === EVERYTHING) return this.#listener?.missed(this.#channels());
    if (received.order === 'repeated') return;
    if (received.order === 'hole') this.#listener?.missed([channel]);
    if (received.payload !== '') this.#listener?.received(channel, received.payload);
  }

  #beat(connection: RedisConnection): void {
    if (this.#connection !== connection) return;
    // Counted, not timed: after a pause of the process, the answers are read before the next heartbeat.
    if (this.#unanswered >= MAX_UNANSWERED) return this.#lost(connection, new Error('Redis does not answer'));
    const { clock, heartbeatMs = HEARTBEAT_MS } = this.#options;
    if (this.#unanswered === 0) this.#beatAt = clock.now();
    this.#unanswered += 1;
    connection.publish(this.#prefix + this.#heartbeatChannel, '').catch(() => undefined);
    this.#cancelHeartbeat = clock.after(heartbeatMs, () => this.#beat(connection), true);
  }

  #lost(connection: RedisConnection | undefined, error: unknown): void {
    if (connection === undefined || connection !== this.#connection) return;
    const wasConnected = this.#connected;
    this.#failure = error;
    this.#disconnect();
    // While it is opened, the attempt fails and is repeated.
    if (!wasConnected || this.#closing.signal.aborted) return;
    this.#options.logger.warn('lost the connection to Redis', errorFields(error));
    this.open().then(
      () => this.#options.logger.info('connected to Redis again'),
      () => undefined,
    );
  }

  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#connected = false;
    this.#unanswered = 0;
    this.#cancelHeartbeat();
    this.#active.clear();
    this.#received.forget();
    connection?.destroy();
    for (const channel of this.#waiting.keys()) this.#settle(channel);
  }
}
