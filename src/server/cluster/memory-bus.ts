import type { Bus, BusListener } from './bus.ts';

/** Connects several buses in one process, for servers that run in it side by side. */
export class MemoryBusHub {
  readonly #buses = new Set<MemoryBus>();

  /** Creates a bus that reaches the others of this hub. */
  connect(): MemoryBus {
    const bus = new MemoryBus(this.#buses);
    this.#buses.add(bus);
    return bus;
  }
}

/** A bus without a network. Messages arrive in the next turn of the event loop, as they would from another process. */
export class MemoryBus implements Bus {
  readonly #all: Set<MemoryBus>;
  readonly #channels = new Set<string>();
  #listener: BusListener | undefined;

  /** @param all - the buses that it reaches */
  constructor(all: Set<MemoryBus>) {
    this.#all = all;
  }

  get connected(): boolean {
    return this.#all.has(this);
  }

  listen(listener: BusListener): void {
    this.#listener = listener;
  }

  publish(channel: string, payload: string): void {
    if (!this.connected) return;
    for (const bus of this.#all) {
      if (bus !== this && bus.#channels.has(channel)) setImmediate(() => bus.#receive(channel, payload));
    }
  }

  subscribe(channel: string): Promise<void> {
    this.#channels.add(channel);
    return Promise.resolve();
  }

  unsubscribe(channel: string): void {
    this.#channels.delete(channel);
  }

  close(): Promise<void> {
    this.#all.delete(this);
    this.#channels.clear();
    return Promise.resolve();
  }

  #receive(channel: string, payload: string): void {
    if (this.#channels.has(channel)) this.#listener?.received(channel, payload);
  }
}
