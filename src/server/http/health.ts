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

/** Reports counters in the text format of Prometheus. They contain no ids and no addresses. */
export async function metrics(core: ServerCore): Promise<RestResponse> {
  const { refusals, unread, broadcaster } = core;
  const lines = [
    '# TYPE lumen_comm_refusals_total counter',
    ...[...refusals.counts].map(([code, count]) => `lumen_comm_refusals_total{code="${code}"} ${count}`),
    '# TYPE lumen_comm_sockets gauge',
    `lumen_comm_sockets ${broadcaster.socketCount}`,
    '# TYPE lumen_comm_unread_bytes gauge',
    `lumen_comm_unread_bytes ${unread.totalBytes}`,
    '# TYPE lumen_comm_leader gauge',
    `lumen_comm_leader ${(await core.store.lead()) ? 1 : 0}`,
    ...busMetrics(core),
    '',
  ];
  return { status: 200, headers: { 'content-type': 'text/plain; version=0.0.4' }, body: lines.join('\n') };
}

/** Counters of the messages between processes; none without a bus. */
function busMetrics({ bus, cluster }: ServerCore): readonly string[] {
  if (bus === undefined || cluster === undefined) return [];
  const { published, received, missed } = cluster.counts;
  return [
    '# TYPE lumen_comm_bus_connected gauge',
    `lumen_comm_bus_connected ${bus.connected ? 1 : 0}`,
    ...(bus.lagMs === undefined
      ? []
      : ['# TYPE lumen_comm_bus_lag_seconds gauge', `lumen_comm_bus_lag_seconds ${bus.lagMs / 1_000}`]),
    '# TYPE lumen_comm_bus_published_total counter',
    `lumen_comm_bus_published_total ${published}`,
    '# TYPE lumen_comm_bus_received_total counter',
    `lumen_comm_bus_received_total ${received}`,
    '# TYPE lumen_comm_bus_missed_channels_total counter',
    `lumen_comm_bus_missed_channels_total ${missed}`,
  ];
}
