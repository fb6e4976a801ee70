import { systemClock, type Clock } from '../lib/clock.ts';
import type { Handshake, SocketListener, SocketPort } from '../transport/socket-port.ts';
import { seededRandom, type Random } from './random.ts';

/** How often what happens to a frame (a request, its answer, a push), from 0 (never, the default) to 1 (always). */
export interface FrameFaults {
  /** It is lost and the connection stays: what no TCP does, and a proxy or a bug may. */
  drop?: number | undefined;
  /** It comes twice. Answers don't: Socket.IO itself takes the first only. */
  duplicate?: number | undefined;
  /** It comes `delayMs` later, in its place or not. */
  delay?: number | undefined;
  /** @defaultValue `[1, 50]` */
  delayMs?: readonly [min: number, max: number] | undefined;
  /** The frame after it comes first. */
  reorder?: number | undefined;
  /** The connection ends here, and the client is told. */
  cut?: number | undefined;
  /** Nothing comes through any more; the client is told only after `killMs`, as by a ping without an answer. */
  kill?: number | undefined;
  /** @defaultValue 1_000 */
  killMs?: number | undefined;
}

export interface FaultySocketOptions extends FrameFaults {
  /** Decides every fault. */
  seed: number;
  clock?: Clock | undefined;
}

export interface FaultySocket extends SocketPort {
  /** What has been done so far. */
  readonly figures: Readonly<Record<Exclude<keyof FrameFaults, 'delayMs' | 'killMs'>, number>>;
  /** Ends the connection now. */
  cut(): void;
  /** Lets the line go dead now. */
  kill(): void;
  /** These faults from here on, in place of all others; to frames that are held or delayed nothing more happens. */
  set(faults: FrameFaults): void;
  /** No more faults from here on. A frame that was dropped stays dropped. */
  heal(): void;
}

/** A frame that waits for the next one to overtake it comes after this long without one. */
const OVERTAKE_MS = 50;

/**
 * Breaks a client's connection frame by frame: `new CommClient({ socket: faultySocket(socketIoPort(…), { seed, cut: 0.01 }) })`.
 * The handshake and `comm:hello` always come through, since without them the client rightly talks to another kind of
 * server. For faults below the frames (split, stalled, half a handshake) there is `startFaultProxy`.
 */
export function faultySocket(port: SocketPort, options: FaultySocketOptions): FaultySocket {
  return new FaultyPort(port, options);
}

type Pass = () => void;

class FaultyPort implements FaultySocket {
  readonly figures = { drop: 0, duplicate: 0, delay: 0, reorder: 0, cut: 0, kill: 0 };
  readonly #port: SocketPort;
  readonly #random: Random;
  readonly #clock: Clock;
  #listener: SocketListener | undefined;
  /** Moves with every connection: what was held of an earlier one is lost with it. */
  #epoch = 0;
  #up = false;
  #dead = false;
  #faults: FrameFaults;
  #overtaken: { up: Pass | undefined; down: Pass | undefined } = { up: undefined, down: undefined };

  constructor(port: SocketPort, options: FaultySocketOptions) {
    this.#port = port;
    this.#faults = options;
    this.#random = seededRandom(options.seed);
    this.#clock = options.clock ?? systemClock;
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
    this.#port.listen({
      connected: () => {
        this.#up = true;
        listener.connected();
      },
      disconnected: (reason, byServer) => {
        this.#over();
        listener.disconnected(reason, byServer);
      },
      refused: (refusal) => listener.refused(refusal),
      pushed: (frame) => {
        if (isHello(frame)) listener.pushed(frame);
        else this.#pass('down', () => listener.pushed(frame), true);
      },
    });
  }

  connect(handshake: Handshake): void {
    this.#over();
    this.#port.connect(handshake);
  }

  disconnect(): void {
    this.#over();
    this.#port.disconnect();
  }

  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    const answer = acknowledge && ((reply: unknown) => this.#pass('down', () => acknowledge(reply), false));
    this.#pass('up', () => this.#port.emit(event, payload, answer), true);
  }

  cut(): void {
    this.#end('transport close');
  }

  kill(): void {
    const epoch = this.#epoch;
    this.#dead = true;
    this.#clock.after(this.#faults.killMs ?? 1_000, () => {
      if (epoch === this.#epoch) this.#end('ping timeout');
    });
  }

  set(faults: FrameFaults): void {
    this.#faults = faults;
  }

  heal(): void {
    this.set({ killMs: this.#faults.killMs });
  }

  #pass(direction: 'up' | 'down', pass: Pass, repeatable: boolean): void {
    const { drop = 0, duplicate = 0, delay = 0, delayMs = [1, 50], reorder = 0, cut = 0, kill = 0 } = this.#faults;
    const fault = this.#draw({ drop, duplicate, delay, reorder, cut, kill });
    const delayedMs = this.#random.between(...delayMs);
    const epoch = this.#epoch;
    const arrive = (): void => {
      if (epoch === this.#epoch && !this.#dead) pass();
    };
    switch (fault) {
      case 'drop':
        break;
      case 'cut':
        return this.cut();
      case 'kill':
        return this.kill();
      case 'duplicate':
        arrive();
        if (repeatable) arrive();
        break;
      case 'delay':
        return void this.#clock.after(delayedMs, arrive);
      case 'reorder':
        return this.#hold(direction, arrive);
      case undefined:
        arrive();
    }
    this.#release(direction);
  }

  /** At most one fault for a frame, the same for the same seed. */
  #draw(shares: Readonly<Record<keyof FaultySocket['figures'], number>>): keyof FaultySocket['figures'] | undefined {
    let left = this.#random.next();
    for (const [fault, share] of Object.entries(shares) as [keyof FaultySocket['figures'], number][]) {
      left -= share;
      if (left >= 0) continue;
      this.figures[fault] += 1;
      return fault;
    }
    return undefined;
  }

  #hold(direction: 'up' | 'down', arrive: Pass): void {
    this.#release(direction);
    this.#overtaken[direction] = arrive;
    this.#clock.after(OVERTAKE_MS, () => {
      if (this.#overtaken[direction] === arrive) this.#release(direction);
    });
  }

  #release(direction: 'up' | 'down'): void {
    const held = this.#overtaken[direction];
    this.#overtaken[direction] = undefined;
    held?.();
  }

  #end(reason: string): void {
    if (!this.#up) return;
    this.#over();
    this.#port.disconnect();
    this.#listener?.disconnected(reason, false);
  }

  #over(): void {
    this.#epoch += 1;
    this.#up = false;
    this.#dead = false;
    this.#overtaken = { up: undefined, down: undefined };
  }
}

function isHello(frame: unknown): boolean {
  return typeof frame === 'object' && frame !== null && 'event' in frame && frame.event === 'comm:hello';
}
