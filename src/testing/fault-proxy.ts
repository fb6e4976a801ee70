import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { seededRandom, type Random } from './random.ts';

/** How often what happens to a chunk of bytes, from 0 (never, the default) to 1 (always), and for how long. */
export interface LineFaults {
  /** The connection is torn down, and the chunk is lost. */
  cut?: number | undefined;
  /** Nothing goes through in this direction for `stallMs`. */
  stall?: number | undefined;
  /** @defaultValue `[50, 500]` */
  stallMs?: readonly [min: number, max: number] | undefined;
  /** The chunk comes a little late, and all after it with it. */
  delay?: number | undefined;
  /** @defaultValue `[1, 20]` */
  delayMs?: readonly [min: number, max: number] | undefined;
  /** The chunk comes in pieces, at whatever byte. */
  split?: number | undefined;
  /**
   * So many bytes a second and no more, in each direction for itself and for all connections together, as on one line.
   * They come in pieces of at most 4,096 bytes.
   * @defaultValue as fast as it goes
   */
  bytesPerSecond?: number | undefined;
}

export interface FaultProxyOptions extends LineFaults {
  /** Where to: the `url` of a server. */
  target: string;
  /** Decides every fault. */
  seed: number;
  /** 0 takes a free one. @defaultValue 0 */
  port?: number | undefined;
}

export interface FaultFigures {
  readonly connections: number;
  readonly cuts: number;
  readonly stalls: number;
  readonly delays: number;
  readonly splits: number;
  /** What has been passed on towards the target, and from it. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

type Direction = 'up' | 'down';

const LARGEST_PIECE = 4_096;

/** A TCP proxy that breaks what it carries. Give its `url` to the client in place of the server's. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  readonly figures: FaultFigures;
  /** Cuts every connection now. */
  cut(): void;
  /** Nothing gets through any more and nobody is told, as when a cable is pulled. Ends with `heal`. */
  kill(): void;
  /** Carries on without faults; what was held is passed on. */
  heal(): void;
  /** Faults again, from where the seed's sequence stands. */
  resume(): void;
  close(): Promise<void>;
}

/**
 * Starts a proxy on 127.0.0.1. Which faults happen follows from the seed and the order of connections and chunks; how the
 * kernel cuts the stream into chunks doesn't, so that two runs are alike and not the same.
 */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new TcpProxy(options);
  await proxy.listen(options.port ?? 0);
  return proxy;
}

class TcpProxy implements FaultProxy {
  readonly figures = { connections: 0, cuts: 0, stalls: 0, delays: 0, splits: 0, bytesUp: 0, bytesDown: 0 };
  /** When the line has sent what it was given, by the clock of `performance`. */
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
      // However one direction ends, both are over: half a connection is of no use to anybody here.
      const end = (): void => {
        near.destroy();
        far.destroy();
      };
      pipeline(
        from,
        (chunks: AsyncIterable<Buffer>) => this.#carry(chunks, random),
        (chunks: AsyncIterable<Buffer>) => this.#narrow(chunks, pieces, direction),
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
      // Always as many numbers for each chunk, so that one fault more or less doesn't move all that come after it.
      const [cuts, stalls, delays, splits] = [cut, stall, delay, split].map((share) => random.chance(share));
      const [stalledMs, delayedMs] = [random.between(...stallMs), random.between(...delayMs)];
      if (!this.#faulty) {
        yield chunk;
        continue;
      }
      if (cuts === true) {
        this.figures.cuts += 1;
        throw new Error('Cut');
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

  /** What is on the line goes before what comes later, whichever connection it is of. */
  async *#narrow(chunks: AsyncIterable<Buffer>, random: Random, direction: Direction): AsyncGenerator<Buffer> {
    const { bytesPerSecond = Infinity } = this.#faults;
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        const isNarrow = this.#faulty && bytesPerSecond < Infinity;
        const size = isNarrow ? random.between(LARGEST_PIECE / 4, LARGEST_PIECE) : chunk.length;
        const piece = chunk.subarray(at, at + size);
        at += piece.length;
        if (isNarrow) {
          const now = performance.now();
          // By a time of its own: what one timer is late the next ones make good.
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
