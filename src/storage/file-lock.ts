import { randomUUID } from 'node:crypto';
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { CommError } from '../protocol/errors.ts';

interface Owner {
  pid: number;
  /** Tells two locks of one process apart. */
  token: string;
  /** Tells a process from a later one with the same id, where the system says when each began. */
  began?: string | undefined;
}

/** Takeovers of takeovers, each of which needs a crash within a millisecond. */
const MAX_DEPTH = 3;

/**
 * Makes one process (and in it one storage) the owner of a directory, by a file that names it. The file survives a
 * crash; whoever finds that its owner is dead takes it over. Owners must see each other's process ids, so a directory
 * can't be shared between machines or containers; should that happen, `stillHeld` tells the one who was taken for dead.
 */
export class FileLock {
  readonly #path: string;
  readonly #token: string;

  private constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
  }

  /** @throws CommError `STORAGE` while another owner lives */
  static async acquire(path: string): Promise<FileLock> {
    const owner: Owner = { pid: process.pid, token: randomUUID(), began: await beginningOf(process.pid) };
    await take(path, owner, 0);
    return new FileLock(path, owner.token);
  }

  async stillHeld(): Promise<boolean> {
    const owner = await read(this.#path);
    return owner !== undefined && owner !== 'ruin' && owner.token === this.#token;
  }

  async release(): Promise<void> {
    if (await this.stillHeld()) await unlink(this.#path);
  }
}

async function take(path: string, self: Owner, depth: number): Promise<void> {
  if (await create(path, self)) return;
  const owner = await read(path);
  if (owner === undefined) return take(path, self, depth);
  if (owner !== 'ruin' && (await isAlive(owner))) throw inUse(path, owner.pid);
  if (depth === MAX_DEPTH) throw inUse(path, undefined);
  // Only one may succeed a dead owner: who holds the lock on succeeding does, after making sure that nobody has.
  const succession = `${path}.next`;
  await take(succession, self, depth + 1);
  const current = await read(path);
  const heir = current !== undefined && current !== 'ruin' && (await isAlive(current)) ? current : undefined;
  if (heir === undefined && current !== undefined) return rename(succession, path);
  await unlink(succession);
  if (heir !== undefined) throw inUse(path, heir.pid);
  // Let go in the meantime, so that anybody may create it: a rename could overwrite somebody's.
  return take(path, self, depth);
}

/** Creates the file with its content in one step, so that nobody reads half of it. False when it exists. */
async function create(path: string, owner: Owner): Promise<boolean> {
  const draft = `${path}.${owner.token}`;
  await writeFile(draft, JSON.stringify(owner), { mode: 0o600, flag: 'wx', flush: true });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}

async function read(path: string): Promise<Owner | 'ruin' | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { pid, token, began } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0 || typeof token !== 'string') return 'ruin';
    return { pid, token, began: typeof began === 'string' ? began : undefined };
  } catch {
    return 'ruin';
  }
}

async function isAlive({ pid, began }: Owner): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, as somebody else's.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  return began === undefined || began === ((await beginningOf(pid)) ?? began);
}

/** When a process began, as the boot and the clock ticks since; only Linux tells. */
async function beginningOf(pid: number): Promise<string | undefined> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8');
    // Field 22 of proc(5); the second is the name in parentheses, which may itself contain spaces.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return ticks === undefined ? undefined : `${boot.trim()}:${ticks}`;
  } catch {
    return undefined;
  }
}

function inUse(path: string, pid: number | undefined): CommError {
  return new CommError('STORAGE', `Process ${String(pid ?? 'unknown')} is using this directory`, {
    fix: `Give each process a directory of its own, end that process, or delete ${path} if it isn't one of yours.`,
  });
}
