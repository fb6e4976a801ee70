import { Emitter as ComponentEmitter } from '@socket.io/component-emitter';

/** Called with the event's payload. */
export type Listener<T> = (payload: T) => void;

/** Options of a subscription. */
export interface ListenOptions {
  /** Aborting removes the listener. */
  signal?: AbortSignal | undefined;
}

type AnyListener = (payload: unknown) => void;

interface Subscription {
  readonly event: string;
  readonly stop: () => void;
}

/**
 * A typed event emitter. An error that a listener throws is passed to `onThrow`; the other listeners are still called. Adding
 * a listener twice creates two subscriptions. A removed listener is not called any more, not even by an emit in progress.
 */
export class Emitter<Events extends object> {
  readonly #emitter = new ComponentEmitter<Record<string, AnyListener>, Record<string, AnyListener>>();
  /** The subscriptions of each listener, for `off()`. */
  readonly #subscriptions = new WeakMap<AnyListener, Set<Subscription>>();
  readonly #onThrow: (error: unknown, event: keyof Events) => void;

  constructor(onThrow: (error: unknown, event: keyof Events) => void) {
    this.#onThrow = onThrow;
  }

  on<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>, options?: ListenOptions): () => void {
    return this.#listen(event, listener as AnyListener, false, options);
  }

  once<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>, options?: ListenOptions): () => void {
    return this.#listen(event, listener as AnyListener, true, options);
  }

  off<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>): void {
    for (const subscription of this.#subscriptions.get(listener as AnyListener) ?? []) {
      if (subscription.event === event) subscription.stop();
    }
  }

  emit<K extends keyof Events & string>(event: K, payload: Events[K]): void {
    this.#emitter.emit(event, payload);
  }

  #listen(
    event: keyof Events & string,
    listener: AnyListener,
    once: boolean,
    { signal }: ListenOptions = {},
  ): () => void {
    if (signal?.aborted === true) return () => undefined;
    const name: string = event;
    const call: AnyListener = (payload) => {
      if (!subscriptions.has(subscription)) return;
      if (once) stop();
      try {
        listener(payload);
      } catch (error) {
        this.#onThrow(error, event);
      }
    };
    const stop = (): void => {
      subscriptions.delete(subscription);
      this.#emitter.off(name, call);
      signal?.removeEventListener('abort', stop);
    };
    const subscription: Subscription = { event, stop };
    const subscriptions = this.#subscriptions.get(listener) ?? new Set();
    this.#subscriptions.set(listener, subscriptions.add(subscription));
    this.#emitter.on(name, call);
    signal?.addEventListener('abort', stop, { once: true });
    return stop;
  }
}
