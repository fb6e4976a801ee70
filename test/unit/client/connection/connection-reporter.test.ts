import { beforeEach, expect, test } from 'vitest';
import type { ConnectionManager } from '../../../../src/client/connection/connection-manager.ts';
import type { ConnectionSnapshot } from '../../../../src/client/connection/connection-reporter.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { BACKOFF_MS, ConnectionRig } from '../../../helpers/client/connection-rig.ts';

let rig: ConnectionRig;
let connection: ConnectionManager;
beforeEach(() => {
  rig = new ConnectionRig();
  connection = rig.start();
});

const snapshot = (): ConnectionSnapshot => {
  const { reporter } = rig;
  if (reporter === undefined) throw new Error('The rig has not started');
  return reporter.snapshot.getSnapshot();
};
/** The error of a `connect_error` with the data of the server. */
const refusedWith = (data: object): Error => Object.assign(new Error('no'), { data });

async function connecting(): Promise<void> {
  connection.connect(undefined).catch(() => undefined);
  await settle();
}

test('the snapshot follows an attempt that fails, the wait after it and the attempt that succeeds', async () => {
  expect(snapshot()).toEqual({ status: 'idle', attempt: 0, since: rig.clock.now() });
  rig.clock.advance(10);
  await connecting();
  expect(snapshot()).toMatchObject({ status: 'connecting', attempt: 1, since: rig.clock.now() });
  const since = rig.clock.now();
  rig.clock.advance(10);
  rig.socket.refuse();
  await settle();
  const { nextRetryAt = 0 } = snapshot();
  expect(snapshot()).toMatchObject({ status: 'connecting', attempt: 1, since, lastError: { code: 'DISCONNECTED' } });
  expect(nextRetryAt).toBeGreaterThan(rig.clock.now());
  rig.clock.advance(nextRetryAt - rig.clock.now());
  await settle();
  expect(snapshot()).toMatchObject({ attempt: 2, nextRetryAt: undefined, lastError: { code: 'DISCONNECTED' } });
  rig.socket.open();
  rig.socket.hello();
  await settle();
  expect(snapshot()).toMatchObject({ status: 'connected', attempt: 0, lastError: undefined, nextRetryAt: undefined });
});

test('snapshots are frozen, and steps without a visible change notify no subscriber', async () => {
  let notified = 0;
  await connecting();
  rig.reporter?.snapshot.subscribe(() => (notified += 1));
  const before = snapshot();
  rig.socket.open();
  expect(snapshot()).toBe(before);
  expect(notified).toBe(0);
  expect(Object.isFrozen(before)).toBe(true);
});

test('a lost connection is the last error until the next attempt succeeds', async () => {
  connection = await rig.connected();
  rig.socket.lose();
  await settle();
  expect(snapshot()).toMatchObject({ status: 'reconnecting', attempt: 0, lastError: { reason: 'connection-lost' } });
  rig.clock.advance(BACKOFF_MS);
  await settle();
  expect(snapshot()).toMatchObject({ attempt: 1, lastError: { reason: 'connection-lost' } });
});

test('each failed attempt is one warning with its number and code, and without the token', async () => {
  connection = rig.start({ token: 'secret-token' });
  await connecting();
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    rig.socket.refuse(undefined, 'secret-token is wrong');
    rig.clock.advance(BACKOFF_MS);
    await settle();
  }
  expect(rig.warnings).toMatchObject([1, 2, 3].map((attempt) => ({ attempt, code: 'DISCONNECTED' })));
  expect(JSON.stringify(rig.warnings)).not.toContain('secret-token');
});

test('a new start discards the error of the attempts before it, and disconnect() keeps it', async () => {
  await connecting();
  rig.socket.refuse();
  await settle();
  connection.disconnect();
  expect(snapshot()).toMatchObject({ status: 'disconnected', lastError: { code: 'DISCONNECTED' } });
  await connecting();
  expect(snapshot()).toMatchObject({ status: 'connecting', attempt: 1, lastError: undefined });
});

test('RATE_LIMITED is waited out: neither the backoff nor a wake-up ends the wait early', async () => {
  await connecting();
  rig.socket.refuse('RATE_LIMITED', 'Too many', refusedWith({ code: 'RATE_LIMITED', retryAfterMs: 60_000 }));
  await settle();
  expect(snapshot().lastError).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 60_000 });
  expect(snapshot().nextRetryAt).toBeGreaterThan(rig.clock.now() + 60_000);
  rig.clock.advance(59_999);
  connection.wake();
  await settle();
  expect(rig.socket.attempts).toHaveLength(1);
  rig.clock.advance(1);
  connection.wake();
  await settle();
  expect(rig.socket.attempts).toHaveLength(2);
});

test('a wait that only the diagnosis has found postpones the next attempt', async () => {
  rig.diagnose = () => Promise.resolve(new CommError('RATE_LIMITED', 'Too many', { retryAfterMs: 60_000 }));
  await connecting();
  rig.socket.refuse();
  await settle();
  expect(snapshot().nextRetryAt).toBeGreaterThan(rig.clock.now() + 60_000);
  rig.clock.advance(59_999);
  connection.wake();
  await settle();
  expect(rig.socket.attempts).toHaveLength(1);
  expect(rig.clock.pending).toBe(1);
  connection.disconnect();
  expect(rig.clock.pending).toBe(0);
});

test('many clients that are told the same wait do not return together', async () => {
  const rigs = Array.from({ length: 20 }, () => new ConnectionRig());
  const times = await Promise.all(
    rigs.map(async (each) => {
      each
        .start()
        .connect(undefined)
        .catch(() => undefined);
      await settle();
      each.socket.refuse('RATE_LIMITED', 'Too many', refusedWith({ code: 'RATE_LIMITED', retryAfterMs: 60_000 }));
      await settle();
      return (each.reporter?.snapshot.getSnapshot().nextRetryAt ?? 0) - each.clock.now();
    }),
  );
  expect(Math.min(...times)).toBeGreaterThan(60_000);
  expect(new Set(times).size).toBeGreaterThan(10);
});

test('a transport that closes while the namespace is opened is a failed attempt', async () => {
  await connecting();
  rig.socket.lose();
  await settle();
  expect(snapshot()).toMatchObject({ attempt: 1, lastError: { reason: 'connection-lost' } });
  rig.clock.advance(BACKOFF_MS);
  await settle();
  expect(rig.socket.attempts).toHaveLength(2);
});

test('an abort has the last error as its cause, or that the server has not answered', async () => {
  const first = new AbortController();
  const waiting = connection.connect(first.signal);
  await settle();
  first.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError', cause: { code: 'TIMEOUT', reason: 'no-answer' } });
  rig.socket.refuse();
  await settle();
  const second = new AbortController();
  const again = connection.connect(second.signal);
  second.abort(new Error('enough'));
  await expect(again).rejects.toMatchObject({ message: 'enough', cause: { code: 'DISCONNECTED' } });
});

test.each([
  ['a cause of its own', new Error('enough', { cause: 'mine' }), 'mine'],
  ['no place for a cause', Object.freeze(new Error('enough')), undefined],
])('the reason of an abort that has %s stays as it is', async (_, reason, cause) => {
  const controller = new AbortController();
  const waiting = connection.connect(controller.signal);
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(reason.cause).toBe(cause);
});

test('diagnoses that take longer than the next attempt are published in the order of the attempts', async () => {
  const diagnoses: ((error: CommError) => void)[] = [];
  rig.diagnose = () => new Promise((resolve) => diagnoses.push(resolve));
  await connecting();
  for (let attempt = 0; attempt < 2; attempt += 1) {
    rig.socket.refuse();
    rig.clock.advance(BACKOFF_MS);
    await settle();
  }
  diagnoses[0]?.(new CommError('DISCONNECTED', 'first'));
  await settle();
  expect(snapshot().lastError).toMatchObject({ message: 'first' });
  diagnoses[1]?.(new CommError('DISCONNECTED', 'second'));
  await settle();
  expect(snapshot().lastError).toMatchObject({ message: 'second' });
});

test('a diagnosis that ends after the client has connected changes nothing', async () => {
  let diagnosed: ((error: CommError) => void) | undefined;
  rig.diagnose = () => new Promise((resolve) => (diagnosed = resolve));
  await connecting();
  rig.socket.refuse();
  rig.clock.advance(BACKOFF_MS);
  await settle();
  rig.socket.open();
  rig.socket.hello();
  await settle();
  diagnosed?.(new CommError('DISCONNECTED', 'late'));
  await settle();
  expect(snapshot()).toMatchObject({ status: 'connected', lastError: undefined });
});

test('a failure is reported although its diagnosis fails, and an overtaken diagnosis changes nothing', async () => {
  const diagnoses: { resolve: (error: CommError) => void; reject: (error: Error) => void; signal: AbortSignal }[] = [];
  rig.diagnose = (_error, _isFinal, signal) =>
    new Promise((resolve, reject) => diagnoses.push({ resolve, reject, signal }));
  await connecting();
  rig.socket.refuse(undefined, 'first');
  rig.clock.advance(BACKOFF_MS);
  await settle();
  rig.socket.refuse(undefined, 'second');
  diagnoses[1]?.reject(new TypeError('The chunk does not load'));
  await settle();
  expect(snapshot().lastError).toMatchObject({ message: 'second' });
  diagnoses[0]?.resolve(new CommError('DISCONNECTED', 'first, diagnosed'));
  await settle();
  expect(snapshot().lastError).toMatchObject({ message: 'second' });
  connection.disconnect();
  expect(diagnoses.map(({ signal }) => signal.aborted)).toEqual([true, true]);
});
