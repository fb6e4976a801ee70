import {
  CommClient,
  memoryStorage,
  type CommClientOptions,
  type CommError,
  type CommEvents,
  type LogFields,
  type Observable,
} from '../../../src/index.ts';
import { FaultyPort } from './faulty-port.ts';
import { patientClock } from './patient-clock.ts';

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
  'user:updated',
  'conversation:new',
  'conversation:updated',
  'conversation:left',
  'read-receipt:update',
  'encryption:identity-changed',
  'encryption:members-changed',
  'encryption:decryption-failed',
  'call',
] as const satisfies readonly EventName[];

/** An app around a client: it writes down every event, and can wait for one. */
export class App implements AsyncDisposable {
  readonly client: CommClient;
  readonly port: FaultyPort;
  /** Everything told so far. */
  readonly events: { name: EventName; payload: unknown }[] = [];
  readonly errors: CommError[] = [];
  readonly #log: { message: string; fields: LogFields }[] = [];
  readonly #taken = new Set<object>();
  readonly #lookers = new Set<() => void>();

  constructor(url: string, options: CommClientOptions = {}) {
    this.port = new FaultyPort(url);
    const log = (message: string, fields: LogFields = {}): void => {
      this.#log.push({ message, fields });
      for (const look of this.#lookers) look();
    };
    const logger = { debug: log, info: log, warn: log, error: log };
    const clock = options.clock ?? patientClock();
    this.client = new CommClient({ url, socket: this.port, storage: memoryStorage(), logger, ...options, clock });
    for (const name of EVENTS) {
      this.client.on(name, (payload) => {
        this.events.push({ name, payload });
        if (name === 'error') this.errors.push(payload as CommError);
        for (const look of this.#lookers) look();
      });
    }
  }

  /** Resolves with the first event of that name that was not taken yet. */
  next<K extends EventName>(
    name: K,
    matches: (payload: CommEvents[K]) => boolean = () => true,
  ): Promise<CommEvents[K]> {
    return this.#first(this.events, (each) => each.name === name && matches(each.payload as CommEvents[K])).then(
      ({ payload }) => payload as CommEvents[K],
    );
  }

  /** Resolves when the client has logged this, now or later: what it does with no event of its own. */
  async logged(message: string, fields: LogFields): Promise<void> {
    const expected = Object.entries(fields);
    await this.#first(
      this.#log,
      (each) => each.message === message && expected.every(([name, value]) => each.fields[name] === value),
    );
  }

  /** Resolves when the client has handled a push that is no event. */
  pushed(event: string): Promise<void> {
    return this.logged('Push', { event });
  }

  /** Resolves when the client has read the first message on a session that it started with that user. */
  sessionWith(senderId: string): Promise<void> {
    return this.logged('Encryption session established', { senderId });
  }

  #first<T extends object>(entries: readonly T[], matches: (entry: T) => boolean): Promise<T> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = entries.find((each) => !this.#taken.has(each) && matches(each));
        if (found === undefined) return;
        this.#taken.add(found);
        this.#lookers.delete(look);
        resolve(found);
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
    this.#log.length = 0;
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
