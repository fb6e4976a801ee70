import { expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { TabChannel } from '../../../../src/client/outbox/tab-channel.ts';
import { FakeBrowser, type FakeTab } from '../../../helpers/client/fake-browser.ts';
import { eventually } from '../../../helpers/eventually.ts';

interface Seen {
  platform: FakeTab;
  tabs: TabChannel;
  /** What it was told, in order. */
  log: unknown[];
}

function open(browser: FakeBrowser, id: string, gone?: (id: string) => Promise<void>): Seen {
  const platform = browser.tab();
  const log: unknown[] = [];
  const tabs = new TabChannel('scope', id, platform, {
    received: (note) => log.push(note),
    closed: async (gonesId) => {
      log.push(`gone ${gonesId}`);
      await gone?.(gonesId);
    },
  });
  return { platform, tabs, log };
}

test('the end of a tab is reported to the other tabs one after another, each once the one before has handled it', async () => {
  const browser = new FakeBrowser();
  const done = deferred<undefined>();
  const one = open(browser, 'one', () => done.promise);
  await one.tabs.locked;
  const other = open(browser, 'other', () => done.promise);
  await other.tabs.locked;
  const third = open(browser, 'third');
  await third.tabs.locked;
  await Promise.all([one.tabs.open(), other.tabs.open()]);
  third.platform.crash();
  await eventually(() => expect([...one.log, ...other.log]).toEqual(['gone third']));
  done.resolve(undefined);
  await eventually(() => expect([...one.log, ...other.log]).toEqual(['gone third', 'gone third']));
});

test('a tab that opens later is watched', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  await one.tabs.locked;
  const other = open(browser, 'other');
  await other.tabs.locked;
  await eventually(() => expect(browser.locks.filter((name) => name.endsWith('/other'))).toHaveLength(2));
  other.tabs.close();
  await eventually(() => expect(one.log).toEqual(['gone other']));
});

test('a tab that waits for its lock does not count as closed', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  await one.tabs.locked;
  const platform = browser.tab();
  const arrive = platform.delayLocks();
  const slow = new TabChannel('scope', 'slow', platform, {
    received: () => undefined,
    closed: () => Promise.resolve(),
  });
  slow.send('hello');
  await eventually(() => expect(one.log).toEqual(['hello']));
  arrive();
  expect(await slow.locked).toBe(true);
  await eventually(() => expect(browser.locks.filter((name) => name.endsWith('/slow'))).toHaveLength(2));
  expect(one.log).toEqual(['hello']);
  platform.crash();
  await eventually(() => expect(one.log).toEqual(['hello', 'gone slow']));
});

test('a tab that has closed before is reported at once, and only once', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  await one.tabs.locked;
  await one.tabs.takeOver('dead');
  await one.tabs.takeOver('dead');
  expect(one.log).toEqual(['gone dead']);
});

test('a takeover by another tab is not awaited, and is repeated if that tab crashes', async () => {
  const browser = new FakeBrowser();
  const never = new Promise<void>(() => undefined);
  const one = open(browser, 'one', () => never);
  const other = open(browser, 'other');
  await Promise.all([one.tabs.locked, other.tabs.locked]);
  void one.tabs.takeOver('dead');
  await eventually(() => expect(one.log).toEqual(['gone dead']));
  await other.tabs.takeOver('dead');
  expect(other.log).toEqual([]);
  one.platform.crash();
  await eventually(() => expect(other.log).toContain('gone dead'));
});

test('tabs of other users and storages are separate', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  await one.tabs.locked;
  const stranger = new TabChannel('scope2', 'stranger', browser.tab(), {
    received: () => undefined,
    closed: () => Promise.resolve(),
  });
  await stranger.locked;
  expect(await one.tabs.open()).toEqual(new Set(['one']));
  stranger.send('hello');
  stranger.close();
  await eventually(() => expect(browser.locks).toEqual(['lumen-comm/scope/one']));
  expect(one.log).toEqual([]);
});

test('close() releases the lock and ends all events', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  const other = open(browser, 'other');
  await Promise.all([one.tabs.locked, other.tabs.locked, one.tabs.open(), other.tabs.open()]);
  one.tabs.close();
  one.tabs.send('too late');
  await eventually(() => expect(other.log).toEqual(['gone one']));
  other.tabs.send('anybody?');
  other.tabs.close();
  await eventually(() => expect(browser.locks).toEqual([]));
  expect(one.log).toEqual([]);
});

test('close() before the lock is granted takes none', async () => {
  const browser = new FakeBrowser();
  const platform = browser.tab();
  const arrive = platform.delayLocks();
  const tabs = new TabChannel('scope', 'one', platform, { received: () => undefined, closed: () => Promise.resolve() });
  tabs.close();
  arrive();
  expect(await tabs.locked).toBe(false);
  expect(browser.locks).toEqual([]);
});
