import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ensurePostgres } from '../../../scripts/postgres.ts';
import { freePort, ServiceProcess, type ServiceOptions } from '../service-process.ts';

/** A Postgres of the test, in a temporary directory on a free port of the loopback address. */
export interface PostgresProcess extends AsyncDisposable {
  readonly port: number;
  /** Returns the URL of a database. */
  url(database: string): string;
  /** Runs SQL in the database `postgres`. */
  execute(sql: string): Promise<void>;
  /** Stops it: `fast` ends all connections, `immediate` is a crash, `kill` is SIGKILL for its first process. */
  stop(mode: keyof typeof SIGNALS): Promise<void>;
  /** Starts it again, on the same port with the same data. */
  start(): Promise<void>;
  /** Starts another one from a copy of the data of this one, which must be stopped. */
  restore(): Promise<PostgresProcess>;
  /** Makes a directory that the Postgres can write to. */
  makeDirectory(): string;
}

const SIGNALS = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;
/** The other processes of a killed Postgres end a moment later than the first. */
const NOT_ENDED = 'shared memory block';

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

/** How a Postgres is started. */
export interface PostgresOptions extends ServiceOptions {
  /** Settings of Postgres, as `name=value`. */
  readonly settings?: readonly string[];
  /** Whether a process of its own removes the files in the end: those of a thousand databases take minutes. @defaultValue false */
  readonly removesLater?: boolean;
}

/** Starts a Postgres. It doesn't wait for the disk: what a test writes needn't survive the machine. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresProcess> {
  const directory = makeDirectory();
  const init = [
    '-D',
    join(directory, 'data'),
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
  ];
  const { status, stderr } = spawnSync(join(ensurePostgres(), 'initdb'), init, {
    ...unprivileged(),
    cwd: directory,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`initdb failed: ${stderr}`);
  return await serve(directory, options);
}

function makeDirectory(): string {
  const user = unprivileged();
  const directory = mkdtempSync(join(tmpdir(), 'lumen-comm-postgres-'));
  chmodSync(directory, 0o700);
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  return directory;
}

async function serve(directory: string, options: PostgresOptions): Promise<PostgresProcess> {
  const { settings: more = [], removesLater = false, ...ofService } = options;
  const port = await freePort();
  const url = (database: string): string => `postgres://postgres@127.0.0.1:${port}/${database}`;
  const settings = ['fsync=off', 'full_page_writes=off', 'max_connections=400', ...more];
  const args = ['-D', join(directory, 'data'), '-p', String(port), '-h', '127.0.0.1', '-k', directory];
  const service = new ServiceProcess({
    file: join(ensurePostgres(), 'postgres'),
    args: [...args, ...settings.flatMap((each) => ['-c', each])],
    ready: 'database system is ready to accept connections',
    options: { ...ofService, ...unprivileged(), cwd: directory },
  });
  const stop = (mode: keyof typeof SIGNALS): Promise<void> => service.stop(SIGNALS[mode]);
  const start = async (): Promise<void> => {
    try {
      await service.start();
    } catch (error) {
      if (!String(error).includes(NOT_ENDED)) throw error;
      await start();
    }
  };
  await start();
  const made: string[] = [directory];
  return {
    port,
    url,
    start,
    stop,
    makeDirectory() {
      const other = makeDirectory();
      made.push(other);
      return other;
    },
    async restore() {
      const other = makeDirectory();
      const copied = spawnSync('cp', ['-a', join(directory, 'data'), other], { encoding: 'utf8' });
      if (copied.status !== 0) throw new Error(`cp failed: ${copied.stderr}`);
      rmSync(join(other, 'data', 'postmaster.pid'), { force: true });
      return await serve(other, options);
    },
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
      if (removesLater) spawn('rm', ['-rf', ...made], { detached: true, stdio: 'ignore' }).unref();
      else for (const each of made) rmSync(each, { recursive: true, force: true });
    },
  };
}
