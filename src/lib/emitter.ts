import { EventEmitter } from 'eventemitter3';

export type Listener<T> = (payload: T) => void;

export interface ListenOptions {
  /** Aborting removes the listener. */
  signal?: AbortSignal | undefined;
}

type AnyListener = (payload: unknown) => void;

/**
 * A typed emitter. A listener that throws stops neither the others nor whoever emits: its error goes to `onThrow`.
 * Listening and its end are idempotent.
 */
export class Emitter<Events extends object> {
  readonly #emitter = new EventEmitter();
  /** What really listens for a `once` listener, so that `off` finds it. */
  readonly #wrapped = new WeakMap<AnyListener, AnyListener>();
  readonly #onThrow: (error: unknown, event: keyof Events) => void;

  constructor(onThrow: (error: unknown, event: keyof Events) => void) {
    this.#onThrow = onThrow;
  }

  on<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>, options?: ListenOptions): () => void {
    return this.#listen(event, listener as AnyListener, options);
  }

  once<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>, options?: ListenOptions): () => void {
    const call: AnyListener = (payload) => {
      stop();
      (listener as AnyListener)(payload);
    };
    this.#wrapped.set(listener as AnyListener, call);
    const stop = this.#listen(event, call, options);
    return stop;
  }

  off<K extends keyof Events & string>(event: K, listener: Listener<Events[K]>): void {
    const call = this.#wrapped.get(listener as AnyListener);
    if (call !== undefined) this.#emitter.off(event, call);
    this.#emitter.off(event, listener as AnyListener);
  }

  emit<K extends keyof Events & string>(event: K, payload: Events[K]): void {
    // One at a time: eventemitter3 itself would stop at the first listener that throws.
    for (const listener of this.#emitter.listeners(event)) {
      try {
        (listener as AnyListener)(payload);
      } catch (error) {
        this.#onThrow(error, event);
      }
    }
  }

  #listen(event: string, call: AnyListener, { signal }: ListenOptions = {}): () => void {
    if (signal?.aborted === true) return () => undefined;
    const stop = (): void => {
      this.#emitter.off(event, call);
      signal?.removeEventListener('abort', stop);
    };
    this.#emitter.on(event, call);
    signal?.addEventListener('abort', stop, { once: true });
    return stop;
  }
}
