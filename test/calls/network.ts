/**
 * Calls during network outages: `npm exec -- node test/calls/network.ts`. Runs in its own network namespace, so it needs
 * root, `ip` and `iptables` (installed on Debian if missing). Takes about two minutes; the last line is the summary.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { TestBed, type TestUser } from './test-bed.ts';
import { network, type Network } from './namespace.ts';
import { expect, Report } from './report.ts';

const report = new Report();
/** Chromium sends a check every 2.5 s and reports a disconnection 5 s after an unanswered one; the state changes 2 s later. */
const UNNOTICED_MS = 5_500;
const net = network(report);
if (net !== undefined) await faults(net);
report.end();

async function faults({ withoutUdp, withoutPort }: Network): Promise<void> {
  await using testBed = await TestBed.open();
  const withoutSockets = (during: () => Promise<unknown>): Promise<void> =>
    withoutPort(Number(new URL(testBed.server.url).port), during);

  const call = (run: (alice: TestUser, bob: TestUser) => Promise<void>): Promise<void> =>
    testBed.pair(async (alice, bob) => {
      await Promise.all([alice.is('connected'), bob.is('connected')]);
      await Promise.all([alice.sees('bob'), bob.sees('alice')]);
      await run(alice, bob);
      await Promise.all([alice.hangup(), bob.hangup()]);
      await Promise.all([alice.is('ended'), bob.is('ended')]);
      await Promise.all([alice.releasesResources(), bob.releasesResources()]);
    });

  await report.check('4 s without UDP do not change the state, and video continues', async () => {
    const lose = async (): Promise<number> => {
      let lostMs = 0;
      await call(async (alice, bob) => {
        const lostAt = performance.now();
        await withoutUdp(() => wait(4_000));
        lostMs = performance.now() - lostAt;
        await Promise.all([alice.sees('bob'), bob.sees('alice')]);
        for (const user of [alice, bob]) {
          const log = await user.log();
          expect(lostMs > UNNOTICED_MS || !log.includes('reconnecting'), `${user.userId}: ${log.join()}`);
        }
      });
      return lostMs;
    };
    // On a busy machine it may take longer, and is noticed: then another call is made.
    while ((await lose()) > UNNOTICED_MS);
  });

  await report.check('a longer time without UDP is reported as reconnecting, and video resumes', () =>
    call(async (alice, bob) => {
      await withoutUdp(() => Promise.all([alice.is('reconnecting'), bob.is('reconnecting')]));
      await Promise.all([alice.is('connected'), bob.is('connected')]);
      await Promise.all([alice.sees('bob'), bob.sees('alice')]);
      for (const user of [alice, bob]) {
        const log = (await user.log()).join();
        expect(log.endsWith('connected,reconnecting,connected'), `${user.userId}: ${log}`);
      }
    }),
  );

  await report.check('the call recovers from 20 s without UDP, which is longer than ICE survives', () =>
    call(async (alice, bob) => {
      await withoutUdp(() => wait(20_000));
      await Promise.all([alice.is('connected'), bob.is('connected')]);
      await Promise.all([alice.sees('bob'), bob.sees('alice')]);
    }),
  );

  await report.check('a call without UDP ends as failed, once, and releases all resources', () =>
    call(async (alice, bob) => {
      await withoutUdp(() => Promise.all([alice.is('ended'), bob.is('ended')]));
      for (const user of [alice, bob]) {
        const log = await user.log();
        expect(log.filter((state) => state === 'ended').length === 1, log.join());
      }
      const reasons = await Promise.all([alice, bob].map(({ page }) => page.evaluate(() => caller.call?.endReason)));
      expect(reasons.includes('failed'), `ended as ${reasons.join()}`);
    }),
  );

  await report.check('lost sockets do not interrupt video, and the call is synchronised after the reconnect', () =>
    call(async (alice, bob) => {
      await withoutSockets(async () => {
        await Promise.all([alice.reconnects(), bob.reconnects()]);
        await Promise.all([alice.sees('bob', 20), bob.sees('alice', 20)]);
      });
      await Promise.all([alice.isOnline(), bob.isOnline()]);
      await Promise.all([alice.sees('bob'), bob.sees('alice')]);
      const logs = await Promise.all([alice.log(), bob.log()]);
      expect(!logs.flat().some((state) => state === 'ended' || state === 'reconnecting'), JSON.stringify(logs));
    }),
  );

  await report.check(
    'a hang-up while disconnected ends the call here at once, and on the other side after the reconnect',
    () =>
      call(async (alice, bob) => {
        await withoutSockets(async () => {
          await alice.reconnects();
          await alice.hangup();
          await alice.is('ended');
        });
        // The hang-up is sent after the reconnect.
        await bob.is('ended');
      }),
  );
}
