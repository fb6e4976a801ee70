import { listen } from './held.ts';

/** The part of `navigator.connection` that this needs; only some browsers have it. */
interface NetworkInformation {
  readonly connection?: EventTarget;
}

/** Tells when the page goes away, when the network is back, and when it is another one. */
export function watchPage(tell: { hidden(): void; network(reason: 'online' | 'network'): void }): () => void {
  const { signal, abort } = control();
  if (typeof window === 'undefined') return abort;
  listen(window, 'pagehide', () => tell.hidden(), signal);
  listen(window, 'online', () => tell.network('online'), signal);
  const { connection } = navigator as Navigator & NetworkInformation;
  if (connection !== undefined) listen(connection, 'change', () => tell.network('network'), signal);
  return abort;
}

function control(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
