import type { Lazy } from '../lib/lazy.ts';
import type { CallDesk } from './calls/call-desk.ts';

/** Hands on what is pushed about calls. The first one that rings loads what makes calls; the rest waits for that. */
export function routeCalls(
  desk: Lazy<CallDesk>,
  report: (error: unknown) => void,
): (event: string, data: unknown) => void {
  const early: [event: string, data: unknown][] = [];
  return (event, data) => {
    if (!/^(call|signal):/.test(event)) return;
    if (desk.current !== undefined && early.length === 0) return desk.current.pushed(event, data);
    if (event !== 'call:incoming' && early.length === 0) return;
    early.push([event, data]);
    if (early.length > 1) return;
    desk().then(
      (loaded) => early.splice(0).forEach((push) => loaded.pushed(...push)),
      (error: unknown) => {
        early.length = 0;
        report(error);
      },
    );
  };
}
