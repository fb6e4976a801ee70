import { expect, test } from 'vitest';
import { FileTransfers } from '../../../../src/client/files/file-transfers.ts';
import type { ResolvedOptions } from '../../../../src/client/options.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { fakeContext } from '../../../helpers/client/context.ts';
import { eager } from '../../../helpers/client/file-world.ts';

const BUCKET = 'https://bucket.example';
const FILE = new Blob(['0123456789'.repeat(10)]);
const part = (number: number, url = `${BUCKET}/${number}`): object => ({ number, url });
const state = (storedBytes: number, missing: object[], partBytes = 50): object => ({ partBytes, storedBytes, missing });

/** Sends {@link FILE}. @returns the method and target of each request */
async function sentBy({ first, answer, storage }: Sides): Promise<string[]> {
  const requests: string[] = [];
  let stored = 0;
  const respond: typeof fetch = (input, { method = 'GET', body } = {}) => {
    const isBucket = new URL(input as string).origin === BUCKET;
    requests.push(`${method} ${isBucket ? 'bucket' : 'server'}`);
    if (isBucket) return Promise.resolve(storage?.() ?? new Response());
    if (method === 'GET') return Promise.resolve(Response.json(answer?.() ?? first));
    stored += body instanceof Blob ? body.size : 0;
    return Promise.resolve(new Response(null, { status: 204, headers: { 'upload-offset': String(stored) } }));
  };
  const options = { url: 'https://server.example', restPath: '/api', fetch: respond };
  const context = { ...fakeContext(), clock: systemClock, random: eager };
  const target = { uploadUrl: 'https://server.example/up', url: '/f', isTus: true, isDirect: true, parts: first };
  const how = { isResumed: false, mimeType: 'text/plain', signal: undefined, onProgress: () => undefined };
  await new FileTransfers(context, options as unknown as ResolvedOptions).send(FILE, target, how);
  return requests;
}

interface Sides {
  /** The first answer of the server. */
  readonly first: object;
  /** Its later ones. */
  readonly answer?: () => object;
  readonly storage?: () => Response;
}

const puts = (requests: readonly string[]): number => requests.filter((each) => each === 'PUT bucket').length;

test('a storage that asks to come back later is given up after some attempts, and the server gets the file', async () => {
  const body = { ok: false, error: { code: 'RATE_LIMITED', message: 'slow down', retryAfterMs: 3_600_000 } };
  const requests = await sentBy({
    first: state(0, [part(1), part(2)]),
    storage: () => Response.json(body, { status: 429, headers: { 'retry-after': '3600' } }),
  });
  expect(puts(requests)).toBe(8);
  expect(requests.at(-1)).toBe('PATCH server');
});

test.each([
  ['takes each part', 200],
  ['takes none', 500],
])('a server that reports one byte more each time is given up if the storage %s', async (_what, status) => {
  let storedBytes = 0;
  const requests = await sentBy({
    first: state(0, [part(1)]),
    answer: () => state(Math.min((storedBytes += 1), 99), [part(1)]),
    storage: () => new Response(null, { status }),
  });
  expect(puts(requests)).toBeLessThanOrEqual(9);
  expect(requests.at(-1)).toBe('PATCH server');
});

const many = Array.from({ length: 51 }, (_, at) => part(at + 1));
test.each([
  ['that lists no parts of a file that is not stored', state(0, [])],
  ['with more parts than allowed', state(0, many, 1)],
  ['with a part twice', state(0, [part(1), part(1)])],
  ['with a part behind the end', state(0, [part(3)])],
  ['with more bytes than the file has', state(101, [])],
])('a state %s is not believed', async (_what, first) => {
  const requests = await sentBy({ first });
  expect(puts(requests)).toBe(0);
  expect(requests.at(-1)).toBe('PATCH server');
});

test.each(['http://bucket.example/1', 'https://user:secret@bucket.example/1'])(
  'the URL %s is not used: the server gets the file',
  async (url) => {
    const requests = await sentBy({ first: state(0, [part(1, url), part(2)]) });
    expect(requests).toEqual(['HEAD server', 'PATCH server']);
  },
);

test('parts are sent once each', async () => {
  const requests = await sentBy({ first: state(0, [part(1), part(2)]), answer: () => state(100, []) });
  expect(requests).toEqual(['PUT bucket', 'PUT bucket', 'GET server']);
});
