import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { StorageUnavailable } from '../../../../src/server/index.ts';
import { S3Client, S3Error } from '../../../../src/server/services/files/s3-client.ts';
import { listParts } from '../../../../src/server/services/files/s3-parts.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

const MIB = 1_024 * 1_024;
const PART = '<Part><PartNumber>1</PartNumber><ETag>a</ETag><Size>5</Size></Part>';
const LIST = `<ListPartsResult>${PART}<IsTruncated>false</IsTruncated></ListPartsResult>`;
const STORED = new Map([[1, { size: 5, etag: 'a' }]]);

/** Starts a storage that answers requests by `answers` in turn, and by the last one from then on. */
async function startStorage(...answers: ((response: ServerResponse) => unknown)[]): Promise<string> {
  let at = 0;
  const server = createServer((request, response) => {
    request.resume();
    answers[Math.min(at, answers.length - 1)]?.(response);
    at += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const bucketAt = (endpoint: string) => ({ endpoint, bucket: 'files', accessKeyId: 'id', secretAccessKey: 'secret' });

const cut = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-length': LIST.length });
  response.write(LIST.slice(0, 40), () => response.destroy());
};

test('a listing that is cut in its body is requested again', async () => {
  const endpoint = await startStorage(cut, (response) => response.end(LIST));
  expect(await listParts(new S3Client(bucketAt(endpoint)), 'key', 'upload')).toEqual(STORED);
});

test('listings that are always cut, or longer than 4 MiB, make the storage unavailable', async () => {
  for (const answer of [cut, (response: ServerResponse) => response.end(Buffer.alloc(5 * MIB, LIST))]) {
    const client = new S3Client(bucketAt(await startStorage(answer)));
    await expect(listParts(client, 'key', 'upload')).rejects.toThrow(StorageUnavailable);
  }
});

test.each([
  ['a listing', 200],
  ['an error', 503],
])('%s that stops in its body is given up after a minute, and requested again', async (_, status) => {
  const clock = manualClock();
  const answered = deferred<undefined>();
  const real = globalThis.fetch;
  vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) => {
    const response = await real(...request);
    answered.resolve(undefined);
    return response;
  });
  onTestFinished(() => void vi.unstubAllGlobals());
  const endpoint = await startStorage(
    (response) => response.writeHead(status).write(LIST.slice(0, 40)),
    (response) => response.end(LIST),
  );
  const listing = listParts(new S3Client(bucketAt(endpoint), clock), 'key', 'upload');
  await answered.promise;
  clock.advance(60_000);
  // The wait before the second attempt.
  await expect.poll(() => clock.pending).toBe(1);
  clock.advance(200);
  expect(await listing).toEqual(STORED);
});

test('a document that is not well-formed is read in linear time', async () => {
  const open = '<Part>'.repeat((3 * MIB) / 6);
  const client = new S3Client(bucketAt(await startStorage((response) => response.end(open + LIST))));
  expect(await listParts(client, 'key', 'upload')).toEqual(STORED);
  const errors = `${'<Error>'.repeat(8_000)}<Code>no`;
  const refusing = new S3Client(bucketAt(await startStorage((response) => response.writeHead(400).end(errors))));
  const refusal = await listParts(refusing, 'key', 'upload').catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(S3Error);
  expect(refusal).toMatchObject({ status: 400, code: '400' });
});
