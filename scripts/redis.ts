import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const isRoot = process.getuid?.() === 0;

/** Returns the `redis-server` or `valkey-server` of the `PATH`. */
export function findRedis(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  return folders
    .flatMap((folder) => ['redis-server', 'valkey-server'].map((name) => path.join(folder, name)))
    .find((file) => existsSync(file));
}

/** Finds Redis, or installs Debian's package as root and prints a line about it. */
export function ensureRedis(): string {
  const found = findRedis();
  if (found !== undefined) return found;
  if (isRoot) {
    console.log("No Redis found: installing Debian's package redis-server");
    const run = (...args: string[]): boolean =>
      spawnSync('apt-get', args, {
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
        timeout: 300_000,
      }).status === 0;
    run('update');
    run('install', '--yes', '--no-install-recommends', 'redis-server');
    const installed = findRedis();
    if (installed !== undefined) return installed;
  }
  throw new Error(
    'No Redis to run the tests of several processes in. Install the package `redis-server` of your system, version 7 or ' +
      'later, or add the folder of `redis-server` to PATH.',
  );
}

if (import.meta.main) console.log(ensureRedis());
