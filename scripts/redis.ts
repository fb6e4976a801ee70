import { existsSync } from 'node:fs';
import path from 'node:path';
import { ensureProgram, pathFolders } from './debian.ts';

/** Returns the `redis-server` or `valkey-server` of the `PATH`. */
export function findRedis(): string | undefined {
  return pathFolders()
    .flatMap((folder) => ['redis-server', 'valkey-server'].map((name) => path.join(folder, name)))
    .find((file) => existsSync(file));
}

/** Finds Redis, or installs Debian's package as root and prints a line about it. */
export function ensureRedis(): string {
  return ensureProgram({
    title: 'Redis',
    debianPackage: 'redis-server',
    find: findRedis,
    fix:
      'Install the package `redis-server` of your system, version 7 or later, or add the folder of `redis-server` to ' +
      'PATH.',
  });
}

if (import.meta.main) console.log(ensureRedis());
