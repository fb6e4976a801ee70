import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Where Debian installs Postgres, one folder a version. */
const DEBIAN = '/usr/lib/postgresql';

const isRoot = process.getuid?.() === 0;

/** Returns the folder with `initdb` and `postgres`: of the `PATH`, or of Debian's newest version. */
export function findPostgres(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : [];
  return [...folders, ...versions.map((version) => path.join(DEBIAN, version, 'bin'))].find(
    (folder) => existsSync(path.join(folder, 'initdb')) && existsSync(path.join(folder, 'postgres')),
  );
}

/** Finds Postgres, or installs Debian's package as root and prints a line about it. */
export function ensurePostgres(): string {
  const found = findPostgres();
  if (found !== undefined) return found;
  if (isRoot) {
    console.log("No Postgres found: installing Debian's package postgresql");
    const run = (...args: string[]): boolean =>
      spawnSync('apt-get', args, {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        timeout: 300_000,
      }).status === 0;
    run('update');
    run('install', '--yes', '--no-install-recommends', 'postgresql');
    const installed = findPostgres();
    if (installed !== undefined) return installed;
  }
  throw new Error(
    'No Postgres to run the tests of the database in. Install the package `postgresql` of your system, or add the folder ' +
      'of its `initdb` and `postgres` to PATH.',
  );
}

if (import.meta.main) console.log(ensurePostgres());
