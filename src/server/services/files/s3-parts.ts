import { elementIn, type S3Client } from './s3-client.ts';

/** A stored part of a multipart upload. */
export interface S3Part {
  /** Bytes. */
  readonly size: number;
  readonly etag: string;
}

/** Begins a multipart upload. @returns its id. @throws as {@link S3Client.send} */
export async function beginMultipart(client: S3Client, key: string, signal?: AbortSignal): Promise<string> {
  const uploadId = elementIn(await client.text({ method: 'POST', key, query: { uploads: '' }, signal }), 'UploadId');
  if (uploadId === undefined || uploadId === '') throw new Error('the S3 storage sent no UploadId');
  return uploadId;
}

/** 10,000 parts of S3 make at most ten pages. */
const MAX_PAGES = 20;

/**
 * Returns the stored parts of a multipart upload, by number (ListParts).
 *
 * @throws S3Error with the status 404 if the upload is unknown, completed or aborted; as {@link S3Client.send}
 */
export async function listParts(
  client: S3Client,
  key: string,
  uploadId: string,
  signal?: AbortSignal,
): Promise<ReadonlyMap<number, S3Part>> {
  const parts = new Map<number, S3Part>();
  let marker: string | undefined = '0';
  for (let page = 0; marker !== undefined && page < MAX_PAGES; page += 1) {
    const query = { uploadId, 'part-number-marker': marker };
    const xml: string = await client.text({ method: 'GET', key, query, signal });
    const [head = '', ...blocks] = xml.split('<Part>');
    for (const block of blocks) {
      const [part = ''] = block.split('</Part>', 1);
      const [number, size, etag] = [elementIn(part, 'PartNumber'), elementIn(part, 'Size'), elementIn(part, 'ETag')];
      if (number !== undefined && size !== undefined && etag !== undefined) {
        parts.set(Number(number), { size: Number(size), etag });
      }
    }
    // These elements are before the parts, or after them.
    const rest = head + (blocks.at(-1)?.split('</Part>')[1] ?? '');
    marker = elementIn(rest, 'IsTruncated') === 'true' ? elementIn(rest, 'NextPartNumberMarker') : undefined;
  }
  return parts;
}
