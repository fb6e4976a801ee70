import { socketIoPort, type CommClient, type Handshake, type SocketListener, type SocketPort } from 'lumen-comm';
import { DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH, REQUEST_PREFIX } from 'lumen-comm/protocol';
import { faultySocket, type FaultySocket } from 'lumen-comm/testing';
import { Cell } from '../lib/watch.ts';

export const FRAME_FAULTS = ['drop', 'duplicate', 'delay', 'reorder'] as const;
export type FrameFault = (typeof FRAME_FAULTS)[number];
/** From 0, never, to 1, always. */
export type Shares = Readonly<Record<FrameFault, number>>;

export interface LineFigures {
  /** How many frames each befell. */
  readonly faults: Readonly<Record<FrameFault, number>>;
  readonly reconnects: number;
  /** Messages that left this page, each counted once… */
  readonly sent: number;
  /** …how often one left again… */
  readonly resent: number;
  /** …and how many the server has stored. */
  readonly stored: number;
}

/** Late enough to be seen, and to be overtaken by much. */
const DELAY_MS = [50, 800] as const;
/** Until a dead line is noticed. A real one takes about as long as the server's pings are apart. */
export const DEAD_MS = 4_000;
const NO_FAULTS: Shares = { drop: 0, duplicate: 0, delay: 0, reorder: 0 };

/** The page's connection, made to be broken from the developer tools. Until that is asked for, nothing happens to it. */
export class Line implements SocketPort {
  readonly shares = new Cell<Shares>(NO_FAULTS);
  readonly #socket: FaultySocket;
  readonly #sent = new Set<string>();
  #connections = 0;
  #resent = 0;
  #stored = 0;
  #isDead = false;

  constructor() {
    const port = socketIoPort({ namespace: DEFAULT_NAMESPACE, path: DEFAULT_SOCKET_PATH });
    this.#socket = faultySocket(port, { seed: Date.now(), killMs: DEAD_MS });
  }

  /** Counts what the server has stored. */
  attach(client: CommClient, signal: AbortSignal): void {
    const count = ({ clientId }: { clientId?: string | undefined }): void => {
      if (clientId !== undefined && this.#sent.has(clientId)) this.#stored += 1;
    };
    client.on('message:new', count, { signal });
  }

  get figures(): LineFigures {
    return {
      faults: this.#socket.figures,
      reconnects: Math.max(0, this.#connections - 1),
      sent: this.#sent.size,
      resent: this.#resent,
      stored: this.#stored,
    };
  }

  set(fault: FrameFault, share: number): void {
    this.#setAll({ ...this.shares.value, [fault]: share });
  }

  /** The connection ends, and the client is told. */
  cut(): void {
    this.#socket.cut();
  }

  /** Nothing comes through any more, and nobody says so. */
  goDead(): void {
    this.#isDead = true;
    this.#socket.kill();
  }

  /** No more faults. A dead line doesn't come alive again: a new one takes its place at once. */
  heal(): void {
    this.#setAll(NO_FAULTS);
    if (this.#isDead) this.#socket.cut();
  }

  listen(listener: SocketListener): void {
    this.#socket.listen({
      connected: () => {
        this.#connections += 1;
        listener.connected();
      },
      disconnected: (reason, byServer) => {
        this.#isDead = false;
        listener.disconnected(reason, byServer);
      },
      refused: (refusal) => listener.refused(refusal),
      pushed: (frame) => listener.pushed(frame),
    });
  }

  connect(handshake: Handshake): void {
    this.#isDead = false;
    this.#socket.connect(handshake);
  }

  disconnect(): void {
    this.#isDead = false;
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

  #setAll(shares: Shares): void {
    this.shares.set(shares);
    this.#socket.set({ ...shares, delayMs: DELAY_MS, killMs: DEAD_MS });
  }
}
