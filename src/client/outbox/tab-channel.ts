import { deferred } from '../../lib/deferred.ts';

export interface TabEvents {
  /** A message from another tab. Not validated. */
  received(message: unknown): void;
  /** Another tab has closed. Until the promise settles, no other tab gets this event for it. */
  closed(id: string): Promise<void>;
}

/** The used parts of `navigator.locks` and `BroadcastChannel`. */
export interface TabPlatform {
  locks: {
    request(
      name: string,
      options: { signal: AbortSignal } | { ifAvailable: true },
      /** Called with `null` if `ifAvailable` is set and another tab holds the lock. */
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
 * Connects the tabs of one user that share one storage. Each tab holds a Web Lock while it is open. When it closes or
 * crashes, the browser grants the lock to one of the tabs that wait for it, which then takes over its outbox.
 */
export class TabChannel {
  /**
   * Resolves with true once this tab holds its lock, or with false if it cannot get one. Until then other tabs consider
   * it closed, so no item may be stored under its id.
   */
  readonly locked: Promise<boolean>;
  readonly #prefix: string;
  readonly #platform: TabPlatform;
  readonly #events: TabEvents;
  readonly #channel: ReturnType<TabPlatform['channel']>;
  readonly #closed = new AbortController();
  readonly #watched = new Set<string>();

  /** @throws the error of the browser if the page may not use a channel */
  constructor(scope: string, id: string, platform: TabPlatform, events: TabEvents) {
    this.#prefix = `lumen-comm/${scope}/`;
    this.#platform = platform;
    this.#events = events;
    this.#channel = platform.channel(this.#prefix);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#watched.add(id);
    this.locked = this.#lock(id);
  }

  /** Returns the ids of the open tabs, including this one, and watches for their end. */
  async open(): Promise<ReadonlySet<string>> {
    const { held = [] } = await this.#platform.locks.query();
    const open = held.flatMap(({ name }) => (name?.startsWith(this.#prefix) ? [name.slice(this.#prefix.length)] : []));
    for (const id of open) this.#watch(id);
    return new Set(open);
  }

  /**
   * Emits `closed` for a tab that has closed before. Resolves when the event has been handled, or if another tab handles it
   * already; if that one closes before it is done, this tab gets the event.
   */
  async takeOver(id: string): Promise<void> {
    if (this.#watched.has(id)) return;
    this.#watched.add(id);
    const onLock = async (lock: object | null): Promise<boolean> => {
      if (lock !== null) await this.#events.closed(id);
      return lock === null;
    };
    const isTaken = await this.#platform.locks
      .request(this.#prefix + id, { ifAvailable: true }, onLock)
      .catch(() => undefined);
    if (isTaken === true) this.#waitForEnd(id);
  }

  /** Sends a message to all other tabs. */
  send(message: unknown): void {
    this.#post({ message });
  }

  close(): void {
    this.#channel.close();
    this.#closed.abort();
  }

  #lock(id: string): Promise<boolean> {
    const { signal } = this.#closed;
    const held = deferred<boolean>();
    const untilClosed = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    const hold = (): Promise<void> => {
      held.resolve(!signal.aborted);
      // Only now: tabs that receive it request the lock.
      this.#post({ opened: id });
      return signal.aborted ? Promise.resolve() : untilClosed;
    };
    this.#platform.locks.request(this.#prefix + id, { signal }, hold).catch(() => held.resolve(false));
    return held.promise;
  }

  #watch(id: string): void {
    if (this.#watched.has(id)) return;
    this.#watched.add(id);
    this.#waitForEnd(id);
  }

  #waitForEnd(id: string): void {
    const { signal } = this.#closed;
    const onLock = async (): Promise<void> => {
      if (!signal.aborted) await this.#events.closed(id);
    };
    // Rejects only if this tab closes first.
    this.#platform.locks.request(this.#prefix + id, { signal }, onLock).catch(() => undefined);
  }

  #receive(message: unknown): void {
    if (this.#closed.signal.aborted || typeof message !== 'object' || message === null) return;
    if ('opened' in message && typeof message.opened === 'string') this.#watch(message.opened);
    else if ('message' in message) this.#events.received(message.message);
  }

  #post(message: { opened: string } | { message: unknown }): void {
    if (!this.#closed.signal.aborted) this.#channel.postMessage(message);
  }
}

/**
 * Returns `undefined` if the browser lacks locks or channels. Every tab then sends all stored items, and the server stores
 * each of them once.
 */
export function browserTabs(): TabPlatform | undefined {
  if (typeof navigator === 'undefined' || typeof BroadcastChannel === 'undefined') return undefined;
  // Absent in insecure contexts, in spite of its type.
  const locks = navigator.locks as LockManager | undefined;
  return locks && { locks, channel: (name) => new BroadcastChannel(name) };
}
