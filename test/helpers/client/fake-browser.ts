import { deferred } from '../../../src/lib/deferred.ts';
import type { TabPlatform } from '../../../src/client/outbox/tab-channel.ts';

type Channel = ReturnType<TabPlatform['channel']>;
type Hold = (lock: object | null) => Promise<unknown>;

interface LockRequest {
  readonly tab: FakeTab;
  readonly name: string;
  readonly hold: Hold;
  readonly ifAvailable: boolean;
  readonly settle: { resolve: (value: unknown) => void; reject: (reason: unknown) => void };
}

export interface FakeTab extends TabPlatform {
  /** Gone from one moment to the next: its locks are free, nothing of it is heard any more. */
  crash(): void;
  /** What it asks of the lock manager reaches it only when the returned function is called. */
  delayLocks(): () => void;
}

/** Tabs with Web Locks and BroadcastChannels, as browsers have them: everything takes a moment, nothing is shared. */
export class FakeBrowser {
  readonly #held = new Map<string, LockRequest>();
  readonly #waiting: LockRequest[] = [];
  readonly #channels = new Map<string, Map<Channel, FakeTab>>();
  readonly #crashed = new Set<FakeTab>();

  /** The names of all locks that are held or waited for. */
  get locks(): string[] {
    return [...this.#held.keys(), ...this.#waiting.map(({ name }) => name)];
  }

  tab(): FakeTab {
    let arrival: Promise<unknown> = Promise.resolve();
    const tab: FakeTab = {
      locks: {
        request: (name, options, hold) => this.#request(tab, arrival, name, options, hold),
        query: async () => {
          await arrival;
          return { held: [...this.#held.keys()].map((name) => ({ name })) };
        },
      },
      channel: (name) => this.#open(tab, name),
      crash: () => this.#crash(tab),
      delayLocks: () => {
        const gate = deferred<undefined>();
        arrival = gate.promise;
        return () => gate.resolve(undefined);
      },
    };
    return tab;
  }

  async #request(
    tab: FakeTab,
    arrival: Promise<unknown>,
    name: string,
    options: { signal: AbortSignal } | { ifAvailable: true },
    hold: Hold,
  ): Promise<unknown> {
    const signal = 'signal' in options ? options.signal : undefined;
    await arrival;
    signal?.throwIfAborted();
    const { promise, ...settle } = deferred<unknown>();
    const request = { tab, name, hold, ifAvailable: 'ifAvailable' in options, settle };
    this.#waiting.push(request);
    signal?.addEventListener('abort', () => {
      if (this.#forget(request)) settle.reject(signal.reason);
    });
    this.#grant();
    return promise;
  }

  #grant(): void {
    for (const request of this.#waiting.slice()) {
      const isFree = !this.#held.has(request.name);
      if (!isFree && !request.ifAvailable) continue;
      this.#forget(request);
      if (isFree) this.#held.set(request.name, request);
      void this.#hold(request, isFree ? {} : null);
    }
  }

  async #hold(request: LockRequest, lock: object | null): Promise<void> {
    // The word that it is granted takes its time.
    await Promise.resolve();
    if (this.#crashed.has(request.tab)) return;
    await request.hold(lock).then(request.settle.resolve, request.settle.reject);
    this.#release(request);
  }

  #release(request: LockRequest): void {
    if (this.#held.get(request.name) === request) this.#held.delete(request.name);
    this.#grant();
  }

  #forget(request: LockRequest): boolean {
    const at = this.#waiting.indexOf(request);
    if (at !== -1) this.#waiting.splice(at, 1);
    return at !== -1;
  }

  #open(tab: FakeTab, name: string): Channel {
    const members = this.#channels.get(name) ?? new Map<Channel, FakeTab>();
    this.#channels.set(name, members);
    const channel: Channel = {
      onmessage: null,
      postMessage: (message) => {
        const data: unknown = structuredClone(message);
        const others = [...members.keys()].filter((each) => each !== channel);
        queueMicrotask(() => {
          for (const other of others) {
            if (members.has(other)) other.onmessage?.({ data } as MessageEvent<unknown>);
          }
        });
      },
      close: () => void members.delete(channel),
    };
    members.set(channel, tab);
    return channel;
  }

  #crash(tab: FakeTab): void {
    this.#crashed.add(tab);
    for (const members of this.#channels.values()) {
      for (const [channel, owner] of members) if (owner === tab) members.delete(channel);
    }
    for (const request of this.#waiting.slice()) if (request.tab === tab) this.#forget(request);
    for (const request of Array.from(this.#held.values())) if (request.tab === tab) this.#release(request);
  }
}
