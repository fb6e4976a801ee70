import { expect, test } from 'vitest';
import { connected, numbered, shows, useTestBed } from './browser.ts';

const startTestBed = useTestBed();

test('twenty messages written offline survive a reload while offline, and arrive once and in order', async () => {
  const testBed = await startTestBed();
  const device = await testBed.device();
  const page = await testBed.open(device, { address: 'user=alice' });
  await connected(page);
  const [one, other] = await page.evaluate(() =>
    Promise.all([chat.create(['bob'], 'one'), chat.create(['bob'], 'other')]),
  );
  await page.evaluate(() => chat.cachePage());
  const address = `user=alice&open=${one}&open=${other}`;
  await page.goto(`${testBed.proxy.url}/?${address}`);
  await connected(page);

  await testBed.unplug(device);
  await page.waitForFunction(() => chat.client.status === 'reconnecting');
  await page.evaluate(
    ([a, b]) => {
      for (let n = 1; n <= 10; n += 1) {
        chat.send(a, [`one ${n}`]);
        chat.send(b, [`other ${n}`]);
      }
    },
    [one, other] as const,
  );
  await shows(page, one, numbered('sending: one', 10));
  await expect.poll(() => page.evaluate(() => chat.queuedCount())).toBe(20);

  await page.reload();
  await shows(page, one, numbered('sending: one', 10));
  await shows(page, other, numbered('sending: other', 10));
  expect(await page.evaluate(() => chat.client.status)).toBe('connecting');

  await device.setOffline(false);
  await shows(page, one, numbered('sent: one', 10));
  await shows(page, other, numbered('sent: other', 10));
  await expect.poll(() => page.evaluate(() => chat.queuedCount())).toBe(0);
  await expect.poll(() => page.evaluate(() => chat.outbox())).toEqual([]);
  expect(await page.evaluate(() => chat.errors)).toEqual([]);
  expect(await testBed.stored(one)).toEqual(numbered('one', 10));
  expect(await testBed.stored(other)).toEqual(numbered('other', 10));
});
