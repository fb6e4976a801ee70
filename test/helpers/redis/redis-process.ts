import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureRedis } from '../../../scripts/redis.ts';
import { freePort, ServiceProcess, type ServiceOptions } from '../service-process.ts';

/** A Redis of the test, without files, on a free port of the loopback address. */
export interface RedisProcess extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Kills it. All it held is lost. */
  stop(): Promise<void>;
  /** Starts it again on the same port, empty. */
  start(): Promise<void>;
}

/** Starts a Redis. */
export async function startRedis(options: ServiceOptions = {}): Promise<RedisProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'lumen-comm-redis-'));
  const port = await freePort();
  const settings = { port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: directory };
  const service = new ServiceProcess({
    file: ensureRedis(),
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ready: 'Ready to accept connections',
    options,
  });
  const stop = (): Promise<void> => service.stop('SIGKILL');
  await service.start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    start: () => service.start(),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
