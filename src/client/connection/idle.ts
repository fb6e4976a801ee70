import type { Clock } from '../../lib/clock.ts';

/** The part of `document` that emits input events. */
export interface InputSource {
  addEventListener(type: string, listener: () => void, options: { passive: true; capture: true }): void;
  removeEventListener(type: string, listener: () => void, options: { capture: true }): void;
}

const INPUT_EVENTS = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus'];

/**
 * Calls `changed(true)` after `idleAfterMs` without input and `changed(false)` at the next input.
 *
 * @returns a function that stops it
 */
export function watchIdle(
  source: InputSource,
  clock: Clock,
  idleAfterMs: number,
  changed: (isIdle: boolean) => void,
): () => void {
  let isIdle = false;
  let lastInput = clock.now();
  let cancel = clock.after(idleAfterMs, check);

  // One timer that is extended when it fires, instead of a new one for each pointer event.
  function check(): void {
    const restMs = lastInput + idleAfterMs - clock.now();
    if (restMs > 0) {
      cancel = clock.after(restMs, check);
      return;
    }
    isIdle = true;
    changed(true);
  }

  function onInput(): void {
    lastInput = clock.now();
    if (!isIdle) return;
    isIdle = false;
    cancel = clock.after(idleAfterMs, check);
    changed(false);
  }

  for (const type of INPUT_EVENTS) source.addEventListener(type, onInput, { passive: true, capture: true });
  return () => {
    cancel();
    for (const type of INPUT_EVENTS) source.removeEventListener(type, onInput, { capture: true });
  };
}
