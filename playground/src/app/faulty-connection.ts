import { socketIoPort, type CommClient, type Handshake, type SocketListener, type SocketPort } from 'lumen-comm';
import { DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH, REQUEST_PREFIX } from 'lumen-comm/protocol';
import { faultySocket, type FaultySocket } from 'lumen-comm/testing';
import { Cell } from '../lib/watch.ts';

export const FRAME_FAULTS = ['drop', 'duplicate', 'delay', 'reorder'] as const;
export type FrameFault = (typeof FRAME_FAULTS)[number];
/** Probability of each fault, from 0 to 1. */
export type FaultRates = Readonly<Record<FrameFault, number>>;

export interface ConnectionStats {
  /** Number of frames per fault. */
  readonly faults: Readonly<Record<FrameFault, number>>;
  readonly reconnects: number;
  /** Messages sent by this page, each counted once. */
  readonly sent: number;
  /** Repeated sends of the same message. */
  readonly resent: number;
  /** Messages that the server has stored. */
  readonly stored: number;
}

/** Range of the delay fault. Long enough to be visible and to let later frames overtake. */
const DELAY_MS = [50, 800] as const;
/** Time until a stalled connection is reported as lost. In production this takes about one ping interval of the server. */
export const STALL_MS = 4_000;
const NO_FAULTS: FaultRates = { drop: 0, duplicate: 0, delay: 0, reorder: 0 };

/** The page's Socket.IO connection with faults that the developer tools can inject. Without faults it is transparent. */
export class FaultyConnection implements SocketPort {
  readonly rates = new Cell<FaultRates>(NO_FAULTS);
  readonly #socket: FaultySocket;
  readonly #sent = new Set<string>();
  #connections = 0;
  #resent = 0;
  #stored = 0;
  #isStalled = false;

  constructor() {
    const port = socketIoPort({ namespace: DEFAULT_NAMESPACE, path: DEFAULT_SOCKET_PATH });
    this.#socket = faultySocket(port, { seed: Date.now(), killMs: STALL_MS });
  }

  /** Counts the own messages that the server has stored. */
  attach(client: CommClient, signal: AbortSignal): void {
    const count = ({ clientId }: { clientId?: string | undefined }): void => {
      if (clientId !== undefined && this.#sent.has(clientId)) this.#stored += 1;
    };
    client.on('message:new', count, { signal });
  }

  get stats(): ConnectionStats {
    return {
      faults: this.#socket.figures,
      reconnects: Math.max(0, this.#connections - 1),
      sent: this.#sent.size,
      resent: this.#resent,
      stored: this.#stored,
    };
  }

  set(fault: FrameFault, rate: number): void {
    this.#setAll({ ...this.rates.value, [fault]: rate });
  }

  /** Closes the connection; the client is notified at once. */
  cut(): void {
    this.#socket.cut();
  }

  /** Stalls the connection: no frame passes in either direction, and no disconnect is reported. */
  stall(): void {
    this.#isStalled = true;
    this.#socket.kill();
  }

  /** Removes all faults. A stalled connection is closed, and the client reconnects. */
  clear(): void {
    this.#setAll(NO_FAULTS);
    if (this.#isStalled) this.#socket.cut();
  }

  listen(listener: SocketListener): void {
    this.#socket.listen({
      connected: () => {
        this.#connections += 1;
        listener.connected();
      },
      disconnected: (reason, byServer) => {
        this.#isStalled = false;
        listener.disconnected(reason, byServer);
      },
      refused: (refusal) => listener.refused(refusal),
      pushed: (frame) => listener.pushed(frame),
    });
  }

  connect(handshake: Handshake): void {
    this.#isStalled = false;
    this.#socket.connect(handshake);
  }

  disconnect(): void {
    this.#isStalled = false;
    this.#socket.disconnect();
  }

  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    if (event === `${REQUEST_PREFIX}message:send`) this.#count((payload as { clientId?: string }).clientId);
    this.#socket.emit(event, payload, acknowledge);
  }

  #count(clientId: string | undefined): void {
    if (clientId === undefined) return;
    if (this.#sent.has(clientId)) this.#resent += 1;
    else this.#sent.add(clientId);
  }

  #setAll(rates: FaultRates): void {
    this.rates.set(rates);
    this.#socket.set({ ...rates, delayMs: DELAY_MS, killMs: STALL_MS });
  }
}
