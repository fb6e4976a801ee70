import { errorFields } from '../../../lib/logger.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { Refusals } from '../limits/refusals.ts';
import { StorageUnavailable } from './file-backend.ts';

/** Time in ms after which an upload may be continued if the disk is full. */
const FULL_RETRY_MS = 60_000;
/** The same if the storage can't be reached. */
const OUTAGE_RETRY_MS = 5_000;

/** Runs a task of the storage. @throws CommError `UNAVAILABLE` if the storage is full or can't be reached */
export async function askStorage<T>(task: () => Promise<T>, refusals: Refusals): Promise<T> {
  try {
    return await task();
  } catch (error) {
    const isUnreachable = error instanceof StorageUnavailable;
    if (!isUnreachable && !isFull(error)) throw error;
    const state = isUnreachable ? 'not available' : 'full';
    const retryAfterMs = isUnreachable ? OUTAGE_RETRY_MS : FULL_RETRY_MS;
    refusals.warn(`the file storage is ${state}`, 'UNAVAILABLE', reasonOf(error));
    throw new CommError('UNAVAILABLE', `The file storage is ${state}`, { retryAfterMs, cause: error });
  }
}

/** Returns a short name of a failure for the log. */
export function reasonOf(error: unknown): string {
  const { error: name, code } = errorFields(error instanceof StorageUnavailable ? (error.cause ?? error) : error);
  return String(code ?? name);
}

/** No space on the device, or a quota is used up. */
function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}
