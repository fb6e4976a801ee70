import { EventEmitter } from 'eventemitter3';

export type Listener<T> = (payload: T) => void;

export interface ListenOptions {
  /** Aborting removes the listener. */
  signal?: AbortSignal | undefined;
}

/**
 * A typed emitter. A listener that throws stops neither the others nor whoever emits: its error goes to `onThrow`.
 * Listening and its end are idempotent.
 */
export class Emitter<Events extends object> {
  readonly #emitter = new EventEmitter<Record<string, (payload: never) => void>>();
  /** What really listens for a `once` listener, so that `off` finds it. */
  readonly #wrapped = new WeakMap<object, (payload: never) => void>();
  readonly #onThrow: (error: unknown, event: keyof Events) => void;

  constructor(onThrow: (error: unknown, event: keyof Events) => void) {
    this.#onThrow = onThrow;
  }

  on<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>, options?: ListenOptions): () => void {
    return this.#listen(event, listener, options, false);
  }

  once<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>, options?: ListenOptions): () => void {
    return this.#listen(event, listener, options, true);
  }

  off<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>): void {
    this.#emitter.off(event, this.#wrapped.get(listener) ?? listener);
    this.#emitter.off(event, listener);
  }

  listens(event: keyof Events & string): boolean {
    return this.#emitter.listenerCount(event) > 0;
  }

  emit<K extends keyof Events & string>(event: K, payload: Events[K]): void {
    // One at a time: eventemitter3 itself would stop at the first listener that throws.
    for (const listener of this.#emitter.listeners(event)) {
      try {
        listener(payload as never);
      } catch (error) {
        this.#onThrow(error, event);
      }
    }
  }

  #listen<K extends keyof Events & string>(
    event: K,
    listener: Listener<Events[K]>,
    { signal }: ListenOptions = {},
    once: boolean,
  ): () => void {
    if (signal?.aborted === true) return () => undefined;
    const stop = (): void => {
      this.#emitter.off(event, call);
      signal?.removeEventListener('abort', stop);
    };
    const call = once
      ? (payload: Events[K]): void => {
          stop();
          listener(payload);
        }
      : listener;
    if (once) this.#wrapped.set(listener, call);
    this.#emitter.on(event, call);
    signal?.addEventListener('abort', stop, { once: true });
    return stop;
  }
}
