/**
 * Calls on a network that loses everything for a while: `npm exec -- node test/calls/network.ts`. Runs in a network
 * namespace of its own, so it needs root, `ip` and `iptables` (installed on Debian where they are missing). About two
 * minutes; the last line is the sum.
 */
import { Lab, type Person } from './lab.ts';
import { network, type Network } from './namespace.ts';
import { expect, Report } from './report.ts';

const report = new Report();
const net = network(report);
if (net !== undefined) await faults(net);
report.end();

async function faults({ withoutUdp, withoutPort }: Network): Promise<void> {
  await using lab = await Lab.open();
  const withoutSockets = (during: () => Promise<void>): Promise<void> =>
    withoutPort(Number(new URL(lab.server.url).port), during);

  const call = (run: (alice: Person, bob: Person) => Promise<void>): Promise<void> =>
    lab.pair(async (alice, bob) => {
      await Promise.all([alice.is('connected'), bob.is('connected')]);
      await Promise.all([alice.sees('bob'), bob.sees('alice')]);
      await run(alice, bob);
      await Promise.all([alice.hangup(), bob.hangup()]);
      await Promise.all([alice.is('ended'), bob.is('ended')]);
      await Promise.all([alice.holdsNothing(), bob.holdsNothing()]);
    });

  await report.check('4 s without UDP change no state, and the picture goes on', () =>
    call(async (alice, bob) => {
      await withoutUdp(4_000);
      await Promise.all([alice.sees('bob'), bob.sees('alice')]);
      for (const person of [alice, bob]) {
        const log = await person.log();
        expect(!log.includes('reconnecting'), `${person.userId}: ${log.join()}`);
      }
    }),
  );

  // Chromium pings a connection every 2.5 s and takes it for lost 5 s after a ping without an answer; 2 s later it is told.
  await report.check('12 s without UDP are told as reconnecting, and the picture comes back', () =>
    call(async (alice, bob) => {
      await withoutUdp(12_000);
      await Promise.all([alice.is('connected'), bob.is('connected')]);
      await Promise.all([alice.sees('bob'), bob.sees('alice')]);
      for (const person of [alice, bob]) {
        const log = (await person.log()).join();
        expect(log.endsWith('connected,reconnecting,connected'), `${person.userId}: ${log}`);
      }
    }),
  );

  await report.check('20 s without UDP, past what ICE itself survives, are recovered from', () =>
    call(async (alice, bob) => {
      await withoutUdp(20_000);
      await Promise.all([alice.is('connected'), bob.is('connected')]);
      await Promise.all([alice.sees('bob'), bob.sees('alice')]);
    }),
  );

  await report.check('50 s without UDP end the call as failed, once, and nothing is left behind', () =>
    call(async (alice, bob) => {
      await withoutUdp(50_000);
      await Promise.all([alice.is('ended'), bob.is('ended')]);
      for (const person of [alice, bob]) {
        const log = await person.log();
        expect(log.filter((state) => state === 'ended').length === 1, log.join());
      }
      const reasons = await Promise.all([alice, bob].map(({ page }) => page.evaluate(() => caller.call?.endReason)));
      expect(reasons.includes('failed'), `ended as ${reasons.join()}`);
    }),
  );

  await report.check('sockets that die leave the picture alone, and come back into the call', () =>
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

  await report.check('hanging up while the socket is down ends it here at once, and there when it is back', () =>
    call(async (alice, bob) => {
      await withoutSockets(async () => {
        await alice.reconnects();
        await alice.hangup();
        await alice.is('ended');
      });
      // The goodbye was kept until it could be said.
      await bob.is('ended');
    }),
  );
}
