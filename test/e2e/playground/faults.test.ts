import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { isAccessible } from './accessibility.ts';
import { watchForText, openChat, reaches, say, shows, usePlayground, type Playground } from './playground.ts';

const startPlayground = usePlayground();
const lines = Array.from({ length: 30 }, (_, index) => `Line ${index + 1}.`);

/** Opens the chat of Alice and Bob in both windows, and the faults panel in the window of Alice. */
async function openFaultsPanelWithChat(playground: Playground): Promise<[alice: Page, bob: Page]> {
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await openChat(bob, 'Alice');
  await reaches(alice, 'before', 'Read');
  await openFaultsPanel(alice);
  return [alice, bob];
}

async function openFaultsPanel(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^You are/ }).click();
  await page.getByRole('menuitem', { name: 'Developer tools' }).click();
  await page.getByRole('tab', { name: 'Faults' }).click();
}

/** Reads a value of the statistics. */
async function statistic(page: Page, name: string): Promise<number> {
  const value = page.getByRole('region', { name: 'Statistics' }).locator(`dt:text-is("${name}") + dd`);
  return Number.parseInt((await value.textContent()) ?? '', 10);
}

test('with duplicated, delayed and reordered frames and cut connections, all messages arrive once and in order', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await openFaultsPanelWithChat(playground);
  for (const name of ['Duplicate', 'Delay', 'Reorder']) {
    await alice.getByRole('slider', { name }).press('End');
    expect(await alice.getByRole('slider', { name }).getAttribute('aria-valuetext')).toBe('25 %');
  }
  for (const [at, line] of lines.entries()) {
    await say(alice, line);
    if (at % 10 === 4) await alice.getByRole('button', { name: 'Cut connection' }).click();
  }
  await shows(bob, ['before', ...lines]);
  await shows(alice, ['before', ...lines]);
  await reaches(alice, 'Line 30.', 'Read');
  await expect.poll(() => statistic(alice, 'Messages stored')).toBe(31);
  await expect.poll(() => statistic(alice, 'Messages in the outbox')).toBe(0);
  expect(await statistic(alice, 'Messages sent')).toBe(31);
  expect(await statistic(alice, 'Frames with a fault')).toBeGreaterThan(0);
  expect(await statistic(alice, 'Reconnects')).toBeGreaterThan(0);

  await alice.getByRole('button', { name: 'Remove faults' }).click();
  for (const name of ['Drop', 'Duplicate', 'Delay', 'Reorder']) {
    expect(await alice.getByRole('slider', { name }).getAttribute('aria-valuetext')).toBe('off');
  }
});

test('while no server runs, the banner and the connection panel say why, and when the client tries again', async () => {
  const playground = await startPlayground();
  const [alice] = await playground.windows(['alice']);
  await openFaultsPanel(alice);
  await alice.getByRole('tab', { name: 'Connection' }).click();
  const panel = alice.getByRole('tabpanel');
  await playground.server.end();
  await alice.locator('.banner').getByText('Reconnecting… No server answers at').waitFor();
  await panel.getByText('unreachable: No server answers at').waitFor();
  await panel.getByText(/^\d+, next in \d+ s$/).waitFor();
});

test('after the server was killed it restarts, and messages written in the meantime arrive', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await openFaultsPanelWithChat(playground);
  for (const line of lines.slice(0, 10)) await say(alice, line);
  const away = await Promise.all([alice, bob].map((page) => watchForText(page.locator('.banner'), 'Reconnecting…')));
  await alice.getByRole('button', { name: 'Kill server' }).click();
  for (const seen of away) await seen();
  for (const line of lines.slice(10)) await say(alice, line);
  await shows(bob, ['before', ...lines]);
  await shows(alice, ['before', ...lines]);
  await reaches(alice, 'Line 30.', 'Read');
  await expect.poll(() => playground.server.printed).toContain('The server is running again.');
});

test('a message written on a stalled connection is sent after the reconnect', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await openFaultsPanelWithChat(playground);
  // Pauses the timers that would report the stalled connection as lost.
  await alice.clock.install();
  await alice.clock.pauseAt(Date.now() + 60_000);
  await alice.getByRole('button', { name: 'Stall connection' }).click();
  await say(alice, 'into the void');
  await expect.poll(() => statistic(alice, 'Messages in the outbox')).toBe(1);
  await alice.clock.resume();
  await alice.getByRole('button', { name: 'Remove faults' }).click();
  await shows(bob, ['before', 'into the void']);
  await reaches(alice, 'into the void', 'Read');
  await expect.poll(() => statistic(alice, 'Reconnects')).toBeGreaterThan(0);
});

test('the server can be killed only by a request from the page itself', async () => {
  const { server } = await startPlayground();
  const kill = async (headers: Record<string, string>): Promise<number> => {
    const { status } = await fetch(`${server.url}/playground/kill`, { method: 'POST', headers });
    return status;
  };
  expect(await kill({})).toBe(403);
  expect(await kill({ origin: 'https://example.com' })).toBe(403);
  expect(await kill({ origin: server.url.replace('127.0.0.1', 'localhost') })).toBe(403);
  expect(await kill({ origin: 'null' })).toBe(403);
  expect((await fetch(`${server.url}/playground/kill`)).status).toBe(404);
  expect(await kill({ origin: server.url })).toBe(202);
  await expect.poll(() => server.printed).toContain('The server is running again.');
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
});

test('the playground exits with 0 while its server is restarting', async () => {
  const { server } = await startPlayground();
  await fetch(`${server.url}/playground/kill`, { method: 'POST', headers: { origin: server.url } });
  await expect.poll(() => server.printed).toContain('The server was terminated by SIGKILL and restarts.');
  expect(await server.end()).toBe(0);
});

test.each([
  ['wide', { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }],
  ['dark', { viewport: { width: 1100, height: 760 }, colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }],
] as const)(
  'the faults panel has sufficient contrast, accessible names and reachable controls: %s',
  async (_name, options) => {
    const playground = await startPlayground();
    const alice = await playground.window('alice', options);
    await openFaultsPanel(alice);
    await alice.getByRole('slider', { name: 'Delay' }).press('ArrowRight');
    await alice.getByRole('button', { name: 'Remove faults' }).scrollIntoViewIfNeeded();
    await isAccessible(alice);
  },
);
