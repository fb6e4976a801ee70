import { expect, test, vi } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import { Tabs } from '../../../src/client/tabs.ts';
import { FakeBrowser, type FakeTab } from '../../helpers/client/fake-browser.ts';

interface Seen {
  platform: FakeTab;
  tabs: Tabs;
  /** What it was told, in order. */
  log: unknown[];
}

function open(browser: FakeBrowser, id: string, gone?: (id: string) => Promise<void>): Seen {
  const platform = browser.tab();
  const log: unknown[] = [];
  const tabs = new Tabs('scope', id, platform, {
    told: (note) => log.push(note),
    gone: async (gonesId) => {
      log.push(`gone ${gonesId}`);
      await gone?.(gonesId);
    },
  });
  return { platform, tabs, log };
}

test('the end of a tab is told to each of the others, to the next one only when the one before is done', async () => {
  const browser = new FakeBrowser();
  const done = deferred<undefined>();
  const one = open(browser, 'one', () => done.promise);
  await one.tabs.living;
  const other = open(browser, 'other', () => done.promise);
  await other.tabs.living;
  const third = open(browser, 'third');
  await third.tabs.living;
  await Promise.all([one.tabs.others(), other.tabs.others()]);
  third.platform.crash();
  await vi.waitFor(() => expect([...one.log, ...other.log]).toEqual(['gone third']));
  done.resolve(undefined);
  await vi.waitFor(() => expect([...one.log, ...other.log]).toEqual(['gone third', 'gone third']));
});

test('a tab that comes later is heard of, and so is its end', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  await one.tabs.living;
  const other = open(browser, 'other');
  await other.tabs.living;
  await vi.waitFor(() => expect(browser.locks.filter((name) => name.endsWith('/other'))).toHaveLength(2));
  other.tabs.close();
  await vi.waitFor(() => expect(one.log).toEqual(['gone other']));
});

test('a tab whose lock takes its time is not taken for gone', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  await one.tabs.living;
  const platform = browser.tab();
  const arrive = platform.delayLocks();
  const slow = new Tabs('scope', 'slow', platform, { told: () => undefined, gone: () => Promise.resolve() });
  slow.tell('hello');
  await vi.waitFor(() => expect(one.log).toEqual(['hello']));
  arrive();
  expect(await slow.living).toBe(true);
  await vi.waitFor(() => expect(browser.locks.filter((name) => name.endsWith('/slow'))).toHaveLength(2));
  expect(one.log).toEqual(['hello']);
  platform.crash();
  await vi.waitFor(() => expect(one.log).toEqual(['hello', 'gone slow']));
});

test('a tab that is gone already is told at once, and only once', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  await one.tabs.living;
  await one.tabs.bury('dead');
  await one.tabs.bury('dead');
  expect(one.log).toEqual(['gone dead']);
});

test('while another tab is at it nobody waits, and if that one crashes before it is done it is told after all', async () => {
  const browser = new FakeBrowser();
  const never = new Promise<void>(() => undefined);
  const one = open(browser, 'one', () => never);
  const other = open(browser, 'other');
  await Promise.all([one.tabs.living, other.tabs.living]);
  void one.tabs.bury('dead');
  await vi.waitFor(() => expect(one.log).toEqual(['gone dead']));
  await other.tabs.bury('dead');
  expect(other.log).toEqual([]);
  one.platform.crash();
  await vi.waitFor(() => expect(other.log).toContain('gone dead'));
});

test('users and storages keep to themselves', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  await one.tabs.living;
  const stranger = new Tabs('scope2', 'stranger', browser.tab(), {
    told: () => undefined,
    gone: () => Promise.resolve(),
  });
  await stranger.living;
  expect(await one.tabs.others()).toEqual(new Set(['one']));
  stranger.tell('hello');
  stranger.close();
  await vi.waitFor(() => expect(browser.locks).toEqual(['lumen-comm/scope/one']));
  expect(one.log).toEqual([]);
});

test('closing leaves no lock and hears nothing any more', async () => {
  const browser = new FakeBrowser();
  const one = open(browser, 'one');
  const other = open(browser, 'other');
  await Promise.all([one.tabs.living, other.tabs.living, one.tabs.others(), other.tabs.others()]);
  one.tabs.close();
  one.tabs.tell('too late');
  await vi.waitFor(() => expect(other.log).toEqual(['gone one']));
  other.tabs.tell('anybody?');
  other.tabs.close();
  await vi.waitFor(() => expect(browser.locks).toEqual([]));
  expect(one.log).toEqual([]);
});

test('closing before the lock is there takes none', async () => {
  const browser = new FakeBrowser();
  const platform = browser.tab();
  const arrive = platform.delayLocks();
  const tabs = new Tabs('scope', 'one', platform, { told: () => undefined, gone: () => Promise.resolve() });
  tabs.close();
  arrive();
  expect(await tabs.living).toBe(false);
  expect(browser.locks).toEqual([]);
});
