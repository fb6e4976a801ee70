import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { connected, send, shows, useTestBed, type TestBed, type Tab } from './browser.ts';

const startTestBed = useTestBed();

async function alone(more: (testBed: TestBed) => Tab): Promise<{ testBed: TestBed; page: Page; conversation: string }> {
  const testBed = await startTestBed();
  const alice = await testBed.server.connect('alice');
  const group = { type: 'group', name: 'group', participantIds: ['bob'] } as const;
  const { id: conversation } = await alice.ask('conversation:create', group);
  const device = await testBed.device();
  const page = await testBed.open(device, { address: `user=alice&open=${conversation}`, ...more(testBed) });
  await connected(page);
  return { testBed, page, conversation };
}

async function expectChat(page: Page, conversation: string): Promise<void> {
  await send(page, conversation, ['one', 'two']);
  await shows(page, conversation, ['sent: one', 'sent: two']);
  await expect.poll(() => page.evaluate(() => chat.outbox())).toEqual([]);
  await expect.poll(() => page.evaluate(() => chat.outcomes.map(({ result }) => result))).toEqual([1, 2]);
  await expect.poll(() => page.evaluate(() => chat.errors)).toEqual(['STORAGE']);
}

test.each<[title: string, before: () => void]>([
  ['is missing', () => Reflect.deleteProperty(globalThis, 'indexedDB')],
  [
    'cannot be opened',
    () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException('Blocked', 'SecurityError');
      };
    },
  ],
  [
    'throws on access',
    () => {
      Object.defineProperty(globalThis, 'indexedDB', {
        get() {
          throw new DOMException('Blocked', 'SecurityError');
        },
      });
    },
  ],
])('if IndexedDB %s, the client reports one error and continues in memory', async (_title, before) => {
  const { page, conversation } = await alone(() => ({ before }));
  await expectChat(page, conversation);
});

test('if the quota is exceeded, the client reports one error and continues in memory', async () => {
  const { page, conversation } = await alone((testBed) => ({
    prepare: async (page) => {
      const session = await page.context().newCDPSession(page);
      await session.send('Storage.overrideQuotaForOrigin', { origin: testBed.proxy.url, quotaSize: 1 });
    },
  }));
  await expectChat(page, conversation);
});

test('if locks and channels are blocked as well, the client reports one error and continues in memory', async () => {
  const { page, conversation } = await alone(() => ({
    before: () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException('Blocked', 'SecurityError');
      };
      LockManager.prototype.request = () => Promise.reject(new DOMException('Blocked', 'SecurityError'));
      LockManager.prototype.query = () => Promise.reject(new DOMException('Blocked', 'SecurityError'));
      globalThis.BroadcastChannel = function blocked() {
        throw new DOMException('Blocked', 'SecurityError');
      } as unknown as typeof BroadcastChannel;
    },
  }));
  await expectChat(page, conversation);
});
