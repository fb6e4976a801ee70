import type { Clock } from '../../lib/clock.ts';

/** The part of a browser's `document` that shows whether somebody is there. */
export interface InputSource {
  addEventListener(type: string, listener: () => void, options: { passive: true; capture: true }): void;
  removeEventListener(type: string, listener: () => void, options: { capture: true }): void;
}

const INPUT = ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus'];

/** Tells `true` after `idleAfterMs` without input and `false` at the next input. Returns how to stop. */
export function watchIdle(
  source: InputSource,
  clock: Clock,
  idleAfterMs: number,
  tell: (isIdle: boolean) => void,
): () => void {
  let isIdle = false;
  let lastInput = clock.now();
  let cancel = clock.after(idleAfterMs, check);

  // One timer that looks again, instead of a new one for each movement of the pointer.
  function check(): void {
    const rest = lastInput + idleAfterMs - clock.now();
    if (rest > 0) {
      cancel = clock.after(rest, check);
      return;
    }
    isIdle = true;
    tell(true);
  }

  function onInput(): void {
    lastInput = clock.now();
    if (!isIdle) return;
    isIdle = false;
    cancel = clock.after(idleAfterMs, check);
    tell(false);
  }

  for (const type of INPUT) source.addEventListener(type, onInput, { passive: true, capture: true });
  return () => {
    cancel();
    for (const type of INPUT) source.removeEventListener(type, onInput, { capture: true });
  };
}
