import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ensurePostgres } from '../../../scripts/postgres.ts';

/** A Postgres of the test, in a temporary directory on a free port of the loopback address. */
export interface PostgresProcess extends AsyncDisposable {
  readonly port: number;
  /** Returns the URL of a database. */
  url(database: string): string;
  /** Runs SQL in the database `postgres`. */
  execute(sql: string): Promise<void>;
  /** Stops it: `fast` ends all connections, `immediate` is a crash. */
  stop(mode: 'fast' | 'immediate'): Promise<void>;
  /** Starts it again, on the same port with the same data. */
  start(): Promise<void>;
}

/** Postgres refuses to run as root: the user of Debian's package, else `nobody`. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const ids = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }));
    const [uid, gid] = ids.map(({ status, stdout }) => (status === 0 ? Number(stdout) : undefined));
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a Postgres. It doesn't wait for the disk: what a test writes needn't survive the machine. */
export async function startPostgres(): Promise<PostgresProcess> {
  const bin = ensurePostgres();
  const user = unprivileged();
  const directory = mkdtempSync(join(tmpdir(), 'lumen-comm-postgres-'));
  chmodSync(directory, 0o700);
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const init = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  const { status, stderr } = spawnSync(join(bin, 'initdb'), init, { ...user, cwd: directory, encoding: 'utf8' });
  if (status !== 0) throw new Error(`initdb failed: ${stderr}`);
  const port = await freePort();
  const url = (database: string): string => `postgres://postgres@127.0.0.1:${port}/${database}`;
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const settings = ['fsync=off', 'full_page_writes=off', 'max_connections=400'];
    const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', directory];
    child = spawn(join(bin, 'postgres'), [...args, ...settings.flatMap((each) => ['-c', each])], {
      ...user,
      cwd: directory,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const log = child.stderr;
    if (log === null) throw new Error('Postgres has no output');
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child?.once('exit', () => reject(new Error(`Postgres ended: ${output}`)));
      log.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-10_000);
        if (output.includes('database system is ready to accept connections')) resolve();
      });
    });
  };
  const stop = async (mode: 'fast' | 'immediate'): Promise<void> => {
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await exited;
    child = undefined;
  };
  await start();
  return {
    port,
    url,
    start,
    stop,
    async execute(sql) {
      const client = new pg.Client({ connectionString: url('postgres') });
      await client.connect();
      try {
        await client.query(sql);
      } finally {
        await client.end();
      }
    },
    async [Symbol.asyncDispose]() {
      await stop('immediate');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
