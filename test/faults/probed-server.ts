import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { startServerProcess, type ServerProcess } from '../../src/server/testing/server-process.ts';
import type { TurnReport } from './turn-probe.ts';

/** A server process whose turns of the event loop are measured. */
export interface ProbedServer extends AsyncDisposable {
  readonly url: string;
  /** CPU time of the process in ms. */
  cpuMs(): number;
  /** The turns since the last call, or since the start. */
  turns(): Promise<TurnReport>;
}

const CLOCK_TICKS_MS = 10;
const POLL_MS = 5;

/** Starts `lumen-comm-server serve` with the probe of turn-probe.ts. Removes the report's file at the end. */
export async function startProbedServer(directory: string, args: readonly string[] = []): Promise<ProbedServer> {
  const file = path.join(directory, 'turns.json');
  const probe = new URL('turn-probe.ts', import.meta.url).href;
  const before = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] = `${before ?? ''} --import ${probe}`;
  process.env['TURN_PROBE_FILE'] = file;
  let server: ServerProcess;
  try {
    server = await startServerProcess({ database: path.join(directory, 'comm.sqlite'), args });
  } finally {
    if (before === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = before;
    delete process.env['TURN_PROBE_FILE'];
  }
  return {
    url: server.url,
    cpuMs: () => cpuMs(server.pid),
    async turns() {
      rmSync(file, { force: true });
      process.kill(server.pid, 'SIGUSR2');
      while (!existsSync(file)) await new Promise((resolve) => void setTimeout(resolve, POLL_MS));
      return JSON.parse(readFileSync(file, 'utf8')) as TurnReport;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** CPU time of a process, from Linux's /proc. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * CLOCK_TICKS_MS;
}
