import { systemClock, type Clock } from '../lib/clock.ts';
import type { Handshake, SocketListener, SocketPort } from '../transport/socket-port.ts';
import { seededRandom, type Random } from '../lib/seeded-random.ts';

/**
 * Probability of each fault per frame (a request, its answer or a push), from 0 (never, the default) to 1 (always). A frame
 * suffers at most one fault.
 */
export interface FrameFaults {
  /** Drops the frame and keeps the connection. TCP never does this; a faulty proxy can. */
  drop?: number | undefined;
  /** Delivers the frame twice. Answers are delivered once, because Socket.IO ignores a second acknowledgement. */
  duplicate?: number | undefined;
  /** Delivers the frame `delayMs` later; later frames may overtake it. */
  delay?: number | undefined;
  /** Range of a delay, in milliseconds. @defaultValue `[1, 50]` */
  delayMs?: readonly [min: number, max: number] | undefined;
  /** Swaps the frame with the next one in the same direction. */
  reorder?: number | undefined;
  /** Closes the connection and reports it to the client. */
  cut?: number | undefined;
  /** Drops all further frames and reports the lost connection after `killMs`, like an unanswered ping. */
  kill?: number | undefined;
  /** Milliseconds. @defaultValue 1_000 */
  killMs?: number | undefined;
}

/** Options of {@link faultySocket}. */
export interface FaultySocketOptions extends FrameFaults {
  /** Seed of the generator that selects the faults. */
  seed: number;
  /** Source of time for delays. @defaultValue the system clock */
  clock?: Clock | undefined;
}

/** A {@link SocketPort} that injects faults into another one. */
export interface FaultySocket extends SocketPort {
  /** How many faults of each kind have been injected. */
  readonly figures: Readonly<Record<Exclude<keyof FrameFaults, 'delayMs' | 'killMs'>, number>>;
  /** Closes the connection and reports it to the client. */
  cut(): void;
  /** Drops all further frames of this connection and reports the loss after `killMs`. */
  kill(): void;
  /** Replaces all probabilities. Frames that are already delayed or held back are not affected. */
  set(faults: FrameFaults): void;
  /** Stops injecting faults. Dropped frames stay lost. */
  heal(): void;
}

/** A frame held back for reordering is delivered after this time if no other frame follows it. */
const OVERTAKE_MS = 50;

/**
 * Injects faults into a client's connection, frame by frame. Faults depend on the seed and the order of frames only.
 * The handshake, `comm:hello` and `comm:resync` always pass: without the first two the client would switch to the base protocol, and
 * without the last it would not know that pushes were lost. For faults below the frame level (split or stalled bytes, an incomplete
 * handshake) use `startFaultProxy` of `lumen-comm-server/testing`.
 *
 * @param port - the connection to break
 *
 * @example
 * const port = socketIoPort({ url, namespace: '/nk/messages', path: '/__nk_socketio/' });
 * const client = new CommClient({ url, userId: 'ann', socket: faultySocket(port, { seed: 1, cut: 0.01 }) });
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
  /** Incremented with each connection, so that frames held back from an earlier one are discarded. */
  #epoch = 0;
  #up = false;
  #dead = false;
  #faults: FrameFaults;
  #heldBack: { up: Pass | undefined; down: Pass | undefined } = { up: undefined, down: undefined };

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
        this.#reset();
        listener.disconnected(reason, byServer);
      },
      refused: (refusal) => listener.refused(refusal),
      pushed: (frame) => {
        if (isOfConnection(frame)) listener.pushed(frame);
        else this.#pass('down', () => listener.pushed(frame), true);
      },
    });
  }

  connect(handshake: Handshake): void {
    this.#reset();
    this.#port.connect(handshake);
  }

  disconnect(): void {
    this.#reset();
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

  /** Selects at most one fault for a frame. */
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
    this.#heldBack[direction] = arrive;
    this.#clock.after(OVERTAKE_MS, () => {
      if (this.#heldBack[direction] === arrive) this.#release(direction);
    });
  }

  #release(direction: 'up' | 'down'): void {
    const held = this.#heldBack[direction];
    this.#heldBack[direction] = undefined;
    held?.();
  }

  #end(reason: string): void {
    if (!this.#up) return;
    this.#reset();
    this.#port.disconnect();
    this.#listener?.disconnected(reason, false);
  }

  #reset(): void {
    this.#epoch += 1;
    this.#up = false;
    this.#dead = false;
    this.#heldBack = { up: undefined, down: undefined };
  }
}

function isOfConnection(frame: unknown): boolean {
  if (typeof frame !== 'object' || frame === null || !('event' in frame)) return false;
  return frame.event === 'comm:hello' || frame.event === 'comm:resync';
}
