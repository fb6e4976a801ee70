import { beforeEach, expect, test } from 'vitest';
import { Wire } from '../../../src/transport/wire.ts';
import { FakeSocket, settle } from '../../helpers/client/fake-socket.ts';
import { rejectionOf } from '../../helpers/client/rejection.ts';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.ts';

const room = { conversationId: 'conversation' };
let socket: FakeSocket;
let clock: ManualClock;
let wire: Wire;

beforeEach(() => {
  socket = new FakeSocket();
  clock = manualClock();
  wire = new Wire(socket, clock, 10_000);
  wire.opened();
});

test('a request goes out under its prefix and resolves with what it was acknowledged with', async () => {
  const answer = wire.request('conversation:join', room);
  expect(socket.sent).toMatchObject([{ event: 'nk:conversation:join', payload: room }]);
  socket.last('conversation:join').reply?.({ ok: true, data: { head: 1 } });
  expect(await answer).toEqual({ head: 1 });
  expect(clock.pending).toBe(0);
});

test("a refusal rejects with the server's code and what it says about trying again", async () => {
  const answer = wire.request('conversation:join', room);
  const error = { code: 'RATE_LIMITED', message: 'Slow down', retryAfterMs: 250 };
  socket.last('conversation:join').reply?.({ ok: false, error });
  await expect(answer).rejects.toMatchObject({ name: 'CommError', ...error, retryable: true });
});

test.each([
  ['nothing', undefined],
  ['null', null],
  ['a text', 'ok'],
  ['an unknown code', { ok: false, error: { code: 'TIMEOUT', message: 'x' } }],
  ['no data', { ok: true }],
  ['ok that is not true', { ok: 1, data: 1 }],
  ['an error that is a text', { ok: false, error: 'no' }],
])('an acknowledgement that makes no sense (%s) is an INTERNAL error', async (_title, reply) => {
  const answer = wire.request('comm:ping', {});
  socket.last('comm:ping').reply?.(reply);
  await expect(answer).rejects.toMatchObject({ code: 'INTERNAL' });
});

test('without an answer in time it rejects with TIMEOUT, and a late one is ignored', async () => {
  const answer = wire.request('comm:ping', {}, { timeoutMs: 5_000 });
  const rejected = rejectionOf(answer);
  clock.advance(4_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT', retryable: true });
  socket.last('comm:ping').reply?.({ ok: true, data: 1 });
  expect(clock.pending).toBe(0);
});

test('the default timeout is the one of the options', async () => {
  const rejected = rejectionOf(wire.request('comm:ping', {}));
  clock.advance(9_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
});

test('the end of the connection rejects everything that waits, and leaves no timer', async () => {
  const answers = [wire.request('comm:ping', {}), wire.request('conversation:join', room)];
  wire.closed();
  expect(await Promise.allSettled(answers)).toMatchObject([
    { status: 'rejected', reason: { code: 'DISCONNECTED' } },
    { status: 'rejected', reason: { code: 'DISCONNECTED' } },
  ]);
  expect(clock.pending).toBe(0);
});

test('an acknowledgement after the connection ended, or a second one, is ignored', async () => {
  const answer = wire.request('comm:ping', {});
  wire.closed();
  socket.last('comm:ping').reply?.({ ok: true, data: 1 });
  await expect(answer).rejects.toMatchObject({ code: 'DISCONNECTED' });
  wire.opened();
  const next = wire.request('comm:ping', {});
  socket.last('comm:ping').reply?.({ ok: true, data: 'first' });
  socket.last('comm:ping').reply?.({ ok: true, data: 'second' });
  expect(await next).toBe('first');
});

test('without a connection nothing is sent', async () => {
  wire.closed();
  await expect(wire.request('comm:ping', {})).rejects.toMatchObject({ code: 'DISCONNECTED' });
  wire.send('typing:stop', room);
  expect(socket.sent).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("an abort rejects with the signal's own reason, whatever it is", async () => {
  const controller = new AbortController();
  const answer = wire.request('comm:ping', {}, { signal: controller.signal });
  const reason = { why: 'enough' };
  controller.abort(reason);
  await expect(answer).rejects.toBe(reason);
});

test('an aborted signal sends nothing', async () => {
  const reason = new Error('before');
  await expect(wire.request('comm:ping', {}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await settle();
  expect(socket.sent).toEqual([]);
});

test('what nobody waits for is sent without an acknowledgement', () => {
  wire.send('typing:start', room);
  expect(socket.sent).toEqual([{ event: 'nk:typing:start', payload: room, reply: undefined }]);
});

test('a request is not given up while the line brings anything, but for not more than three times its limit', async () => {
  const rejected = rejectionOf(wire.request('comm:ping', {}));
  const other = wire.request('conversation:join', room);
  clock.advance(9_000);
  socket.last('conversation:join').reply?.({ ok: true, data: 1 });
  await other;
  clock.advance(9_000);
  wire.heard();
  clock.advance(9_000);
  wire.heard();
  clock.advance(2_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
  expect(clock.pending).toBe(0);
});

test('a line that has fallen silent is noticed its limit after it did', async () => {
  const rejected = rejectionOf(wire.request('comm:ping', {}));
  clock.advance(4_000);
  wire.heard();
  clock.advance(9_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
});

test('the answer to a sync, the largest there is, has three times as long', async () => {
  const rejected = rejectionOf(wire.request('sync', { cursors: {}, inboxRev: 0 }));
  clock.advance(29_999);
  expect(clock.pending).toBe(1);
  clock.advance(1);
  expect(await rejected).toMatchObject({ code: 'TIMEOUT' });
});
