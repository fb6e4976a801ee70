import { Gate } from '../../../lib/gate.ts';
import type { Lazy } from '../../../lib/lazy.ts';
import type { CallManager } from '../session/call-manager.ts';

/**
 * Returns a handler that passes pushes about calls to the call manager. The first `call:incoming` loads the manager; pushes
 * that arrive until it has loaded are queued. Pushes about calls before that are dropped: no call of this client exists.
 *
 * @param report - reports a failure to load the manager; the queued pushes are dropped
 */
export function routeCallPushes(
  manager: Lazy<CallManager>,
  report: (error: unknown) => void,
): (event: string, data: unknown) => void {
  const gate = new Gate<[event: string, data: unknown]>(([event, data]) => manager.current?.onPush(event, data));
  let isLoading = false;
  const load = async (): Promise<void> => {
    isLoading = true;
    try {
      await manager();
      gate.open();
    } catch (error) {
      gate.reset();
      report(error);
    } finally {
      isLoading = false;
    }
  };
  return (event, data) => {
    if (!/^(call|signal):/.test(event)) return;
    if (manager.current !== undefined && !isLoading) gate.open();
    if (!gate.isOpen && !isLoading && event !== 'call:incoming') return;
    gate.push([event, data]);
    if (!gate.isOpen && !isLoading) void load();
  };
}
