import type { MediaPlatform } from '../webrtc/media-backend.ts';
import { listen } from '../webrtc/resource-counters.ts';

/** `navigator.connection` (Network Information API), which only some browsers have. */
interface NetworkInformation {
  readonly connection?: EventTarget;
}

/** Watches for page unload, for the return of the network and for a change of the network. */
export const watchPage: MediaPlatform['watchPage'] = (listener) => {
  const end = new AbortController();
  const stop = (): void => end.abort();
  if (typeof window === 'undefined') return stop;
  listen(window, 'pagehide', () => listener.hidden(), end.signal);
  listen(window, 'online', () => listener.network('online'), end.signal);
  const { connection } = navigator as Navigator & NetworkInformation;
  if (connection !== undefined) listen(connection, 'change', () => listener.network('network'), end.signal);
  return stop;
};
