import { ERROR_STATUS, type TraceSpan } from '../lib/tracing.ts';
import type { ServerErrorCode } from '../protocol/errors.ts';

/** Records why a request was rejected. Only what the peer is not responsible for counts as an error. */
export function recordRefusal(span: TraceSpan | undefined, code: ServerErrorCode): void {
  span?.setAttribute('error.type', code);
  if (code === 'INTERNAL' || code === 'UNAVAILABLE') span?.setStatus({ code: ERROR_STATUS });
}
