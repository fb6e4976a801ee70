import { readdir, chmod } from 'node:fs/promises';
import { connect } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchOptions } from '../../../scripts/chromium.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { CLUSTER, openChat, Playground, reaches, say, servePlayground, shows } from './playground.ts';

/** Longer than a window takes to reconnect, so that it can't return to the process that was killed. */
const RESTART_DELAY_MS = '20000';

let browser: Browser;
beforeAll(async () => {
  browser = await chromium.launch(launchOptions());
});
afterAll(() => browser.close());

async function openConnectionPanel(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^You are/ }).click();
  await page.getByRole('menuitem', { name: 'Developer tools' }).click();
  await page.getByRole('tab', { name: 'Connection' }).click();
}

/** Returns the name of the server process that a window is connected to, once it is connected. */
async function processOf(page: Page): Promise<string> {
  const name = page.getByRole('region', { name: 'Connection' }).locator('dt:text-is("Server process") + dd');
  await name.getByText(/^process \d$/).waitFor();
  return (await name.textContent()) ?? '';
}

/** Returns whether a TCP connection to the address of a URL is accepted. */
async function accepts(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}

test('a window whose process is killed continues on another one, and all messages arrive once and in order', async () => {
  const playground = await Playground.start(browser, { RESTART_DELAY_MS }, { script: CLUSTER });
  try {
    const [alice, bob] = await playground.windows(['alice', 'bob']);
    await alice.getByRole('button', { name: 'Chat with Bob' }).click();
    await say(alice, 'before');
    await openChat(bob, 'Alice');
    await reaches(alice, 'before', 'Read');
    await Promise.all([alice, bob].map(openConnectionPanel));
    // Each connection goes to the next process.
    while ((await processOf(alice)) === (await processOf(bob))) {
      await alice.getByRole('button', { name: 'Disconnect' }).click();
      await alice.getByRole('button', { name: 'Connect', exact: true }).click();
    }
    const [first, other] = [await processOf(alice), await processOf(bob)];
    await say(alice, 'to another process');
    await say(bob, 'and back');
    await shows(bob, ['before', 'to another process', 'and back']);
    await shows(alice, ['before', 'to another process', 'and back']);

    const lines = Array.from({ length: 10 }, (_, index) => `Line ${index + 1}.`);
    for (const line of lines.slice(0, 5)) await say(alice, line);
    await alice.getByRole('tab', { name: 'Faults' }).click();
    await alice.getByRole('button', { name: 'Kill server' }).click();
    await alice.getByText(`The server ${first} was killed.`).waitFor();
    await alice.getByRole('tab', { name: 'Connection' }).click();
    for (const line of lines.slice(5)) await say(alice, line);
    await expect.poll(() => playground.server.printed).toContain(`${first} was terminated by SIGKILL and restarts.`);
    await expect.poll(() => processOf(alice)).not.toBe(first);
    const all = ['before', 'to another process', 'and back', ...lines];
    await shows(bob, all);
    await shows(alice, all);
    await reaches(alice, 'Line 10.', 'Read');
    expect(await processOf(bob)).toBe(other);
    await expect
      .poll(() => playground.server.printed.some((line) => line.startsWith(`${first} listens again on `)))
      .toBe(true);
    expect(playground.pageErrors).toEqual([]);
  } finally {
    await playground.close();
  }
});

test('Ctrl+C ends the processes, Postgres and Redis, and leaves no files', async () => {
  await using directory = await temporaryDirectory();
  // Postgres runs as another user.
  await chmod(directory.path, 0o755);
  const options = { script: CLUSTER, ownGroup: true };
  const server = await servePlayground({ TMPDIR: directory.path }, options);
  const { printed } = server;
  const urls = printed.flatMap((line) => /\b(?:http|postgres|redis):\/\/\S+$/.exec(line)?.[0] ?? []);
  const services = [...new Set(urls.map((url) => new URL(url).host))];
  // Postgres, Redis, three processes and the load balancer.
  expect(services).toHaveLength(6);
  expect(await server.interrupt()).toBe(0);
  expect(await Promise.all(urls.map(accepts))).not.toContain(true);
  expect(await readdir(directory.path)).toEqual([]);
  // The processes ended before Redis and Postgres.
  expect(printed.filter((line) => /lost the connection|outage/.test(line))).toEqual([]);
});
