import { expect, onTestFinished, test, vi } from 'vitest';
import { answerTimeoutMs, S3Client } from '../../../../src/server/services/files/s3-client.ts';

const BUCKET = { endpoint: 'https://s3.example.com', bucket: 'files', accessKeyId: 'id', secretAccessKey: 'hush' };

/** Sends a request to a storage that answers 200. */
async function sent(client: S3Client): Promise<Request> {
  const fetch = vi.fn<(url: string, init: RequestInit) => Promise<Response>>(() => Promise.resolve(new Response()));
  vi.stubGlobal('fetch', fetch);
  await client.send({ method: 'PUT', key: 'a-1', query: { partNumber: '1' }, body: new Uint8Array(3) });
  const [url, init] = fetch.mock.calls[0] ?? [];
  return new Request(url ?? '', init);
}

test.each([
  [{}, 'https://s3.example.com/files/a-1?partNumber=1'],
  [{ endpoint: 'http://127.0.0.1:9000/' }, 'http://127.0.0.1:9000/files/a-1?partNumber=1'],
  [{ endpoint: 'https://example.com/s3/' }, 'https://example.com/s3/files/a-1?partNumber=1'],
  [{ pathStyle: false }, 'https://files.s3.example.com/a-1?partNumber=1'],
])('with %j the URL is %s', async (options, url) => {
  expect((await sent(new S3Client({ ...BUCKET, ...options }))).url).toBe(url);
});

test('a part of a file has time to be sent over a slow line', () => {
  expect(answerTimeoutMs()).toBe(60_000);
  expect(answerTimeoutMs(16 * 1_024 * 1_024)).toBe(60_000 + 1_024_000);
});

test('requests are signed, and contain no secret', async () => {
  const { url, headers } = await sent(new S3Client({ ...BUCKET, region: 'eu', sessionToken: 'session' }));
  const authorization = headers.get('authorization');
  expect(authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/eu\/s3\/aws4_request, SignedHeaders=/);
  expect(authorization).toMatch(/host;x-amz-content-sha256;x-amz-date;x-amz-security-token/);
  expect(headers.get('x-amz-content-sha256')).toMatch(/^[0-9a-f]{64}$/);
  expect(url + JSON.stringify([...headers])).not.toContain('hush');
});

test('the signing key is derived once a day', async () => {
  const importKey = vi.spyOn(crypto.subtle, 'importKey');
  onTestFinished(() => importKey.mockRestore());
  const client = new S3Client(BUCKET);
  const sign = async (nowMs: number): Promise<number> => {
    importKey.mockClear();
    await client.presignPut({ key: 'a' }, { bytes: 1, nowMs, expiresInS: 60 });
    return importKey.mock.calls.length;
  };
  // Four steps, and the signature.
  const counts: number[] = [];
  for (const day of [0, 0, 1, 1, 2, 3, 4, 4]) counts.push(await sign(day * 86_400_000));
  expect(counts).toEqual([5, 1, 5, 1, 5, 5, 5, 1]);
});

test.each([
  [{ endpoint: 's3.example.com' }, /endpoint/],
  [{ endpoint: 'ftp://s3.example.com' }, /endpoint/],
  [{ endpoint: 'https://id:hush@s3.example.com' }, /endpoint must not contain credentials/],
  [{ endpoint: 'https://hush@s3.example.com' }, /endpoint must not contain credentials/],
  [{ endpoint: 'https://:hush@s3.example.com' }, /endpoint must not contain credentials/],
  [{ endpoint: 'https://s3.example.com?x=hush' }, /endpoint must not contain a query/],
  [{ endpoint: 'https://s3.example.com/?' }, /endpoint must not contain a query/],
  [{ endpoint: 'https://s3.example.com#hush' }, /endpoint must not contain a query or a fragment/],
  [{ bucket: '' }, /bucket/],
  [{ bucket: 'a/b' }, /bucket/],
  [{ bucket: '..' }, /bucket/],
  [{ bucket: '.' }, /bucket/],
  [{ bucket: '-files' }, /bucket/],
  [{ region: '' }, /region/],
  [{ region: 'eu/s3' }, /region/],
  [{ region: 'eu.example.com' }, /region/],
  [{ accessKeyId: '' }, /accessKeyId/],
  [{ secretAccessKey: '' }, /secretAccessKey/],
  [{ endpoint: 'http://127.0.0.1', pathStyle: false }, /not a host name/],
])('%j is a TypeError', (options, message) => {
  expect(() => new S3Client({ ...BUCKET, ...options })).toThrow(message);
  expect(() => new S3Client({ ...BUCKET, ...options })).toThrow(TypeError);
  expect(() => new S3Client({ ...BUCKET, ...options })).not.toThrow(/hush/);
});
