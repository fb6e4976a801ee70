/**
 * What calls hold open in this page, for tests and for whoever looks for a leak: everything is 0 when no call lives.
 *
 * @internal
 */
export const held = { connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 };

/** Listens until `signal` aborts. */
export function listen(target: EventTarget, type: string, listener: (event: Event) => void, signal: AbortSignal): void {
  if (signal.aborted) return;
  held.listeners += 1;
  target.addEventListener(type, listener, { signal });
  signal.addEventListener('abort', () => (held.listeners -= 1), { once: true });
}
