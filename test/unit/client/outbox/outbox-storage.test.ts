import { describe, expect, test } from 'vitest';
import { OutboxStorage } from '../../../../src/client/outbox/outbox-storage.ts';
import type { OutboxItem } from '../../../../src/client/outbox/outbox-item.ts';
import { parseTabMessage } from '../../../../src/client/outbox/remote-tabs.ts';
import type { TabPlatform } from '../../../../src/client/outbox/tab-channel.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import type { CommStorage } from '../../../../src/storage/comm-storage.ts';
import { memoryStorage } from '../../../../src/storage/memory-storage.ts';
import { FakeBrowser } from '../../../helpers/client/fake-browser.ts';
import { eventually } from '../../../helpers/eventually.ts';

interface SharedStorage extends CommStorage {
  /** Lists wait with their answer until the returned function is called. */
  holdLists(): () => void;
  /** So do adoptions, before they begin; `begun` resolves when one waits. */
  holdAdoptions(): { begun: Promise<unknown>; go: () => void };
  /** Client ids and owners of what is stored, such as `alice/a-1 of one`. */
  items(): Promise<string[]>;
}

function sharedStorage(): SharedStorage {
  const memory = memoryStorage();
  let gate: Promise<unknown> = Promise.resolve();
  let adoptable: () => Promise<unknown> = () => Promise.resolve();
  return {
    sharedAs: 'db',
    get: (key) => memory.get(key),
    async list(prefix) {
      const entries = await memory.list(prefix);
      await gate;
      return entries;
    },
    async transact(keys, step) {
      if (keys.length > 0) await adoptable();
      return memory.transact(keys, step);
    },
    close: () => memory.close(),
    holdLists() {
      const opened = deferred<undefined>();
      gate = opened.promise;
      return () => {
        gate = Promise.resolve();
        opened.resolve(undefined);
      };
    },
    holdAdoptions() {
      const opened = deferred<undefined>();
      const begun = deferred<undefined>();
      adoptable = () => {
        begun.resolve(undefined);
        return opened.promise;
      };
      return { begun: begun.promise, go: () => opened.resolve(undefined) };
    },
    async items() {
      const entries = await memory.list('');
      return entries.flatMap(([key, value]) =>
        key.includes('/outbox/') ? [`${key.replace('outbox/', '')} of ${(value as { owner: string }).owner}`] : [],
      );
    },
  };
}

/** A tab's outbox, and what it was told. */
function openTab(storage: CommStorage, owner: string, platform: TabPlatform | undefined) {
  const log: string[] = [];
  // Each session has a name of its own: one, one', one''.
  let name = owner;
  const newOwner = () => {
    const current = name;
    name += "'";
    return current;
  };
  const store = new OutboxStorage(storage, newOwner, platform, {
    queued: ({ clientId }) => log.push(`queued ${clientId}`),
    stored: ({ clientId }) => log.push(`stored ${clientId}`),
    failed: ({ clientId }) => log.push(`failed ${clientId}`),
    retried: ({ clientId }) => log.push(`retried ${clientId}`),
    discarded: ({ clientId }) => log.push(`discarded ${clientId}`),
    takenOver: (items) => log.push(...items.map(({ clientId }) => `adopted ${clientId}`)),
    requested: (what, clientId) => log.push(`asked to ${what} ${clientId}`),
    report: (error) => log.push(`reported ${String(error)}`),
  });
  const remoteItems = () => store.remoteTabs.items().map((each) => `${each.clientId} of ${each.owner}`);
  return { store, log, remoteItems };
}

function item(clientId: string, parked = false): OutboxItem {
  const payload = { conversationId: 'c', content: clientId, type: 'text', clientId } as const;
  return { clientId, order: clientId, lane: 'c', operation: { name: 'message:send', payload }, parked };
}

async function setUp(...names: string[]) {
  const browser = new FakeBrowser();
  const storage = sharedStorage();
  const tabs = names.map((name) => {
    const platform = browser.tab();
    return { ...openTab(storage, name, platform), name, platform };
  });
  for (const { store } of tabs) await store.open('alice');
  return { browser, storage, tabs };
}

/** The parts of a list as they are, for a test that knows how many there are. */
function pick<T>(list: readonly T[], at: number): T {
  const found = list[at];
  if (found === undefined) throw new Error(`There is no ${at}`);
  return found;
}

test('a message that its tab has replaced is shown again in the others, and one that is only repeated is not', async () => {
  const { tabs } = await setUp('one', 'two');
  const [one, two] = [pick(tabs, 0), pick(tabs, 1)];
  one.store.broadcast({ type: 'queued', items: [item('a-1')] });
  one.store.broadcast({ type: 'queued', items: [item('a-1')] });
  const payload = { conversationId: 'c', content: '', type: 'text', clientId: 'a-1', encrypted: true } as const;
  one.store.broadcast({ type: 'queued', items: [{ ...item('a-1'), operation: { name: 'message:send', payload } }] });
  one.store.broadcast({ type: 'queued', items: [item('a-2')] });
  await eventually(() => expect(two.log).toContain('queued a-2'));
  expect(two.log).toEqual(['queued a-1', 'queued a-1', 'queued a-2']);
});

test('nothing readable of an encrypted message is sent to other tabs', async () => {
  const { browser, tabs } = await setUp('one', 'two');
  const [one, two] = [pick(tabs, 0), pick(tabs, 1)];
  const sent: unknown[] = [];
  const channel = browser.tab().channel('lumen-comm/db/alice/');
  channel.onmessage = ({ data }) => sent.push(data);
  const payload = { conversationId: 'c', content: '', type: 'text', clientId: 'a-1', encrypted: true } as const;
  const draft: OutboxItem = { ...item('a-1'), operation: { name: 'message:send', payload } };
  one.store.broadcast({ type: 'queued', items: [draft] });
  const secrets = {
    content: 'secret text',
    replyTo: 'secret id',
    attachment: { fileName: 'secret.png' },
    sentAt: 'secret',
  };
  const row = { id: '1', conversationId: 'c', senderId: 'alice', encrypted: true, clientId: 'a-1', seq: 1, ...secrets };
  one.store.broadcast({ type: 'stored', item: draft, answer: { ...row, envelope: { ciphertext: 'sealed' } } });
  const edit = { conversationId: 'c', messageId: '1', content: '', clientId: 'a-2' };
  const edited: OutboxItem = { ...item('a-2'), operation: { name: 'message:edit', payload: edit } };
  one.store.broadcast({ type: 'stored', item: edited, answer: row });
  await eventually(() => expect(two.log).toEqual(['queued a-1', 'stored a-1', 'stored a-2']));
  await eventually(() => expect(sent).toHaveLength(3));
  expect(JSON.stringify(sent)).not.toMatch(/secret/);
  expect(JSON.stringify(sent)).toContain('sealed');
});

describe('items of a closed tab', () => {
  test('are taken over by one other tab, and the third one learns their new owner', async () => {
    const { storage, tabs } = await setUp('one', 'two', 'three');
    const [one, two, three] = [pick(tabs, 0), pick(tabs, 1), pick(tabs, 2)];
    one.store.broadcast({ type: 'queued', items: [item('a-1'), item('a-2')] });
    await Promise.all([one.store.put(item('a-1')), one.store.put(item('a-2'))]);
    one.platform.crash();
    await eventually(() => expect([...two.log, ...three.log]).toContain('adopted a-2'));
    const [heir, other] = two.log.includes('adopted a-2') ? [two, three] : [three, two];
    await eventually(() => expect(other.remoteItems()).toEqual([`a-1 of ${heir.name}`, `a-2 of ${heir.name}`]));
    expect(await storage.items()).toEqual([`alice/a-1 of ${heir.name}`, `alice/a-2 of ${heir.name}`]);
    expect(other.log).toEqual(['queued a-1', 'queued a-2']);
    // And so on, to the last one.
    heir.platform.crash();
    await eventually(() => expect(other.log).toEqual(['queued a-1', 'queued a-2', 'adopted a-1', 'adopted a-2']));
  });

  test('are taken over before open() resolves, so that they are sent before new items', async () => {
    const { browser, storage, tabs } = await setUp('one');
    const one = pick(tabs, 0);
    await one.store.put(item('a-1'));
    one.platform.crash();
    const next = openTab(storage, 'next', browser.tab());
    await next.store.open('alice');
    expect(next.log).toEqual(['adopted a-1']);
  });

  test('that were announced but not stored are removed from the view', async () => {
    const { tabs } = await setUp('one', 'two');
    const [one, two] = [pick(tabs, 0), pick(tabs, 1)];
    one.store.broadcast({ type: 'queued', items: [item('a-1')] });
    await eventually(() => expect(two.remoteItems()).toEqual(['a-1 of one']));
    const retrying = two.store.remoteTabs.retry('a-1');
    one.platform.crash();
    await expect(retrying).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(two.log).toEqual(['queued a-1', 'discarded a-1']);
  });

  test('are taken over by the next session of the same tab', async () => {
    const { storage, tabs } = await setUp('one');
    const one = pick(tabs, 0);
    await one.store.put(item('a-1'));
    one.store.close();
    await one.store.open('alice');
    expect(await storage.items()).toEqual(["alice/a-1 of one'"]);
    expect(one.log).toEqual(['adopted a-1']);
  });
});

describe('between listing and taking over', () => {
  test('an item that was sent is not sent again', async () => {
    const { browser, storage, tabs } = await setUp('one');
    const one = pick(tabs, 0);
    await Promise.all([one.store.put(item('a-1')), one.store.put(item('a-2'))]);
    one.platform.crash();
    const go = storage.holdLists();
    const next = openTab(storage, 'next', browser.tab());
    const opening = next.store.open('alice');
    // Its last write, which was under way when it crashed.
    await one.store.delete(item('a-1'));
    go();
    await opening;
    expect(next.log).toEqual(['adopted a-2']);
    expect(await storage.items()).toEqual(['alice/a-2 of next']);
  });

  test.each<[title: string, platform: (browser: FakeBrowser) => TabPlatform | undefined]>([
    ['with locks', (browser) => browser.tab()],
    ['without', () => undefined],
  ])('one of two that want the same gets it, %s', async (_title, platform) => {
    const browser = new FakeBrowser();
    const storage = sharedStorage();
    const before = openTab(storage, 'before', undefined);
    await before.store.open('alice');
    await before.store.put(item('a-1'));
    const go = storage.holdLists();
    const heirs = ['one', 'two'].map((name) => openTab(storage, name, platform(browser)));
    const opening = heirs.map(({ store }) => store.open('alice'));
    go();
    await Promise.all(opening);
    await eventually(() => expect(heirs.flatMap(({ log }) => log)).toContain('adopted a-1'));
    expect(heirs.flatMap(({ log }) => log).filter((line) => line.startsWith('adopted'))).toEqual(['adopted a-1']);
  });

  test('a closed storage takes over no items', async () => {
    const { browser, storage, tabs } = await setUp('one');
    const one = pick(tabs, 0);
    await one.store.put(item('a-1'));
    one.platform.crash();
    const go = storage.holdLists();
    const next = openTab(storage, 'next', browser.tab());
    const opening = next.store.open('alice');
    await eventually(() => expect(browser.locks).toHaveLength(1));
    next.store.close();
    go();
    await opening;
    expect(next.log).toEqual([]);
    expect(await storage.items()).toEqual(['alice/a-1 of one']);
    await eventually(() => expect(browser.locks).toEqual([]));
  });
});

test('a tab that closes while it waits to take over leaves the items to the next one', async () => {
  const { browser, storage, tabs } = await setUp('one', 'two');
  const [one, two] = [pick(tabs, 0), pick(tabs, 1)];
  await one.store.put(item('a-1'));
  const adoption = storage.holdAdoptions();
  one.platform.crash();
  await adoption.begun;
  two.store.close();
  adoption.go();
  await eventually(() => expect(browser.locks).toEqual([]));
  expect(await storage.items()).toEqual(['alice/a-1 of one']);
  expect(two.log).toEqual([]);
});

describe('with another open tab', () => {
  test('its items are shown and not taken over', async () => {
    const { browser, storage, tabs } = await setUp('one');
    const one = pick(tabs, 0);
    await one.store.put(item('a-1'));
    const late = openTab(storage, 'late', browser.tab());
    await late.store.open('alice');
    expect(late.log).toEqual(['queued a-1']);
    expect(await storage.items()).toEqual(['alice/a-1 of one']);
  });

  test('an item that is finished while the storage is listed is not shown', async () => {
    const { browser, storage, tabs } = await setUp('one');
    const one = pick(tabs, 0);
    const ghost = item('a-1');
    await one.store.put(ghost);
    const go = storage.holdLists();
    const late = openTab(storage, 'late', browser.tab());
    const opening = late.store.open('alice');
    await eventually(() => expect(browser.locks).toContain('lumen-comm/db/alice/late'));
    one.store.broadcast({ type: 'stored', item: ghost, answer: { id: '1' } });
    await eventually(() => expect(late.log).toEqual(['stored a-1']));
    go();
    await opening;
    expect(late.remoteItems()).toEqual([]);
  });

  test('nothing is written before this tab holds its lock', async () => {
    const { browser, storage } = await setUp();
    const platform = browser.tab();
    const arrive = platform.delayLocks();
    const slow = openTab(storage, 'slow', platform);
    const opening = slow.store.open('alice');
    const putting = slow.store.put(item('a-1'));
    const other = openTab(storage, 'other', browser.tab());
    await other.store.open('alice');
    expect(await storage.items()).toEqual([]);
    arrive();
    await Promise.all([opening, putting]);
    expect(await storage.items()).toEqual(['alice/a-1 of slow']);
    expect(other.log).toEqual([]);
  });

  test('retry() and discard() of its failed items are passed to it', async () => {
    const { tabs } = await setUp('one', 'two');
    const [one, two] = [pick(tabs, 0), pick(tabs, 1)];
    const failed = item('a-1');
    one.store.broadcast({ type: 'queued', items: [failed] });
    one.store.broadcast({ type: 'failed', item: failed, error: { code: 'FORBIDDEN', message: 'No' } });
    await eventually(() => expect(two.log).toEqual(['queued a-1', 'failed a-1']));
    const first = two.store.remoteTabs.retry('a-1');
    await eventually(() => expect(one.log).toEqual(['asked to retry a-1']));
    one.store.broadcast({ type: 'failed', item: failed, error: { code: 'FORBIDDEN', message: 'Still no' } });
    await expect(first).rejects.toMatchObject({ code: 'FORBIDDEN', message: 'Still no' });
    const second = two.store.remoteTabs.retry('a-1');
    one.store.broadcast({ type: 'stored', item: failed, answer: { id: '1' } });
    expect(await second).toEqual({ id: '1' });
    expect(two.store.remoteTabs.retry('a-1')).toBeUndefined();
    one.store.broadcast({ type: 'queued', items: [item('a-2')] });
    await eventually(() => expect(two.remoteItems()).toEqual(['a-2 of one']));
    two.store.remoteTabs.discard('a-2');
    await eventually(() => expect(one.log).toContain('asked to discard a-2'));
  });

  test('a retry that its tab did not do is passed to the tab that takes over', async () => {
    const { tabs } = await setUp('one', 'heir', 'asking');
    const [one, heir, asking] = [pick(tabs, 0), pick(tabs, 1), pick(tabs, 2)];
    const parked = item('a-1', true);
    one.store.broadcast({ type: 'queued', items: [parked] });
    await one.store.put(parked);
    await eventually(() => expect(asking.remoteItems()).toEqual(['a-1 of one']));
    one.platform.crash();
    void asking.store.remoteTabs.retry('a-1');
    const expected = ['queued a-1', 'asked to retry a-1', 'adopted a-1', 'asked to retry a-1'];
    await eventually(() => expect(heir.log).toEqual(expected));
  });
});

describe('another user', () => {
  test('takes over the items of this session, and leaves the others to tabs of the first user', async () => {
    const { storage, tabs } = await setUp('one', 'two');
    const [one, two] = [pick(tabs, 0), pick(tabs, 1)];
    one.store.broadcast({ type: 'queued', items: [item('a-1'), item('a-2')] });
    two.store.broadcast({ type: 'queued', items: [item('b-1')] });
    await Promise.all([one.store.put(item('a-1')), one.store.put(item('a-2'))]);
    await two.store.put(item('b-1'));
    await eventually(() => expect(one.remoteItems()).toEqual(['b-1 of two']));
    await one.store.open('bob', [item('a-2')]);
    await one.store.settled();
    // Nothing of the first user is shown any more.
    expect(one.log).toEqual(['queued b-1', 'discarded b-1']);
    await eventually(async () =>
      expect(await storage.items()).toEqual(['alice/a-1 of two', 'alice/b-1 of two', "bob/a-2 of one'"]),
    );
    expect(two.log).toEqual(['queued a-1', 'queued a-2', 'adopted a-1', 'discarded a-2']);
    expect(await one.store.lastUser()).toBe('bob');
  });

  test('and back again takes over the items of the first user', async () => {
    const { storage, tabs } = await setUp('one');
    const one = pick(tabs, 0);
    await one.store.put(item('a-1'));
    await one.store.open('bob');
    await one.store.open('alice');
    await eventually(() => expect(one.log).toEqual(['adopted a-1']));
    expect(await storage.items()).toEqual(["alice/a-1 of one''"]);
  });

  test('does not get items that are stored while the user changes', async () => {
    const { storage, tabs } = await setUp('one');
    const one = pick(tabs, 0);
    const writing = one.store.put(item('a-1'));
    const opening = one.store.open('bob');
    const late = one.store.put(item('b-1'));
    await Promise.all([writing, opening, late]);
    expect(await storage.items()).toEqual(['alice/a-1 of one', "bob/b-1 of one'"]);
  });
});

describe('if the browser denies locks or channels', () => {
  const refuse = (): never => {
    throw new DOMException('Blocked', 'SecurityError');
  };
  const locks = { request: () => Promise.resolve().then(refuse), query: () => Promise.resolve().then(refuse) };
  test.each<[what: string, platform: TabPlatform]>([
    ['have channels', { ...new FakeBrowser().tab(), channel: refuse }],
    ['have locks', { ...new FakeBrowser().tab(), locks }],
  ])('%s everything that is left is taken up', async (_what, platform) => {
    const storage = sharedStorage();
    const before = openTab(storage, 'before', undefined);
    await before.store.open('alice');
    await before.store.put(item('a-1'));
    const next = openTab(storage, 'next', platform);
    await next.store.open('alice');
    expect(next.log).toEqual(['adopted a-1']);
  });
});

test.each<[what: string, message: unknown]>([
  ['nothing', undefined],
  ['an unknown type', { type: 'renamed', items: [{ clientId: 'a', lane: 'c', owner: 'one', operation: '{}' }] }],
  ['no item', { type: 'stored', items: [] }],
  ['an incomplete item', { type: 'queued', items: [{ clientId: 'a' }] }],
])('an invalid message of another tab is ignored: %s', (_what, message) => {
  expect(parseTabMessage(message)).toBeUndefined();
});
