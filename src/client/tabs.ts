import type { OutboxItem } from './messages/outbox.ts';

/** What one tab tells the others, so that they show the same. */
export type TabMessage =
  | { type: 'here'; id: string }
  | { type: 'queued'; item: OutboxItem }
  | { type: 'failed' | 'retried' | 'discarded' | 'stored'; item: OutboxItem };

export interface TabEvents {
  told(message: Exclude<TabMessage, { type: 'here' }>): void;
  /** That tab is closed, and nobody else is being told so before the promise settles. */
  gone(id: string): Promise<void>;
}

/** The parts of a browser's `navigator.locks` and `BroadcastChannel` that this needs. */
export interface TabPlatform {
  locks: {
    request(name: string, options: { signal: AbortSignal }, hold: () => Promise<unknown>): Promise<unknown>;
    query(): Promise<{ held?: { name?: string }[] }>;
  };
  channel(name: string): {
    postMessage(message: TabMessage): void;
    onmessage: ((event: MessageEvent<TabMessage>) => void) | null;
    close(): void;
  };
}

/**
 * The tabs of one user over one storage. Each holds a Web Lock for as long as it lives; the browser lets go of it when
 * the tab is closed or crashes, and hands it to whoever waits for it: that is how the others learn that what this tab
 * left in the outbox is theirs to send, and why only one of them does.
 */
export class Tabs {
  readonly #prefix: string;
  readonly #platform: TabPlatform;
  readonly #events: TabEvents;
  readonly #channel: ReturnType<TabPlatform['channel']>;
  readonly #closed = new AbortController();
  readonly #watched = new Set<string>();

  constructor(scope: string, id: string, platform: TabPlatform, events: TabEvents) {
    this.#prefix = `lumen-comm/${scope}/`;
    this.#platform = platform;
    this.#events = events;
    this.#channel = platform.channel(this.#prefix);
    this.#channel.onmessage = ({ data }) => {
      if (data.type === 'here') this.watch(data.id);
      else events.told(data);
    };
    this.#watched.add(id);
    const { signal } = this.#closed;
    const untilClosed = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    this.#hold(id, () => untilClosed);
    this.tell({ type: 'here', id });
  }

  /** Waits for the end of every tab that lives now. Resolves with their ids. */
  async watchLiving(): Promise<ReadonlySet<string>> {
    const { held = [] } = await this.#platform.locks.query();
    const living = held.flatMap(({ name }) => (name?.startsWith(this.#prefix) ? [name.slice(this.#prefix.length)] : []));
    for (const id of living) this.watch(id);
    return new Set(living);
  }

  /** Waits for the end of one tab; one that is gone already is told at once. */
  watch(id: string): void {
    if (this.#watched.has(id)) return;
    this.#watched.add(id);
    this.#hold(id, () => this.#events.gone(id));
  }

  tell(message: TabMessage): void {
    if (!this.#closed.signal.aborted) this.#channel.postMessage(message);
  }

  close(): void {
    this.#channel.close();
    this.#closed.abort();
  }

  #hold(id: string, hold: () => Promise<unknown>): void {
    // Rejects only when it is given up while waiting.
    this.#platform.locks.request(this.#prefix + id, { signal: this.#closed.signal }, hold).catch(() => undefined);
  }
}

/** `undefined` where a browser lacks either: every tab then sends what it finds, and the server stores it once. */
export function browserTabs(): TabPlatform | undefined {
  if (typeof navigator === 'undefined' || typeof BroadcastChannel === 'undefined') return undefined;
  // Absent outside of secure contexts, whatever the types say.
  const locks = navigator.locks as LockManager | undefined;
  return locks && { locks, channel: (name) => new BroadcastChannel(name) };
}
