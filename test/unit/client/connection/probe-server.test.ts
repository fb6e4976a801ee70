import { expect, test, vi } from 'vitest';
import { probeServer, type Probe } from '../../../../src/client/connection/probe-server.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

const probe = (fetch: typeof globalThis.fetch, signal = new AbortController().signal): Promise<Probe> =>
  probeServer('http://chat/', { fetch, clock: manualClock(), signal });
const answer =
  (body: BodyInit | null, init: ResponseInit = {}): typeof fetch =>
  () =>
    Promise.resolve(new Response(body, init));

test.each<[what: string, found: string, body: string]>([
  ['an error of Engine.IO', 'engine', '{"code":1,"message":"Session ID unknown"}'],
  ['an error of ours', 'comm', '{"error":{"code":"NOT_FOUND","message":"Not found"}}'],
  ['an error of another API', 'other', '{"error":{"code":"E42"}}'],
  ['a number that is no code of Engine.IO', 'other', '{"code":404}'],
  ['a page', 'other', '<h1>Welcome</h1>'],
  ['nothing', 'other', ''],
  ['a list', 'other', '[1]'],
  ['null', 'other', 'null'],
  ['JSON that is longer than any known answer', 'other', `{"code":1,"message":"${'x'.repeat(5_000)}"}`],
])('%s is found as %s', async (_, found, body) => {
  expect(await probe(answer(body, { status: 400 }))).toEqual({ found, status: 400 });
});

test('the body of an endless answer is not read to its end', async () => {
  let chunks = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      chunks += 1;
      controller.enqueue(new Uint8Array(1_024));
    },
  });
  expect(await probe(answer(endless))).toEqual({ found: 'other', status: 200 });
  expect(chunks).toBeLessThan(10);
});

test.each([
  ['7', 7_000],
  ['-1', undefined],
  ['soon', undefined],
])('the header Retry-After: %s is a wait of %s ms', async (value, retryAfterMs) => {
  const found = await probe(answer(null, { status: 429, headers: { 'retry-after': value } }));
  expect('retryAfterMs' in found ? found.retryAfterMs : undefined).toBe(retryAfterMs);
});

test('the wait in the body takes precedence over the header, which pages of other origins may not see', async () => {
  const error = { code: 'RATE_LIMITED', message: 'Too many', retryAfterMs: 5_000 };
  const found = await probe(answer(JSON.stringify({ error }), { status: 429, headers: { 'retry-after': '7' } }));
  expect(found).toEqual({ found: 'comm', status: 429, retryAfterMs: 5_000 });
});

test('a request without an answer ends after its time', async () => {
  const clock = manualClock();
  const fetch: typeof globalThis.fetch = (_url, init) =>
    new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('aborted'))));
  const probing = probeServer('http://chat/', { fetch, clock, signal: new AbortController().signal });
  await settle();
  clock.advance(5_000);
  expect(await probing).toEqual({ found: 'silent' });
  expect(clock.pending).toBe(0);
});

test.each([
  ['its own server, which is reachable again, was unreachable', 'http://chat', 'unreachable'],
  ['a server of another origin has hidden its answer', 'http://page', 'unreadable'],
])('for a page whose request fails, %s', async (_, origin, found) => {
  vi.stubGlobal('location', { origin });
  const fetch: typeof globalThis.fetch = (_url, init) =>
    init?.mode === 'no-cors' ? Promise.resolve(new Response()) : Promise.reject(new TypeError('Failed to fetch'));
  expect(await probe(fetch)).toEqual({ found, detail: undefined });
});

test('requests carry no credentials', async () => {
  const inits: (RequestInit | undefined)[] = [];
  await probe((_url, init) => {
    inits.push(init);
    return Promise.resolve(new Response());
  });
  expect(inits).toMatchObject([{ credentials: 'omit' }]);
  expect(inits[0]).not.toHaveProperty('headers');
});
