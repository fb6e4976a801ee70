import { randomUUID } from 'node:crypto';
import { systemClock } from '../../../lib/clock.ts';
import { DirectUploadsUnsafe, StorageUnavailable } from './file-backend.ts';
import type { S3Client } from './s3-client.ts';
import { beginMultipart, listParts } from './s3-parts.ts';

const BODY = 'probe';
const URL_TTL_S = 300;
/** Meanwhile uploads go through the server, each after the time that the storage has to begin one. */
const PROBE_MS = 15_000;

/**
 * Checks that presigned URLs of parts allow what they should, by an upload that is aborted. A PUT with the header
 * `x-amz-copy-source` copies an object instead of storing the body. Amazon S3 refuses the header if it is not part of the
 * signature; a storage that does not would let the holder of one URL read all files of the bucket.
 *
 * @throws DirectUploadsUnsafe if the header is not refused, S3Error if a permission is missing, StorageUnavailable
 */
export async function probeDirectUploads(client: S3Client): Promise<void> {
  const key = `probe-${randomUUID()}`;
  const deadline = new AbortController();
  const stop = (): void => deadline.abort(new StorageUnavailable('The storage was not probed in time'));
  const cancel = systemClock.after(PROBE_MS, stop, true);
  const { signal } = deadline;
  let uploadId: string | undefined;
  try {
    // The source must exist: some storages answer 403 for an object that does not.
    await client.text({ method: 'PUT', key, body: BODY, signal });
    uploadId = await beginMultipart(client, key, signal);
    const part = { key, query: { uploadId, partNumber: '1' } };
    const terms = { bytes: BODY.length, nowMs: systemClock.now(), expiresInS: URL_TTL_S };
    const url = await client.presignPut(part, terms);
    const put = async (headers: Record<string, string>): Promise<number> => {
      const status = await client.putPresigned(url, { body: BODY, headers, signal });
      if (status === 429 || status >= 500) throw new StorageUnavailable(`The S3 storage answered ${status} to a probe`);
      return status;
    };
    const plain = await put({});
    if (plain !== 200) throw new DirectUploadsUnsafe(`the storage answered ${plain} to a presigned PUT of a part`);
    const copied = await put(client.copyHeader(key));
    if (copied !== 403) {
      throw new DirectUploadsUnsafe(`the storage answered ${copied}, and not 403, to an unsigned x-amz-copy-source`);
    }
    // Without this permission an upload could neither be completed nor be continued by the server.
    await listParts(client, key, uploadId, signal);
  } finally {
    await forget(client, key, uploadId, signal);
    cancel();
  }
}

/** What can't be deleted is a few bytes, and a lifecycle rule aborts the upload. */
async function forget(client: S3Client, key: string, uploadId: string | undefined, signal: AbortSignal): Promise<void> {
  const requests = [client.text({ method: 'DELETE', key, signal })];
  if (uploadId !== undefined) requests.push(client.text({ method: 'DELETE', key, query: { uploadId }, signal }));
  await Promise.allSettled(requests);
}
