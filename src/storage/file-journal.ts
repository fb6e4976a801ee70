import { open, readFile, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { CommError } from '../protocol/errors.ts';

/** The value as JSON; none where the key was deleted. */
export type Change = readonly [key: string, json?: string | undefined];

const HEADER = JSON.stringify({ format: 'lumen-comm journal', version: 1 });
/** Below this a journal isn't worth compacting. */
const MIN_COMPACT_BYTES = 256 * 1024;
/** Entries per line of a compacted journal: bounds the memory that one line takes. */
const SNAPSHOT_ENTRIES = 256;
const MODE = 0o600;

/** One transaction as one line: a CRC-32, so that a torn write shows, and the changes as JSON. */
export function encodeLine(changes: readonly Change[]): string {
  const parts = changes.map(([key, json]) => (json === undefined ? `[${quote(key)}]` : `[${quote(key)},${json}]`));
  return frame(`[${parts.join(',')}]`);
}

/**
 * An append-only file of transactions. The caller appends from one place at a time.
 *
 *     header line, then one line a transaction
 *     append:  write lines -> fdatasync                      a crash leaves at most torn lines at the end
 *     rewrite: temp file -> fsync -> rename -> fsync of dir  a crash leaves the old file or the new one
 */
export class Journal {
  readonly #path: string;
  #handle: FileHandle;
  #size: number;
  #compactAbove: number;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.#path = path;
    this.#handle = handle;
    this.#size = size;
    this.#compactAbove = Math.max(MIN_COMPACT_BYTES, size * 2);
  }

  /**
   * Reads what is there, cuts off a torn end, and makes a new journal where there is none.
   * @param upTo - what comes after so many bytes failed to be written and isn't to be believed
   */
  static async open(path: string, apply: (change: Change) => void, upTo = Infinity): Promise<Journal> {
    const bytes = await readFile(path).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    });
    const size = bytes === undefined ? await create(path) : replay(bytes.subarray(0, upTo), path, apply);
    const handle = await open(path, 'r+');
    const journal = new Journal(path, handle, size);
    try {
      if (bytes !== undefined && size < bytes.length) await journal.rollBack();
    } catch (error) {
      await handle.close();
      throw error;
    }
    return journal;
  }

  /** Everything before it is known to be on the disk. */
  get size(): number {
    return this.#size;
  }

  /** True when most of the file has been overwritten since: the caller then gives `rewrite` all there is. */
  get worthRewriting(): boolean {
    return this.#size > this.#compactAbove;
  }

  /** Resolves when the lines are on the disk, all with one sync. After a rejection call `rollBack`. */
  async append(lines: readonly string[]): Promise<void> {
    const bytes = Buffer.from(lines.join(''));
    let written = 0;
    while (written < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, written, bytes.length - written, this.#size + written);
      written += bytesWritten;
    }
    // Unlike fsync it skips the file's times, but not its size.
    await this.#handle.datasync();
    this.#size += bytes.length;
  }

  /** Takes back what a failed `append` may have left. */
  async rollBack(): Promise<void> {
    await this.#handle.truncate(this.#size);
    await this.#handle.sync();
  }

  /**
   * Replaces the file by one that holds only `entries`.
   * @returns whether it did; when not, the file stands as it was
   */
  async rewrite(entries: readonly Change[]): Promise<boolean> {
    const temporary = `${this.#path}.tmp`;
    const size = await writeWhole(temporary, entries).catch(() => undefined);
    if (size !== undefined) {
      // Windows renames over no open file.
      await this.#handle.close();
      const replaced = await rename(temporary, this.#path).then(
        () => true,
        () => false,
      );
      if (replaced) this.#size = size;
      this.#handle = await open(this.#path, 'r+');
      if (replaced) {
        this.#compactAbove = Math.max(MIN_COMPACT_BYTES, size * 2);
        await syncDirectory(dirname(this.#path));
        return true;
      }
    }
    await unlink(temporary).catch(() => undefined);
    // Most likely no room for both; appending may still work. Not again before it has grown that much more.
    this.#compactAbove = this.#size * 2;
    return false;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function create(path: string): Promise<number> {
  const temporary = `${path}.tmp`;
  const size = await writeWhole(temporary, []);
  await rename(temporary, path);
  await syncDirectory(dirname(path));
  return size;
}

/** @returns where the good part ends, in bytes */
function replay(bytes: Buffer, path: string, apply: (change: Change) => void): number {
  let good = 0;
  let torn = false;
  for (let start = 0, end = bytes.indexOf('\n'); end !== -1; start = end + 1, end = bytes.indexOf('\n', start)) {
    const line = decodeLine(bytes.toString('utf8', start, end));
    if (line === undefined) {
      torn = true;
      continue;
    }
    // A torn write has nothing good after it. This is damage, and going on would lose what was promised to be kept.
    if (torn || !(start === 0 ? JSON.stringify(line) === HEADER : isChanges(line))) throw damaged(path);
    if (isChanges(line)) for (const [key, value] of line) apply([key, JSON.stringify(value)]);
    good = end + 1;
  }
  // The header came with a rename, so it can't be torn.
  if (good === 0) throw damaged(path);
  return good;
}

function decodeLine(line: string): unknown {
  const json = line.slice(9);
  if (line.slice(0, 9) !== `${checksum(json)} `) return undefined;
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

function isChanges(line: unknown): line is [string, unknown?][] {
  return Array.isArray(line) && line.every((change) => Array.isArray(change) && typeof change[0] === 'string');
}

/** @returns its size in bytes */
async function writeWhole(path: string, entries: readonly Change[]): Promise<number> {
  const handle = await open(path, 'w', MODE);
  try {
    await handle.writeFile(frame(HEADER));
    for (let at = 0; at < entries.length; at += SNAPSHOT_ENTRIES) {
      await handle.writeFile(encodeLine(entries.slice(at, at + SNAPSHOT_ENTRIES)));
    }
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** Makes a rename itself durable. Windows can't open directories, and needs no such thing. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function frame(json: string): string {
  return `${checksum(json)} ${json}\n`;
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

function damaged(path: string): CommError {
  return new CommError('STORAGE', `The journal ${path} is damaged, or was written by another version`, {
    fix: 'Put back a copy of it, or move it out of the way to start empty.',
  });
}
