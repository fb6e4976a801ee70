import { systemClock, type Clock } from '../../../src/lib/clock.ts';
import { HELLO_TIMEOUT_MS } from '../../../src/protocol/constants.ts';

/** Turns of the event loop in which a server and a client of this process handle what has arrived. */
const TURNS = 20;

interface Patience {
  /** Divides all delays but the one for the server's hello. @defaultValue 1 */
  readonly speed?: number;
  /** How long the client waits for the server's hello, in milliseconds. @defaultValue as in apps */
  readonly helloMs?: number;
}

/**
 * A clock whose timers run after what has arrived in the meantime. When a process goes on after a stall, the platform first
 * runs all timers that have become due: a client would take a server whose hello has arrived for one that sends none.
 */
export function patientClock({ speed = 1, helloMs = HELLO_TIMEOUT_MS }: Patience = {}): Clock {
  return {
    now: () => Date.now(),
    after(delayMs, task, idle) {
      let isCancelled = false;
      const cancel = systemClock.after(
        delayMs === HELLO_TIMEOUT_MS ? helloMs : delayMs / speed,
        () => {
          let turns = TURNS;
          const turn = (): void => {
            if (isCancelled) return;
            if (turns === 0) return task();
            turns -= 1;
            setImmediate(turn);
          };
          turn();
        },
        idle,
      );
      return () => {
        isCancelled = true;
        cancel();
      };
    },
  };
}
