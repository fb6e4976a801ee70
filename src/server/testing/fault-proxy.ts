import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { seededRandom, type Random } from '../../lib/seeded-random.ts';

/** Probability of each fault per chunk of bytes, from 0 (never, the default) to 1 (always), and its duration. */
export interface LineFaults {
  /** Destroys the connection; the chunk is lost. */
  cut?: number | undefined;
  /** Holds back this direction of the connection for `stallMs`. */
  stall?: number | undefined;
  /** Range of the duration of a stall, in milliseconds. @defaultValue `[50, 500]` */
  stallMs?: readonly [min: number, max: number] | undefined;
  /** Delays the chunk, and all later chunks of this direction, by `delayMs`. */
  delay?: number | undefined;
  /** Range of a delay, in milliseconds. @defaultValue `[1, 20]` */
  delayMs?: readonly [min: number, max: number] | undefined;
  /** Splits the chunk in two at a random byte. */
  split?: number | undefined;
  /**
   * Bandwidth per direction in bytes per second, shared by all connections. Data is passed on in pieces of at most 4,096
   * bytes. @defaultValue unlimited
   */
  bytesPerSecond?: number | undefined;
}

/** Options of {@link startFaultProxy}. */
export interface FaultProxyOptions extends LineFaults {
  /** Origin of the server to connect to, such as `http://127.0.0.1:3000`. */
  target: string;
  /** Seed of the generator that selects the faults. */
  seed: number;
  /** Port to listen on; 0 selects a free port. @defaultValue 0 */
  port?: number | undefined;
}

/** Counters of a {@link FaultProxy} since its start. */
export interface FaultFigures {
  readonly connections: number;
  readonly cuts: number;
  readonly stalls: number;
  readonly delays: number;
  readonly splits: number;
  /** Bytes passed on to the target. */
  readonly bytesUp: number;
  /** Bytes passed on from the target. */
  readonly bytesDown: number;
}

type Direction = 'up' | 'down';

const MAX_PIECE_BYTES = 4_096;

/** A TCP proxy that injects faults. Pass its `url` to the client instead of the server's. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  readonly figures: FaultFigures;
  /** Destroys all current connections. */
  cut(): void;
  /** Stops forwarding without closing any connection, like an unplugged cable. Ends with {@link FaultProxy.heal}. */
  kill(): void;
  /** Forwards without faults from now on, including the bytes held back so far. */
  heal(): void;
  /** Resumes injecting faults after {@link FaultProxy.heal}. */
  resume(): void;
  /** Destroys all connections and stops listening. */
  close(): Promise<void>;
}

/**
 * Starts a proxy on 127.0.0.1. Faults are determined by the seed, the connection's number and the order of chunks. The
 * operating system decides how the stream is divided into chunks, so two runs with one seed are similar, not identical.
 */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new TcpProxy(options);
  await proxy.listen(options.port ?? 0);
  return proxy;
}

class TcpProxy implements FaultProxy {
  readonly figures = { connections: 0, cuts: 0, stalls: 0, delays: 0, splits: 0, bytesUp: 0, bytesDown: 0 };
  /** `performance.now()` time at which each direction has transmitted all data accepted so far. */
  #freeAt = { up: 0, down: 0 };
  readonly #faults: LineFaults;
  readonly #target: { host: string; port: number };
  readonly #random: Random;
  readonly #server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  readonly #sockets = new Set<Socket>();
  readonly #waits = new Set<() => void>();
  #url = '';
  #faulty = true;
  #dead: Promise<void> | undefined;
  #revive = (): void => undefined;

  constructor({ target, seed, ...faults }: FaultProxyOptions) {
    const { hostname, port } = new URL(target);
    this.#target = { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
    this.#random = seededRandom(seed);
    this.#faults = faults;
  }

  get url(): string {
    return this.#url;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  kill(): void {
    this.#dead ??= new Promise((resolve) => {
      this.#revive = resolve;
    });
  }

  heal(): void {
    this.#faulty = false;
    this.#dead = undefined;
    this.#freeAt = { up: 0, down: 0 };
    this.#revive();
    for (const end of this.#waits) end();
  }

  resume(): void {
    this.#faulty = true;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.heal();
    this.cut();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(near: Socket): void {
    const number = ++this.figures.connections;
    const far = connect({ ...this.#target, noDelay: true });
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    const carry = (from: Socket, to: Socket, direction: Direction): void => {
      const random = this.#random.fork(`${number} ${direction}`);
      const pieces = this.#random.fork(`${number} ${direction} pieces`);
      // Half-open connections are not supported: when one direction ends, both sides are destroyed.
      const end = (): void => {
        near.destroy();
        far.destroy();
      };
      pipeline(
        from,
        (chunks: AsyncIterable<Buffer>) => this.#carry(chunks, random),
        (chunks: AsyncIterable<Buffer>) => this.#throttle(chunks, pieces, direction),
        to,
      ).then(end, end);
    };
    carry(near, far, 'up');
    carry(far, near, 'down');
  }

  async *#carry(chunks: AsyncIterable<Buffer>, random: Random): AsyncGenerator<Buffer> {
    const { cut = 0, stall = 0, stallMs = [50, 500], delay = 0, delayMs = [1, 20], split = 0 } = this.#faults;
    for await (const chunk of chunks) {
      await this.#dead;
      // Draws the same count of numbers for every chunk, so that one fault doesn't shift the faults of later chunks.
      const [cuts, stalls, delays, splits] = [cut, stall, delay, split].map((share) => random.chance(share));
      const [stalledMs, delayedMs] = [random.between(...stallMs), random.between(...delayMs)];
      if (!this.#faulty) {
        yield chunk;
        continue;
      }
      if (cuts === true) {
        this.figures.cuts += 1;
        throw new Error('Connection cut');
      }
      if (stalls === true) {
        this.figures.stalls += 1;
        await this.#wait(stalledMs);
      }
      if (delays === true) {
        this.figures.delays += 1;
        await this.#wait(delayedMs);
      }
      if (splits === true && chunk.length > 1) {
        this.figures.splits += 1;
        const at = random.between(1, chunk.length - 1);
        yield chunk.subarray(0, at);
        await setImmediate();
        yield chunk.subarray(at);
      } else yield chunk;
    }
  }

  /** Applies the bandwidth limit. All connections share it, in the order in which their pieces arrive. */
  async *#throttle(chunks: AsyncIterable<Buffer>, random: Random, direction: Direction): AsyncGenerator<Buffer> {
    const { bytesPerSecond = Infinity } = this.#faults;
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        const isThrottled = this.#faulty && bytesPerSecond < Infinity;
        const size = isThrottled ? random.between(MAX_PIECE_BYTES / 4, MAX_PIECE_BYTES) : chunk.length;
        const piece = chunk.subarray(at, at + size);
        at += piece.length;
        if (isThrottled) {
          const now = performance.now();
          // Computed from the previous deadline, so that late timers don't reduce the bandwidth.
          this.#freeAt[direction] = Math.max(now, this.#freeAt[direction]) + (piece.length / bytesPerSecond) * 1_000;
          await this.#wait(this.#freeAt[direction] - now);
        }
        await this.#dead;
        this.figures[direction === 'up' ? 'bytesUp' : 'bytesDown'] += piece.length;
        yield piece;
      }
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waits.delete(end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#waits.add(end);
    });
  }
}
