import pg from 'pg';
import { startFaultProxy, type FaultProxy, type LineFaults } from '../../src/server/testing/fault-proxy.ts';
import { startServerProcess, type ServerProcess } from '../../src/server/testing/server-process.ts';
import { ROW_TYPES } from '../../src/server/store/engine/postgres-values.ts';
import { startPostgres, type PostgresProcess } from '../helpers/postgres/postgres-process.ts';
import { startRedis, type RedisProcess } from '../helpers/redis/redis-process.ts';
import { freePort } from '../helpers/service-process.ts';
import { startBalancer, type Balancer } from '../helpers/balancer.ts';

/** A server process, and its line to Redis. */
export interface Member {
  readonly name: string;
  readonly server: ServerProcess;
  /** Carries what the process and Redis exchange. Without faults, until they are resumed. */
  readonly redisLine: FaultProxy;
}

/** Options of {@link Cluster.start}. */
export interface ClusterOptions {
  /** Number of processes. @defaultValue 3 */
  readonly processes?: number;
  /** Seed of the faults of the lines to Redis. @defaultValue 1 */
  readonly seed?: number;
  /** Faults of the lines to Redis, once they are resumed. */
  readonly faults?: LineFaults;
  /** Directory of the uploaded files. @defaultValue none */
  readonly files?: string;
  /** Further command-line options of each process. */
  readonly args?: readonly string[];
}

/** Several server processes on one Postgres and one Redis, which the test starts itself. */
export class Cluster implements AsyncDisposable {
  readonly postgres: PostgresProcess;
  readonly redis: RedisProcess;
  readonly members: Member[] = [];
  readonly #options: ClusterOptions;
  readonly #balancers: Balancer[] = [];
  #count = 0;

  private constructor(postgres: PostgresProcess, redis: RedisProcess, options: ClusterOptions) {
    this.postgres = postgres;
    this.redis = redis;
    this.#options = options;
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    const cluster = new Cluster(postgres, redis, options);
    // At the same time, because they also share the migrations.
    const started = await Promise.allSettled(Array.from({ length: options.processes ?? 3 }, () => cluster.add()));
    const failed = started.find((each) => each.status === 'rejected');
    if (failed === undefined) return cluster;
    await cluster[Symbol.asyncDispose]();
    throw failed.reason;
  }

  /** URL of the database. */
  get database(): string {
    return this.postgres.url('postgres');
  }

  /** Starts one more process. */
  async add(): Promise<Member> {
    const { seed = 1, faults, args = [], files } = this.#options;
    this.#count += 1;
    const number = this.#count;
    const name = `p${number}`;
    const target = `http://127.0.0.1:${this.redis.port}`;
    const redisLine = await startFaultProxy({ target, seed: seed * 100 + number, ...faults });
    redisLine.heal();
    const redis = `redis://127.0.0.1:${new URL(redisLine.url).port}`;
    const options = ['--redis', redis, '--name', name, ...(files === undefined ? [] : ['--files', files]), ...args];
    try {
      const server = await startServerProcess({ database: this.database, port: await freePort(), args: options });
      const member = { name, server, redisLine };
      this.members.push(member);
      return member;
    } catch (error) {
      await redisLine.close();
      throw error;
    }
  }

  /**
   * Starts a load balancer in front of the processes.
   *
   * @param preferred - number of the process that it prefers; it takes the following ones if that one accepts no connection
   */
  async balance(preferred: number): Promise<string> {
    const balancer = await startBalancer(() => {
      const ports = this.members.map(({ server }) => server.port);
      const first = preferred % ports.length;
      return [...ports.slice(first), ...ports.slice(0, first)];
    });
    this.#balancers.push(balancer);
    return balancer.url;
  }

  /** Runs a query, and returns the rows with the values that SQLite would return. */
  async query(sql: string): Promise<readonly unknown[]> {
    const client = new pg.Client({ connectionString: this.database });
    await client.connect();
    try {
      const result: { rows: unknown[] } = await client.query({ text: sql, types: ROW_TYPES });
      return result.rows;
    } finally {
      await client.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#balancers.map((balancer) => balancer[Symbol.asyncDispose]()));
    await Promise.all(this.members.map(({ server }) => server.kill()));
    await Promise.all(this.members.map(({ redisLine }) => redisLine.close()));
    await this.redis[Symbol.asyncDispose]();
    await this.postgres[Symbol.asyncDispose]();
  }
}
