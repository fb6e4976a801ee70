import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { blemishes } from './look.ts';
import { lookOut, openChat, reaches, say, shows, usePlayground, type Playground } from './playground.ts';

const startPlayground = usePlayground();
const lines = Array.from({ length: 30 }, (_, index) => `Line ${index + 1}.`);

/** Alice with the panel open, and Bob, both looking at their chat. */
async function alicesLine(playground: Playground): Promise<[alice: Page, bob: Page]> {
  const alice = await playground.window('alice');
  const bob = await playground.window('bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await openChat(bob, 'Alice');
  await reaches(alice, 'before', 'Read');
  await openLine(alice);
  return [alice, bob];
}

async function openLine(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^You are/ }).click();
  await page.getByRole('menuitem', { name: 'Developer tools' }).click();
  await page.getByRole('tab', { name: 'Line' }).click();
}

/** What stands beside a name among the figures. */
async function figure(page: Page, name: string): Promise<number> {
  const value = page.getByRole('region', { name: 'Figures' }).locator(`dt:text-is("${name}") + dd`);
  return Number.parseInt((await value.textContent()) ?? '', 10);
}

test('frames that come twice, late and in the wrong order, and cuts: everything arrives once and in order', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await alicesLine(playground);
  for (const name of ['Duplicate', 'Delay', 'Reorder']) {
    await alice.getByRole('slider', { name }).press('End');
    expect(await alice.getByRole('slider', { name }).getAttribute('aria-valuetext')).toBe('25 %');
  }
  for (const [at, line] of lines.entries()) {
    await say(alice, line);
    if (at % 10 === 4) await alice.getByRole('button', { name: 'Cut the line' }).click();
  }
  await shows(bob, ['before', ...lines]);
  await shows(alice, ['before', ...lines]);
  await reaches(alice, 'Line 30.', 'Read');
  await expect.poll(() => figure(alice, 'Messages stored')).toBe(31);
  await expect.poll(() => figure(alice, 'Messages in the outbox')).toBe(0);
  expect(await figure(alice, 'Messages sent')).toBe(31);
  expect(await figure(alice, 'Frames with a fault')).toBeGreaterThan(0);
  expect(await figure(alice, 'Reconnects')).toBeGreaterThan(0);

  await alice.getByRole('button', { name: 'Heal' }).click();
  for (const name of ['Drop', 'Duplicate', 'Delay', 'Reorder']) {
    expect(await alice.getByRole('slider', { name }).getAttribute('aria-valuetext')).toBe('off');
  }
});

test('a server that is killed comes back by itself, and what was written meanwhile arrives', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await alicesLine(playground);
  for (const line of lines.slice(0, 10)) await say(alice, line);
  const away = await Promise.all([alice, bob].map((page) => lookOut(page.locator('.banner'), 'Reconnecting…')));
  await alice.getByRole('button', { name: 'Kill the server' }).click();
  for (const seen of away) await seen();
  for (const line of lines.slice(10)) await say(alice, line);
  await shows(bob, ['before', ...lines]);
  await shows(alice, ['before', ...lines]);
  await reaches(alice, 'Line 30.', 'Read');
  await expect.poll(() => playground.server.printed).toContain('It is back.');
});

test('on a dead line what is written waits, and a new line takes it along', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await alicesLine(playground);
  // After a while it is noticed that a line is dead: not while the clock stands.
  await alice.clock.install();
  await alice.clock.pauseAt(Date.now() + 60_000);
  await alice.getByRole('button', { name: 'Let it go dead' }).click();
  await say(alice, 'into the void');
  await expect.poll(() => figure(alice, 'Messages in the outbox')).toBe(1);
  await alice.clock.resume();
  await alice.getByRole('button', { name: 'Heal' }).click();
  await shows(bob, ['before', 'into the void']);
  await reaches(alice, 'into the void', 'Read');
  expect(await figure(alice, 'Reconnects')).toBe(1);
});

test('only the page itself can have the server killed', async () => {
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
  await expect.poll(() => server.printed).toContain('It is back.');
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
});

test('it ends cleanly while its server is away', async () => {
  const { server } = await startPlayground();
  await fetch(`${server.url}/playground/kill`, { method: 'POST', headers: { origin: server.url } });
  await expect.poll(() => server.printed).toContain('The server was ended by SIGKILL; it starts again.');
  expect(await server.end()).toBe(0);
});

test.each([
  ['wide', { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }],
  ['dark', { viewport: { width: 1100, height: 760 }, colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }],
] as const)('the panel is readable and named, and its controls are in reach: %s', async (_name, options) => {
  const playground = await startPlayground();
  const alice = await playground.window('alice', options);
  await openLine(alice);
  await alice.getByRole('slider', { name: 'Delay' }).press('ArrowRight');
  await alice.getByRole('button', { name: 'Heal' }).scrollIntoViewIfNeeded();
  expect(await blemishes(alice)).toEqual([]);
});
