import { expect, test } from 'vitest';
import { sendByPut, sendByTus } from '../../../../src/client/files/send-file.ts';
import { isCommError } from '../../../../src/protocol/errors.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

const MIB = 1_024 * 1_024;

/** Begins a PUT of a file over a line on which nothing arrives, until its signal is aborted. */
function startPut(file: Blob) {
  const clock = manualClock();
  const line = { isOpen: true };
  const fetch: typeof globalThis.fetch = (_url, init) =>
    new Promise((_resolve, reject) => {
      init?.signal?.addEventListener('abort', () => {
        line.isOpen = false;
        reject(new Error('aborted'));
      });
    });
  const sending = sendByPut(file, 'https://storage.example.com/a', 'text/plain', {
    fetch,
    clock,
    persist: (task) => task(),
    signal: undefined,
    onProgress: () => undefined,
  });
  const failed = sending.catch((error: unknown) => error);
  return { clock, line, failed };
}

test('a PUT of a small file has a minute', async () => {
  const { clock, line, failed } = startPut(new Blob(['x']));
  clock.advance(60_000);
  expect(line.isOpen).toBe(true);
  clock.advance(1_000);
  expect(await failed).toMatchObject({ code: 'TIMEOUT', retryable: true });
});

test('a PUT of a large file has as long as it takes at 16 KiB per second, and a minute for the answer', async () => {
  const { clock, line, failed } = startPut(new Blob([new Uint8Array(4 * MIB)]));
  clock.advance((4 * MIB * 1_000) / (16 * 1_024) + 59_000);
  expect(line.isOpen).toBe(true);
  clock.advance(2_000);
  expect(await failed).toMatchObject({ code: 'TIMEOUT' });
});

test('an upload ends if the server loses its bytes again and again', async () => {
  const requests: string[] = [];
  const unavailable = JSON.stringify({ error: { code: 'UNAVAILABLE', message: 'Try again', retryAfterMs: 1 } });
  const fetch: typeof globalThis.fetch = async (_url, { method = 'GET', headers } = {}) => {
    requests.push(method);
    if (method === 'HEAD') return new Response(null, { headers: { 'upload-offset': '0' } });
    const isFirst = new Headers(headers).get('upload-offset') === '0';
    if (!isFirst) return new Response(unavailable, { status: 503, headers: { 'content-type': 'application/json' } });
    return new Response(null, { status: 204, headers: { 'upload-offset': '262144' } });
  };
  const sending = sendByTus(new Blob([new Uint8Array(MIB)]), 'https://chat.example.com/up', false, {
    fetch,
    clock: manualClock(),
    async persist(task) {
      for (;;) {
        try {
          return await task();
        } catch (error) {
          if (!isCommError(error) || error.code !== 'UNAVAILABLE') throw error;
        }
      }
    },
    signal: undefined,
    onProgress: () => undefined,
  });
  await expect(sending).rejects.toMatchObject({ code: 'UPLOAD_FAILED' });
  expect(requests.filter((method) => method === 'HEAD')).toHaveLength(4);
});
