import { beforeEach, expect, test } from 'vitest';
import { CommClient, memoryStorage } from '../../../../src/index.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { FakeSocket, settle } from '../../../helpers/client/fake-socket.ts';
import { watchSleep, watchWake } from '../../../../src/client/connection/wake.ts';
import { manualClock, type ManualClock } from '../../../helpers/manual-clock.ts';

let clock: ManualClock;
let page: EventTarget & { visibilityState: string };
let told: unknown[];

beforeEach(() => {
  clock = manualClock();
  page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  told = [];
});
const wake = (): void => void told.push('wake');
const happens = (type: string): boolean => page.dispatchEvent(new Event(type));

test('a page wakes when the network is back, and when it leaves the cache, is resumed or becomes visible', () => {
  const view = new EventTarget();
  const stop = watchWake(view, page, wake);
  view.dispatchEvent(new Event('online'));
  view.dispatchEvent(new Event('pageshow'));
  happens('visibilitychange');
  page.visibilityState = 'hidden';
  happens('visibilitychange');
  expect(told).toHaveLength(3);
  happens('resume');
  expect(told).toHaveLength(4);
  stop();
  view.dispatchEvent(new Event('online'));
  page.visibilityState = 'visible';
  happens('visibilitychange');
  happens('resume');
  expect(told).toHaveLength(4);
});

test('outside of a page no listener is added', () => {
  expect(watchWake(undefined, undefined, wake)).not.toThrow();
});

test('sleep of the machine is reported once', () => {
  watchSleep(clock, () => true, wake);
  clock.advance(60_000);
  expect(told).toEqual([]);
  clock.sleep(3_600_000);
  clock.advance(0);
  expect(told).toEqual(['wake']);
  clock.advance(60_000);
  expect(told).toEqual(['wake']);
});

test('a blocked event loop and throttled timers of a hidden page are not reported as sleep', () => {
  let isSeen = true;
  watchSleep(clock, () => isSeen, wake);
  clock.sleep(9_000);
  clock.advance(0);
  isSeen = false;
  clock.sleep(65_000);
  clock.advance(0);
  expect(told).toEqual([]);
  clock.sleep(80_000);
  clock.advance(0);
  expect(told).toEqual(['wake']);
});

test('a clock that is set back is not reported as sleep', () => {
  watchSleep(clock, () => true, wake);
  clock.sleep(-3_600_000);
  clock.advance(3_700_000);
  expect(told).toEqual([]);
});

test('stopping leaves no timer', () => {
  const stop = watchSleep(clock, () => true, wake);
  clock.advance(12_000);
  expect(clock.pending).toBe(1);
  stop();
  expect(clock.pending).toBe(0);
});

test('a client detects sleep from connect() to disconnect(), also outside of a page', async () => {
  // Loaded by then, as it is when one of the timers below is due.
  await import('../../../../src/client/connection/page-watcher.ts');
  const socket = new FakeSocket();
  await using client = new CommClient({ socket, clock, storage: memoryStorage() });
  expect(clock.pending).toBe(0);
  const connecting = client.connect();
  await settle();
  socket.open();
  socket.answer = () => ({ ok: true, data: { inboxRev: 0, conversations: [], gained: [], heads: {} } });
  socket.hello();
  await connecting;
  await settle();
  socket.sent.length = 0;
  clock.sleep(60_000);
  clock.advance(0);
  expect(socket.names()).toContain('nk:comm:ping');
  await client.disconnect();
  expect(clock.pending).toBe(0);
});

test('the sleep detection does not keep a Node process running', () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length;
  const before = timers();
  const stop = watchSleep(systemClock, () => true, wake);
  expect(timers()).toBe(before);
  stop();
});
