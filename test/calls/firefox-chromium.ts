/**
 * Calls between Firefox and Chromium: `npm exec -- node test/calls/firefox-chromium.ts`. Needs Firefox (Debian's
 * firefox-esr, installed if missing), root, `ip` and `iptables`. Takes about two minutes; the last line is the summary.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Firefox, type FirefoxPage } from './firefox.ts';
import { TestBed, type TestUser } from './test-bed.ts';
import { network, type Network } from './namespace.ts';
import { expect, Report } from './report.ts';
import { tool } from './tools.ts';

const report = new Report();
// Installed before entering the namespace, which has no internet access.
const file = tool('firefox-esr', 'firefox-esr') ?? tool('firefox', 'firefox-esr');
const net = file === undefined ? undefined : network(report);
if (file === undefined) report.missing('Firefox is missing and could not be installed');
else if (net !== undefined) await both(file, net);
report.end();

async function until(page: FirefoxPage, expression: string, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while ((await page.evaluate(expression)) !== true) {
    if (Date.now() > end) {
      const seen = await page.evaluate('({ log: caller.log, errors: caller.errors })');
      throw new Error(`Timed out in Firefox waiting for: ${expression}; ${JSON.stringify(seen)}`);
    }
    await wait(100);
  }
}

async function sees(page: FirefoxPage, userId: string): Promise<void> {
  const frames = `caller.frames('${userId}')`;
  const before = Number(await page.evaluate(frames));
  await until(page, `${frames} >= ${before + 5}`);
}

async function both(firefoxFile: string, { withoutUdp }: Network): Promise<void> {
  await using testBed = await TestBed.open();

  /** Checks video in both directions, before and after an outage that requires an ICE restart. */
  async function talk(chromium: TestUser, page: FirefoxPage, other: string): Promise<void> {
    const connected = async (): Promise<void> => {
      await Promise.all([chromium.is('connected'), until(page, "caller.state === 'connected'")]);
      await Promise.all([chromium.sees(other), sees(page, chromium.userId)]);
    };
    await connected();
    await withoutUdp(() => wait(20_000));
    await connected();
    expect((await chromium.log()).includes('reconnecting'), 'the outage was not noticed');
  }

  await using firefox = await Firefox.open(firefoxFile);

  await report.check('Chromium calls Firefox, through an outage', async () => {
    const page = await firefox.page(testBed.address('fox', true));
    await until(page, "caller.client.status === 'connected'");
    const alice = await testBed.user('alice');
    await alice.start('fox');
    await talk(alice, page, 'fox');
    await alice.hangup();
    await until(page, "caller.state === 'ended'");
    await alice.releasesResources();
    await until(page, 'Object.values(caller.resourceCounters()).every((count) => count === 0)');
    await alice.close();
  });

  await report.check('Firefox calls Chromium, through an outage', async () => {
    const page = await firefox.page(testBed.address('vixen', false));
    await until(page, "caller.client.status === 'connected'");
    const bob = await testBed.user('bob', { answers: true });
    await page.evaluate("caller.start('bob')");
    await talk(bob, page, 'vixen');
    await page.evaluate('caller.call.hangup()');
    await bob.is('ended');
    await bob.releasesResources();
    await bob.close();
    const errors = await page.evaluate('caller.errors');
    expect(JSON.stringify(errors) === '[]', `errors in Firefox: ${JSON.stringify(errors)}`);
  });
}
