/**
 * Firefox and Chromium call each other: `npm exec -- node test/calls/firefox-chromium.ts`. Needs Firefox (Debian's
 * firefox-esr, installed where it is missing), root, `ip` and `iptables`. About two minutes; the last line is the sum.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Firefox, type FirefoxPage } from './firefox.ts';
import { Lab, type Person } from './lab.ts';
import { network, type Network } from './namespace.ts';
import { expect, Report } from './report.ts';
import { tool } from './tools.ts';

const report = new Report();
// Before the namespace: there is no network to install from inside of it.
const file = tool('firefox-esr', 'firefox-esr') ?? tool('firefox', 'firefox-esr');
const net = file === undefined ? undefined : network(report);
if (file === undefined) report.missing('Firefox is not here, and could not be installed');
else if (net !== undefined) await both(file, net);
report.end();

async function until(page: FirefoxPage, expression: string, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while ((await page.evaluate(expression)) !== true) {
    if (Date.now() > end) {
      const seen = await page.evaluate('({ log: caller.log, errors: caller.errors })');
      throw new Error(`Never in Firefox: ${expression}; ${JSON.stringify(seen)}`);
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
  await using lab = await Lab.open();

  /** Both see each other, again after an outage that takes a restart of ICE. */
  async function talk(chromium: Person, page: FirefoxPage, other: string): Promise<void> {
    const connected = async (): Promise<void> => {
      await Promise.all([chromium.is('connected'), until(page, "caller.state === 'connected'")]);
      await Promise.all([chromium.sees(other), sees(page, chromium.userId)]);
    };
    await connected();
    await withoutUdp(20_000);
    await connected();
    expect((await chromium.log()).includes('reconnecting'), 'the outage was not noticed');
  }

  await using firefox = await Firefox.open(firefoxFile);

  await report.check('Chromium calls Firefox, through an outage', async () => {
    const page = await firefox.page(lab.address('fox', true));
    await until(page, "caller.client.status === 'connected'");
    const alice = await lab.person('alice');
    await alice.start('fox');
    await talk(alice, page, 'fox');
    await alice.hangup();
    await until(page, "caller.state === 'ended'");
    await alice.holdsNothing();
    await until(page, 'Object.values(caller.held()).every((count) => count === 0)');
    await alice.close();
  });

  await report.check('Firefox calls Chromium, through an outage', async () => {
    const page = await firefox.page(lab.address('vixen', false));
    await until(page, "caller.client.status === 'connected'");
    const bob = await lab.person('bob', { answers: true });
    await page.evaluate("caller.start('bob')");
    await talk(bob, page, 'vixen');
    await page.evaluate('caller.call.hangup()');
    await bob.is('ended');
    await bob.holdsNothing();
    await bob.close();
    const errors = await page.evaluate('caller.errors');
    expect(JSON.stringify(errors) === '[]', `errors in Firefox: ${JSON.stringify(errors)}`);
  });
}
