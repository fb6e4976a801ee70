import { beforeEach, expect, test } from 'vitest';
import { RequestChannel } from '../../../src/transport/request-channel.ts';
import { FakeSocket, settle } from '../../helpers/client/fake-socket.ts';
import { rejectionOf } from '../../helpers/client/rejection.ts';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.ts';

const room = { conversationId: 'conversation' };
let socket: FakeSocket;
let clock: ManualClock;
let channel: RequestChannel;

beforeEach(() => {
  socket = new FakeSocket();
  clock = manualClock();
  channel = new RequestChannel(socket, clock, 10_000);
  channel.opened();
});

test('a request is sent with the prefix and resolves with the acknowledged data', async () => {
  const answer = channel.request('conversation:join', room);
  expect(socket.sent).toMatchObject([{ event: 'nk:conversation:join', payload: room }]);
  socket.last('conversation:join').reply?.({ ok: true, data: { head: 1 } });
  expect(await answer).toEqual({ head: 1 });
  expect(clock.pending).toBe(0);
});

test("a rejected request has the server's code and retryAfterMs", async () => {
  const answer = channel.request('conversation:join', room);
  const error = { code: 'RATE_LIMITED', message: 'Slow down', retryAfterMs: 250 };
  socket.last('conversation:join').reply?.({ ok: false, error });
  await expect(answer).rejects.toMatchObject({ name: 'CommError', ...error, retryable: true });
});

test.each([
  ['nothing', undefined],
  ['null', null],
  ['a string', 'ok'],
  ['an unknown code', { ok: false, error: { code: 'TIMEOUT', message: 'x' } }],
  ['no data', { ok: true }],
  ['ok that is not true', { ok: 1, data: 1 }],
  ['an error that is a string', { ok: false, error: 'no' }],
])('a malformed acknowledgement (%s) is an INTERNAL error', async (_title, reply) => {
  const answer = channel.request('comm:ping', {});
  socket.last('comm:ping').reply?.(reply);
  await expect(answer).rejects.toMatchObject({ code: 'INTERNAL' });
});

test('without an answer a request rejects with TIMEOUT, and a late answer is ignored', async () => {
  const answer = channel.request('comm:ping', {}, { timeoutMs: 5_000 });
  const rejected = rejectionOf(answer);
  clock.advance(4_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT', retryable: true });
  socket.last('comm:ping').reply?.({ ok: true, data: 1 });
  expect(clock.pending).toBe(0);
});

test('the timeout defaults to that of the channel', async () => {
  const rejected = rejectionOf(channel.request('comm:ping', {}));
  clock.advance(9_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
});

test('a lost connection rejects pending requests and leaves no timer', async () => {
  const answers = [channel.request('comm:ping', {}), channel.request('conversation:join', room)];
  channel.closed();
  expect(await Promise.allSettled(answers)).toMatchObject([
    { status: 'rejected', reason: { code: 'DISCONNECTED' } },
    { status: 'rejected', reason: { code: 'DISCONNECTED' } },
  ]);
  expect(clock.pending).toBe(0);
});

test('an acknowledgement after the connection was lost, and a second one, are ignored', async () => {
  const answer = channel.request('comm:ping', {});
  channel.closed();
  socket.last('comm:ping').reply?.({ ok: true, data: 1 });
  await expect(answer).rejects.toMatchObject({ code: 'DISCONNECTED' });
  channel.opened();
  const next = channel.request('comm:ping', {});
  socket.last('comm:ping').reply?.({ ok: true, data: 'first' });
  socket.last('comm:ping').reply?.({ ok: true, data: 'second' });
  expect(await next).toBe('first');
});

test('a request without a connection rejects and sends nothing', async () => {
  channel.closed();
  await expect(channel.request('comm:ping', {})).rejects.toMatchObject({ code: 'DISCONNECTED' });
  channel.send('typing:stop', room);
  expect(socket.sent).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("an aborted request rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const answer = channel.request('comm:ping', {}, { signal: controller.signal });
  const reason = { why: 'enough' };
  controller.abort(reason);
  await expect(answer).rejects.toBe(reason);
});

test('a request with an aborted signal sends nothing', async () => {
  const reason = new Error('before');
  await expect(channel.request('comm:ping', {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await settle();
  expect(socket.sent).toEqual([]);
});

test('send() requests no acknowledgement', () => {
  channel.send('typing:start', room);
  expect(socket.sent).toEqual([{ event: 'nk:typing:start', payload: room, reply: undefined }]);
});

test('arriving data extends the timeout of a request to at most three times its value', async () => {
  const rejected = rejectionOf(channel.request('comm:ping', {}));
  const other = channel.request('conversation:join', room);
  clock.advance(9_000);
  socket.last('conversation:join').reply?.({ ok: true, data: 1 });
  await other;
  clock.advance(9_000);
  channel.heard();
  clock.advance(9_000);
  channel.heard();
  clock.advance(2_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
  expect(clock.pending).toBe(0);
});

test('a request times out when no data has arrived for the duration of its timeout', async () => {
  const rejected = rejectionOf(channel.request('comm:ping', {}));
  clock.advance(4_000);
  channel.heard();
  clock.advance(9_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
});

test('the timeout of sync, which has the largest answer, is three times as long', async () => {
  const rejected = rejectionOf(channel.request('sync', { cursors: {}, inboxRev: 0 }));
  clock.advance(29_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
});
