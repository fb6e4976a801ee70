import { spawnSync } from 'node:child_process';
import path from 'node:path';

/** A program that tests need and Debian has. */
export interface DebianProgram {
  /** Name for messages. */
  readonly title: string;
  /** Debian's package. */
  readonly debianPackage: string;
  /** Returns where it is installed. */
  readonly find: () => string | undefined;
  /** What a developer can do if it can't be installed. */
  readonly fix: string;
}

/** Returns the folders of the `PATH`. */
export function pathFolders(): readonly string[] {
  return (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
}

/** Finds a program, or installs Debian's package as root and prints a line about it. */
export function ensureProgram({ title, debianPackage, find, fix }: DebianProgram): string {
  const found = find();
  if (found !== undefined) return found;
  if (process.getuid?.() === 0) {
    console.log(`No ${title} found: installing Debian's package ${debianPackage}`);
    aptGet('update');
    aptGet('install', '--yes', '--no-install-recommends', debianPackage);
    const installed = find();
    if (installed !== undefined) return installed;
  }
  throw new Error(`No ${title} to run the tests with. ${fix}`);
}

function aptGet(...args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', args, { stdio: ['ignore', 'inherit', 'inherit'], env, timeout: 300_000 });
}
