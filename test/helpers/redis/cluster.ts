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
import type { ServerLimits } from '../../../src/server/index.ts';
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
  /** @defaultValue 1,000 */
  readonly deadAfterMs?: number;
}

/** Several servers in this process, each with its own connections to one database and one Redis. */
export class Cluster implements AsyncDisposable {
  readonly redis: RedisProcess;
  readonly #directory = mkdtempSync(join(tmpdir(), 'lumen-comm-cluster-'));
  readonly #running: ClusterProcess[] = [];

  constructor(redis: RedisProcess) {
    this.redis = redis;
  }

  /** Starts servers. Their heartbeats are short. */
  async start({ deadAfterMs = 1_000, ...options }: ClusterProcessOptions = {}): Promise<ClusterProcess> {
    const line = await startFaultProxy({ target: `http://127.0.0.1:${this.redis.port}`, seed: 1 });
    const processId = crypto.randomUUID();
    const bus = redisBus(`redis://127.0.0.1:${new URL(line.url).port}`, { processId, heartbeatMs: 300 });
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
