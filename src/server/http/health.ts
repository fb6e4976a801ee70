import { errorFields } from '../../lib/logger.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { RestResponse } from '../rest/rest-request.ts';
import type { ServerCore } from '../server-core.ts';
import { isUnavailable } from '../store/engine/outages.ts';

/** Body of `GET /readyz`. */
interface Readiness {
  /** `degraded`: requests are answered, and something works worse than it should. */
  readonly status: 'ready' | 'degraded' | 'unavailable';
  /** Name of the process; absent for a process without a name. */
  readonly process?: string | undefined;
  /** Why the process is not ready. */
  readonly reasons?: readonly string[];
}

/** Reports readiness: not while the server shuts down, and not while the database is unavailable. */
export async function readiness(core: ServerCore): Promise<RestResponse> {
  const reason = await unavailability(core);
  if (reason !== undefined) return answer(503, { status: 'unavailable', process: core.name, reasons: [reason] });
  const reasons = core.degradations;
  const status = reasons.length === 0 ? 'ready' : 'degraded';
  return answer(200, { status, process: core.name, ...(reasons.length > 0 && { reasons }) });
}

function answer(status: number, body: Readiness): RestResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

async function unavailability(core: ServerCore): Promise<string | undefined> {
  if (core.draining) return 'the server is shutting down';
  try {
    await core.check();
    return undefined;
  } catch (error) {
    const refusal = [error, error instanceof Error ? error.cause : undefined].find(
      (each) => isCommError(each) && each.code === 'UNSUPPORTED',
    );
    if (refusal instanceof Error) return refusal.message;
    // An outage has already been logged once.
    if (!isUnavailable(error)) core.logger.error('the database does not respond', errorFields(error));
    return 'the database does not respond or accepts no writes';
  }
}
