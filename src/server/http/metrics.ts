import type { Histogram } from '../../lib/histogram.ts';
import { SERVER_ERROR_CODES } from '../../protocol/errors.ts';
import type { RestResponse } from '../rest/rest-request.ts';
import type { ServerCore } from '../server-core.ts';

/** Time in ms that the metrics wait for a database that doesn't answer. */
const LEADER_MS = 1_000;

/** Reports the figures of this process in the text format of Prometheus. They contain no ids and no addresses. */
export async function metrics(core: ServerCore): Promise<RestResponse> {
  const { broadcaster, refusals, services, store, unread } = core;
  const { waiting, running, seconds, failed } = store.commits;
  const leads = await leadership(core);
  const families: Lines[] = [
    gauge('lumen_comm_sockets', 'Connected sockets', broadcaster.socketCount),
    counter('lumen_comm_messages_total', 'Messages stored', services.sending.stored),
    family(
      'counter',
      'lumen_comm_refusals_total',
      'Rejected connections and requests',
      SERVER_ERROR_CODES.map((code) => [`{code="${code}"}`, refusals.counts.get(code) ?? 0]),
    ),
    gauge('lumen_comm_answers_waiting', 'Requests with large answers that wait for their turn', core.turns.waiting),
    gauge('lumen_comm_unread_bytes', 'Output that clients have not read', unread.totalBytes),
    gauge('lumen_comm_writes_waiting', 'Writes that wait for their transaction', waiting),
    gauge('lumen_comm_transactions', 'Transactions that write', running),
    histogram('lumen_comm_commit_seconds', 'Time of a committed transaction', seconds),
    counter('lumen_comm_failed_commits_total', 'Transactions that failed', failed),
    ...(leads === undefined
      ? []
      : [gauge('lumen_comm_leader', 'Whether this process does what one does for all', leads ? 1 : 0)]),
    ...ofBus(core),
    ...ofProcess(),
  ];
  const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8', 'cache-control': 'no-store' };
  return { status: 200, headers, body: `${families.flat().join('\n')}\n` };
}

/** Messages between processes; none without a bus. */
function ofBus({ bus, cluster }: ServerCore): Lines[] {
  if (bus === undefined || cluster === undefined) return [];
  const { published, received, missed } = cluster.counts;
  const { lagMs } = bus;
  return [
    gauge('lumen_comm_bus_connected', 'Whether this process is connected to Redis', bus.connected ? 1 : 0),
    ...(lagMs === undefined
      ? []
      : [gauge('lumen_comm_bus_lag_seconds', 'Time of a message to Redis and back', lagMs / 1_000)]),
    counter('lumen_comm_bus_published_total', 'Messages to other processes', published),
    counter('lumen_comm_bus_received_total', 'Messages of other processes', received),
    counter('lumen_comm_bus_missed_channels_total', 'Channels on which a message may have been lost', missed),
  ];
}

/** Figures with the names that Prometheus clients of all languages give them. */
function ofProcess(): Lines[] {
  const { user, system } = process.cpuUsage();
  return [
    counter('process_cpu_seconds_total', 'Processor time', (user + system) / 1_000_000),
    gauge('process_resident_memory_bytes', 'Resident memory', process.memoryUsage.rss()),
    gauge('process_start_time_seconds', 'Start since the epoch', performance.timeOrigin / 1_000),
  ];
}

/** Returns whether this process leads; `undefined` if the database doesn't tell. */
async function leadership({ store, clock }: ServerCore): Promise<boolean | undefined> {
  let cancel = (): void => undefined;
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.after(LEADER_MS, () => resolve(undefined), true);
  });
  try {
    return await Promise.race([store.lead(), late]);
  } catch {
    return undefined;
  } finally {
    cancel();
  }
}

type Lines = readonly string[];

function gauge(name: string, help: string, value: number): Lines {
  return family('gauge', name, help, [['', value]]);
}

function counter(name: string, help: string, value: number): Lines {
  return family('counter', name, help, [['', value]]);
}

function histogram(name: string, help: string, { bounds, cumulative, sum }: Histogram): Lines {
  const count = cumulative.at(-1) ?? 0;
  return family('histogram', name, help, [
    ...bounds.map((bound, at): [string, number] => [`_bucket{le="${bound}"}`, cumulative[at] ?? 0]),
    ['_bucket{le="+Inf"}', count],
    ['_sum', sum],
    ['_count', count],
  ]);
}

/** @param samples - what follows the name of each, and its value */
function family(
  type: 'counter' | 'gauge' | 'histogram',
  name: string,
  help: string,
  samples: readonly (readonly [suffix: string, value: number])[],
): Lines {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(([suffix, value]) => `${name}${suffix} ${value}`),
  ];
}
