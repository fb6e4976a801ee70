import type { Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import { CommError, isCommError } from '../../protocol/errors.ts';
import type { ServerHooks } from '../hooks.ts';

/** How a hook is called. */
export interface HookCall {
  readonly name: keyof ServerHooks;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Calls a hook of the app.
 *
 * @throws CommError that the hook has thrown; `INTERNAL` if it fails otherwise or doesn't answer in time, which is logged
 */
export async function askHook<T>({ name, timeoutMs, clock, logger }: HookCall, ask: () => T | Promise<T>): Promise<T> {
  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`The hook ${name} has not answered within ${timeoutMs} ms`);
    cancel = clock.after(timeoutMs, () => reject(error));
  });
  try {
    return await Promise.race([ask(), late]);
  } catch (error) {
    if (isCommError(error)) throw error;
    logger.error(`the hook ${name} failed`, errorFields(error));
    throw new CommError('INTERNAL', 'Internal server error');
  } finally {
    cancel();
  }
}
