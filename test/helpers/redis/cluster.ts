import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { CommunicationConfig } from '../../../src/server/config.ts';
import { CommunicationStore } from '../../../src/server/cluster/memory-ephemera.ts';
import type { RedisBus } from '../../../src/server/cluster/redis-bus.ts';
import { RedisEphemera } from '../../../src/server/cluster/redis-ephemera.ts';
import { serverCoreFor } from '../../../src/server/server-core.ts';
import { openDatabase } from '../../../src/server/store/engine/open.ts';
import { startFaultProxy, type FaultProxy } from '../../../src/server/testing/fault-proxy.ts';
import type { Authenticate, ServerLimits } from '../../../src/server/index.ts';
import { startServer, type TestServer } from '../server/comm-server.ts';
import { redisBus } from './recording-bus.ts';
import { startRedis, type RedisProcess } from './redis-process.ts';

/** One of several servers. */
export interface ClusterProcess extends AsyncDisposable {
  readonly server: TestServer;
  readonly bus: RedisBus;
  readonly ephemera: RedisEphemera;
  /** The line to Redis. */
  readonly line: FaultProxy;
}

export interface ClusterProcessOptions {
  readonly config?: CommunicationConfig;
  readonly limits?: Partial<ServerLimits>;
  readonly auth?: Authenticate;
  /**
   * Time in ms without a heartbeat after which a process has ended. A short one is for tests in which a process ends: on a busy
   * machine a process that runs seems to have ended, too. @defaultValue 60,000
   */
  readonly deadAfterMs?: number;
  /** Time in ms between two heartbeats of the bus. A short one is for tests with a silent line. @defaultValue that of the bus */
  readonly busHeartbeatMs?: number;
}

/** Options of processes that soon find out that one has ended, or that a line is silent. */
export const IMPATIENT = { deadAfterMs: 5_000, busHeartbeatMs: 300 } as const satisfies ClusterProcessOptions;

/** Several servers in this process, each with its own connections to one database and one Redis. */
export class Cluster implements AsyncDisposable {
  readonly redis: RedisProcess;
  readonly #directory = mkdtempSync(join(tmpdir(), 'lumen-comm-cluster-'));
  readonly #running: ClusterProcess[] = [];

  constructor(redis: RedisProcess) {
    this.redis = redis;
  }

  async start({
    deadAfterMs = 60_000,
    busHeartbeatMs,
    ...options
  }: ClusterProcessOptions = {}): Promise<ClusterProcess> {
    const line = await startFaultProxy({ target: `http://127.0.0.1:${this.redis.port}`, seed: 1 });
    const processId = crypto.randomUUID();
    const bus = redisBus(`redis://127.0.0.1:${new URL(line.url).port}`, { processId, heartbeatMs: busHeartbeatMs });
    const timing = { heartbeatMs: 100, deadAfterMs };
    const ephemera = new RedisEphemera({ redis: bus, processId, clock: systemClock, logger: silentLogger, ...timing });
    await bus.open();
    const db = openDatabase(join(this.#directory, 'comm.sqlite'));
    const core = serverCoreFor({ db, logger: silentLogger, store: new CommunicationStore(), bus, ephemera });
    const server = await startServer({ db, ...options });
    let isClosed = false;
    const started: ClusterProcess = {
      server,
      bus,
      ephemera,
      line,
      async [Symbol.asyncDispose]() {
        if (isClosed) return;
        isClosed = true;
        await server[Symbol.asyncDispose]();
        await ephemera.close();
        await bus.close();
        await line.close();
        core.close();
        db.close();
      },
    };
    this.#running.push(started);
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#running) await each[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Starts a Redis for several servers. */
export async function startCluster(): Promise<Cluster> {
  return new Cluster(await startRedis());
}
