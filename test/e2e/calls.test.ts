import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { connected, useStage } from './browser.ts';

const setStage = useStage();

/** Alice and Bob, each in a browser of their own; whoever is called answers. */
async function two(more = '') {
  // So long that nothing but a hang-up ends a call.
  const stage = await setStage({ config: { callReconnectMs: 600_000 } });
  const pages = await Promise.all(
    ['alice', 'bob'].map(async (user) => stage.open(await stage.device(), { address: `user=${user}${more}` })),
  );
  await Promise.all(pages.map((page) => connected(page)));
  const [alice, bob] = pages as [Page, Page];
  await bob.evaluate(() => {
    chat.client.on('call', (call) => void call.accept());
  });
  const conversationId = await alice.evaluate(() => chat.create(['bob'], 'group'));
  return { stage, alice, bob, conversationId };
}

/** Shows what comes, and says how many frames of it have been decoded and whether sound has come. */
function frames(page: Page, which: 'remoteStreams' | 'remoteScreens' = 'remoteStreams'): Promise<number> {
  return page.evaluate(async (name) => {
    const stream = [...(chat.client.calls.active?.getSnapshot()[name].values() ?? [])][0];
    if (stream === undefined) return 0;
    const found = document.querySelector<HTMLVideoElement>(`video.${name}`);
    const video = found ?? document.body.appendChild(document.createElement('video'));
    video.className = name;
    if (video.srcObject !== stream) video.srcObject = stream;
    await video.play().catch(() => undefined);
    return video.getVideoPlaybackQuality().totalVideoFrames;
  }, which);
}

/** Waits until a page has noticed that its line was cut, and has another one. */
async function reconnected(page: Page): Promise<void> {
  await page.waitForFunction(() => chat.statuses.includes('reconnecting') && chat.client.status === 'connected');
}

const state = (page: Page): Promise<string | undefined> => page.evaluate(() => chat.client.calls.active?.state);

test('two browsers call: frames are decoded on both sides, a screen is shared, the socket dies and comes back, one hangs up', async () => {
  const { stage, alice, bob, conversationId } = await two();
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'] });
  }, conversationId);
  for (const page of [alice, bob]) {
    await expect.poll(() => state(page)).toBe('connected');
    await expect.poll(() => frames(page)).toBeGreaterThan(5);
  }
  await alice.evaluate(() => chat.client.calls.active?.shareScreen());
  await expect.poll(() => frames(bob, 'remoteScreens')).toBeGreaterThan(2);
  await alice.evaluate(() => chat.client.calls.active?.stopScreenShare());
  await expect.poll(() => bob.evaluate(() => chat.client.calls.active?.getSnapshot().remoteScreens.size)).toBe(0);
  stage.line.cut();
  await Promise.all([alice, bob].map(reconnected));
  expect([await state(alice), await state(bob)]).toEqual(['connected', 'connected']);
  await alice.evaluate(() => chat.client.calls.active?.setVideo(false));
  await expect
    .poll(() => bob.evaluate(() => chat.client.calls.active?.participants.map(({ videoMuted }) => videoMuted)))
    .toEqual([true, false]);
  await alice.evaluate(() => chat.client.calls.active?.hangup());
  for (const page of [alice, bob]) await expect.poll(() => state(page)).toBeUndefined();
});

test('two browsers that encrypt call: sealed frames are decoded on both sides, and both say so', async () => {
  const { alice, bob, conversationId } = await two('&sealed');
  for (const page of [alice, bob]) await page.evaluate(() => chat.client.encryption.ready);
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'video', calleeIds: ['bob'] });
  }, conversationId);
  for (const page of [alice, bob]) {
    await expect.poll(() => state(page)).toBe('connected');
    await expect.poll(() => frames(page)).toBeGreaterThan(5);
    expect(await page.evaluate(() => chat.client.calls.active?.getSnapshot().encrypted)).toBe(true);
    expect(await page.evaluate(() => chat.errors)).toEqual([]);
  }
  await alice.evaluate(() => chat.client.calls.active?.hangup());
  for (const page of [alice, bob]) await expect.poll(() => state(page)).toBeUndefined();
});

test('a page that is left hangs up', async () => {
  const { stage, alice, bob, conversationId } = await two();
  await alice.evaluate((id) => {
    void chat.client.calls.start({ conversationId: id, type: 'audio', calleeIds: ['bob'] });
  }, conversationId);
  await expect.poll(() => state(bob)).toBe('connected');
  // For another page of the same origin: a browser gives one that is closed half a second for its goodbye, and then ends it.
  await alice.goto(`${stage.line.url}/?idle`);
  await expect.poll(() => state(bob)).toBeUndefined();
});
