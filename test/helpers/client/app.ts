import {
  CommClient,
  memoryStorage,
  type CommClientOptions,
  type CommError,
  type CommEvents,
  type Observable,
} from '../../../src/index.ts';
import { FaultyPort } from './faulty-port.ts';

type EventName = keyof CommEvents;

const EVENTS = [
  'status',
  'error',
  'message:pending',
  'message:failed',
  'message:new',
  'message:updated',
  'message:deleted',
  'message:status',
  'message:reaction-update',
  'message:forwarded',
  'typing:update',
  'presence:changed',
  'conversation:new',
  'conversation:updated',
  'conversation:left',
  'read-receipt:update',
  'call',
] as const satisfies readonly EventName[];

/** An app around a client: it writes down every event, and can wait for one. */
export class App implements AsyncDisposable {
  readonly client: CommClient;
  readonly port: FaultyPort;
  /** Everything told so far. */
  readonly events: { name: EventName; payload: unknown }[] = [];
  readonly errors: CommError[] = [];
  readonly #taken = new Set<object>();
  readonly #lookers = new Set<() => void>();

  constructor(url: string, options: CommClientOptions = {}) {
    this.port = new FaultyPort(url);
    this.client = new CommClient({ url, socket: this.port, storage: memoryStorage(), ...options });
    for (const name of EVENTS) {
      this.client.on(name, (payload) => {
        this.events.push({ name, payload });
        if (name === 'error') this.errors.push(payload as CommError);
        for (const look of this.#lookers) look();
      });
    }
  }

  /** The first event of that name that nobody has taken yet, now or later. */
  next<K extends EventName>(
    name: K,
    matches: (payload: CommEvents[K]) => boolean = () => true,
  ): Promise<CommEvents[K]> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.events.find(
          (each) => each.name === name && !this.#taken.has(each) && matches(each.payload as CommEvents[K]),
        );
        if (found === undefined) return;
        this.#taken.add(found);
        this.#lookers.delete(look);
        resolve(found.payload as CommEvents[K]);
      };
      this.#lookers.add(look);
      look();
    });
  }

  /** Payloads of all events of that name so far. */
  all<K extends EventName>(name: K): CommEvents[K][] {
    return this.events.filter((each) => each.name === name).map(({ payload }) => payload as CommEvents[K]);
  }

  /** Forgets what was told so far. */
  forget(): void {
    this.events.length = 0;
  }

  /** Resolves when the client is in step, now or later. */
  reconnected(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.client.on('status', () => look());
      const look = (): void => {
        if (this.client.status !== 'connected') return;
        stop();
        resolve();
      };
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
  }
}

/** Resolves with the first snapshot that fits. */
export function until<T>(observable: Observable<T>, fits: (snapshot: T) => boolean): Promise<T> {
  return new Promise((resolve) => {
    const look = (): void => {
      const snapshot = observable.getSnapshot();
      if (!fits(snapshot)) return;
      queueMicrotask(() => stop());
      resolve(snapshot);
    };
    const stop = observable.subscribe(look);
    look();
  });
}
