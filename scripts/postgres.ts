import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ensureProgram, pathFolders } from './debian.ts';

/** Where Debian installs Postgres, one folder a version. */
const DEBIAN = '/usr/lib/postgresql';

/** Returns the folder with `initdb` and `postgres`: of the `PATH`, or of Debian's newest version. */
export function findPostgres(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : [];
  return [...pathFolders(), ...versions.map((version) => path.join(DEBIAN, version, 'bin'))].find(
    (folder) => existsSync(path.join(folder, 'initdb')) && existsSync(path.join(folder, 'postgres')),
  );
}

/** Finds Postgres, or installs Debian's package as root and prints a line about it. */
export function ensurePostgres(): string {
  return ensureProgram({
    title: 'Postgres',
    debianPackage: 'postgresql',
    find: findPostgres,
    fix: 'Install the package `postgresql` of your system, or add the folder of its `initdb` and `postgres` to PATH.',
  });
}

if (import.meta.main) console.log(ensurePostgres());
