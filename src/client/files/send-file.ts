import { CommError } from '../../protocol/errors.ts';
import { transfer, type TransferContext } from './http-transfer.ts';

/** An upload to send bytes to. */
export interface SendContext extends TransferContext {
  /** Repeats a task that failed for the moment. @param doneBytes - attempts that make progress don't count as failed */
  readonly persist: <T>(task: () => Promise<T>, doneBytes: () => number) => Promise<T>;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (doneBytes: number) => void;
}

const KIB = 1_024;
const FIRST_PART_BYTES = 256 * KIB;
const MIN_PART_BYTES = 16 * KIB;
/** An interruption costs less: the server keeps what it has received of a part. */
const MAX_PART_BYTES = 32 * KIB * KIB;
/** A part that took less time is followed by a larger one, a part that took more by a smaller one, in ms. */
const FAST_MS = 500;
const SLOW_MS = 4_000;

/** Mean speed below which a request with the whole file is given up; `fetch` reports no progress of a request. */
const SLOWEST_BYTES_PER_S = 16 * KIB;
const ANSWER_MS = 60_000;

/** How often the server may have fewer bytes than before: a storage can lose parts, and the upload must end. */
const MAX_LOSSES = 3;
const TUS = { 'tus-resumable': '1.0.0' };

/**
 * Sends a file to an upload of tus 1.0. The size of the parts follows the speed of the connection, so that an interruption
 * costs little. After one, the server says where to continue.
 *
 * @param isResumed - true if a part may have been sent before
 */
export async function sendByTus(file: Blob, url: string, isResumed: boolean, context: SendContext): Promise<void> {
  const { clock, signal, persist, onProgress } = context;
  let partBytes = FIRST_PART_BYTES;
  let offset = 0;
  let isOffsetKnown = !isResumed;
  let losses = 0;
  do {
    let isFirst = true;
    const sendPart = async (): Promise<number> => {
      if (!isFirst) {
        partBytes = Math.max(MIN_PART_BYTES, partBytes / 2);
        isOffsetKnown = false;
      }
      isFirst = false;
      if (!isOffsetKnown) {
        const stored = await transfer(context, url, { method: 'HEAD', headers: TUS }, signal, offsetOf);
        if (stored < offset) losses += 1;
        offset = stored;
        if (losses > MAX_LOSSES) throw new CommError('UPLOAD_FAILED', 'The server loses what was sent again and again');
        isOffsetKnown = true;
        if (offset === file.size) return offset;
        onProgress(offset);
      }
      const startedAt = clock.now();
      const headers = {
        ...TUS,
        'upload-offset': String(offset),
        'content-type': 'application/offset+octet-stream',
      };
      const body = file.slice(offset, offset + partBytes);
      const next = await transfer(context, url, { method: 'PATCH', headers, body }, signal, offsetOf);
      if (next <= offset && offset < file.size)
        throw new CommError('UNAVAILABLE', 'The server stored no bytes of the part');
      const elapsedMs = clock.now() - startedAt;
      if (elapsedMs < FAST_MS) partBytes = Math.min(MAX_PART_BYTES, partBytes * 2);
      else if (elapsedMs > SLOW_MS) partBytes = Math.max(MIN_PART_BYTES, partBytes / 2);
      return next;
    };
    offset = await persist(sendPart, () => offset);
    onProgress(offset);
  } while (offset < file.size);
}

/** Sends a file by one request. After an interruption it starts again. */
export async function sendByPut(file: Blob, url: string, mimeType: string, context: SendContext): Promise<void> {
  const { signal, persist, onProgress } = context;
  const headers = { 'content-type': mimeType };
  const patient = { ...context, timeoutMs: patientMs(file.size) };
  const send = async (): Promise<void> =>
    transfer(patient, url, { method: 'PUT', headers, body: file }, signal, () => undefined);
  await persist(send, () => 0);
  onProgress(file.size);
}

/** Returns the time in ms after which a request with so many bytes is given up. */
export function patientMs(bytes: number): number {
  return ANSWER_MS + (bytes / SLOWEST_BYTES_PER_S) * 1_000;
}

/** Deletes what was sent. Nothing depends on the result: the server deletes unfinished uploads by itself. */
export function giveUp(url: string, context: TransferContext): void {
  transfer(context, url, { method: 'DELETE', headers: TUS }, undefined, () => undefined).catch(() => undefined);
}

function offsetOf({ headers }: Response): number {
  const offset = Number(headers.get('upload-offset') ?? Number.NaN);
  if (Number.isSafeInteger(offset) && offset >= 0) return offset;
  throw new CommError('INTERNAL', 'The server sent no valid Upload-Offset', {
    fix: 'If the server has another origin, it must expose the header Upload-Offset.',
  });
}
