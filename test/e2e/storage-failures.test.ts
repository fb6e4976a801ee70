import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { connected, send, shows, useStage, type Stage, type Tab } from './browser.ts';

const setStage = useStage();

async function alone(more: (stage: Stage) => Tab): Promise<{ stage: Stage; page: Page; conversation: string }> {
  const stage = await setStage();
  const alice = await stage.server.connect('alice');
  const group = { type: 'group', name: 'group', participantIds: ['bob'] } as const;
  const { id: conversation } = await alice.ask('conversation:create', group);
  const device = await stage.device();
  const page = await stage.open(device, { address: `user=alice&open=${conversation}`, ...more(stage) });
  await connected(page);
  return { stage, page, conversation };
}

async function expectChat(page: Page, conversation: string): Promise<void> {
  await send(page, conversation, ['one', 'two']);
  await shows(page, conversation, ['sent: one', 'sent: two']);
  await expect.poll(() => page.evaluate(() => chat.outbox())).toEqual([]);
  await expect.poll(() => page.evaluate(() => chat.outcomes.map(({ result }) => result))).toEqual([1, 2]);
  expect(await page.evaluate(() => chat.errors)).toEqual(['STORAGE']);
}

test.each<[title: string, before: () => void]>([
  ['that the page does not have', () => Reflect.deleteProperty(globalThis, 'indexedDB')],
  [
    'that may not be opened',
    () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException('Blocked', 'SecurityError');
      };
    },
  ],
  [
    'that may not be looked at',
    () => {
      Object.defineProperty(globalThis, 'indexedDB', {
        get() {
          throw new DOMException('Blocked', 'SecurityError');
        },
      });
    },
  ],
])('with an IndexedDB %s one error tells of it, and the client goes on in memory', async (_title, before) => {
  const { page, conversation } = await alone(() => ({ before }));
  await expectChat(page, conversation);
});

test('a quota that is used up is told once, and the client goes on in memory', async () => {
  const { page, conversation } = await alone((stage) => ({
    prepare: async (page) => {
      const session = await page.context().newCDPSession(page);
      await session.send('Storage.overrideQuotaForOrigin', { origin: stage.line.url, quotaSize: 1 });
    },
  }));
  await expectChat(page, conversation);
});

test('with locks and channels blocked as well it is the same', async () => {
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
