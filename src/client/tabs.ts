import { deferred } from '../lib/deferred.ts';

export interface TabEvents {
  /** Something that another tab tells all others; not to be believed before it is read. */
  told(note: unknown): void;
  /** That tab is closed, and nobody else is being told so before the promise settles. */
  gone(id: string): Promise<void>;
}

/** The parts of a browser's `navigator.locks` and `BroadcastChannel` that this needs. */
export interface TabPlatform {
  locks: {
    request(
      name: string,
      options: { signal: AbortSignal } | { ifAvailable: true },
      /** Called with `null` where somebody else has it and `ifAvailable` said not to wait. */
      hold: (lock: object | null) => Promise<unknown>,
    ): Promise<unknown>;
    query(): Promise<{ held?: { name?: string }[] }>;
  };
  channel(name: string): {
    postMessage(message: unknown): void;
    onmessage: ((event: MessageEvent<unknown>) => void) | null;
    close(): void;
  };
}

/**
 * The tabs of one user over one storage. Each holds a Web Lock for as long as it lives; the browser lets go of it when
 * the tab is closed or crashes, and hands it to whoever waits for it: that is how the others learn that what this tab
 * left in the outbox is theirs to send, and why only one of them does.
 */
export class Tabs {
  /**
   * True once this tab holds its lock; false where it can't have one. Before that the others would take it for closed, so
   * nothing may be left in its name.
   */
  readonly living: Promise<boolean>;
  readonly #prefix: string;
  readonly #platform: TabPlatform;
  readonly #events: TabEvents;
  readonly #channel: ReturnType<TabPlatform['channel']>;
  readonly #closed = new AbortController();
  readonly #watched = new Set<string>();

  /** @throws what a browser throws that doesn't let this page have a channel */
  constructor(scope: string, id: string, platform: TabPlatform, events: TabEvents) {
    this.#prefix = `lumen-comm/${scope}/`;
    this.#platform = platform;
    this.#events = events;
    this.#channel = platform.channel(this.#prefix);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#watched.add(id);
    this.living = this.#live(id);
  }

  /** The ids of the tabs that live now, this one among them; their end will be told. */
  async others(): Promise<ReadonlySet<string>> {
    const { held = [] } = await this.#platform.locks.query();
    const living = held.flatMap(({ name }) =>
      name?.startsWith(this.#prefix) ? [name.slice(this.#prefix.length)] : [],
    );
    for (const id of living) this.#watch(id);
    return new Set(living);
  }

  /**
   * Tells the end of a tab that is gone already. Resolves when all is done about it, or when another tab is at it: should
   * that one end before it is done, this one is told after all.
   */
  async bury(id: string): Promise<void> {
    if (this.#watched.has(id)) return;
    this.#watched.add(id);
    const taken = async (lock: object | null): Promise<boolean> => {
      if (lock !== null) await this.#events.gone(id);
      return lock === null;
    };
    const isTaken = await this.#platform.locks
      .request(this.#prefix + id, { ifAvailable: true }, taken)
      .catch(() => undefined);
    if (isTaken === true) this.#await(id);
  }

  tell(note: unknown): void {
    this.#post({ note });
  }

  close(): void {
    this.#channel.close();
    this.#closed.abort();
  }

  #live(id: string): Promise<boolean> {
    const { signal } = this.#closed;
    const held = deferred<boolean>();
    const untilClosed = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    const hold = (): Promise<void> => {
      held.resolve(!signal.aborted);
      // Whoever hears it asks for the lock, so it has to be taken by now.
      this.#post({ here: id });
      return signal.aborted ? Promise.resolve() : untilClosed;
    };
    this.#platform.locks.request(this.#prefix + id, { signal }, hold).catch(() => held.resolve(false));
    return held.promise;
  }

  #watch(id: string): void {
    if (this.#watched.has(id)) return;
    this.#watched.add(id);
    this.#await(id);
  }

  #await(id: string): void {
    const { signal } = this.#closed;
    const tell = async (): Promise<void> => {
      if (!signal.aborted) await this.#events.gone(id);
    };
    // Rejects only when it is given up while waiting.
    this.#platform.locks.request(this.#prefix + id, { signal }, tell).catch(() => undefined);
  }

  #hear(message: unknown): void {
    if (this.#closed.signal.aborted || typeof message !== 'object' || message === null) return;
    if ('here' in message && typeof message.here === 'string') this.#watch(message.here);
    else if ('note' in message) this.#events.told(message.note);
  }

  #post(message: { here: string } | { note: unknown }): void {
    if (!this.#closed.signal.aborted) this.#channel.postMessage(message);
  }
}

/** `undefined` where a browser lacks either: every tab then sends what it finds, and the server stores it once. */
export function browserTabs(): TabPlatform | undefined {
  if (typeof navigator === 'undefined' || typeof BroadcastChannel === 'undefined') return undefined;
  // Absent outside of secure contexts, whatever the types say.
  const locks = navigator.locks as LockManager | undefined;
  return locks && { locks, channel: (name) => new BroadcastChannel(name) };
}
