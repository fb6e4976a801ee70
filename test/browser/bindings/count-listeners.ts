import type { CommClient } from '../../../src/client/comm-client.ts';
import type { Observable } from '../../../src/lib/observable.ts';

/** How many listeners the states of a client have. */
export interface ListenerCount {
  readonly count: number;
}

/** Replaces the states of a client by ones that count their listeners. */
export function countListeners(client: CommClient): ListenerCount {
  const listeners = { count: 0 };
  const replace = <K extends string>(holder: Readonly<Record<K, Observable<unknown>>>, name: K): void => {
    const state = holder[name];
    const subscribe = (listener: () => void): (() => void) => {
      const stop = state.subscribe(listener);
      listeners.count += 1;
      let isListening = true;
      return () => {
        if (isListening) listeners.count -= 1;
        isListening = false;
        stop();
      };
    };
    // The outbox is a function, too.
    const counting = typeof state === 'function' ? (state as () => unknown).bind(holder) : {};
    Object.defineProperty(holder, name, { value: Object.assign(counting, { ...state, subscribe }) });
  };
  replace(client, 'connection');
  replace(client.conversations, 'inbox');
  replace(client.messages, 'outbox');
  replace(client.calls, 'current');
  return listeners;
}
