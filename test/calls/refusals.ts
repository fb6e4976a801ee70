/**
 * What browsers refuse, for real: devices that are denied or not there, and sound before a click:
 * `npm exec -- node test/calls/refusals.ts`. Half a minute; the last line is the sum.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Lab, type Person } from './lab.ts';
import { expect, Report } from './report.ts';

const report = new Report();

async function until(probe: () => Promise<boolean>, what: string): Promise<void> {
  for (let n = 0; n < 300; n += 1) {
    if (await probe()) return;
    await wait(100);
  }
  throw new Error(`Never: ${what}`);
}

/** With what a call is refused that can't have its devices. */
async function refusal({ page }: Person): Promise<string> {
  return page.evaluate(() =>
    caller.start('bob').then(
      () => 'started',
      (error: unknown) => {
        const { code, cause } = error as { code?: string; cause?: { name?: string } };
        return `${code} ${cause?.name}`;
      },
    ),
  );
}

/** Resolves when a message has come from one to the other: over the same sockets, behind whatever would have rung there. */
async function writes({ page }: Person, other: Person): Promise<void> {
  const got = await other.page.evaluateHandle(() => ({
    message: new Promise((resolve) => {
      caller.client.on('message:new', resolve);
    }),
  }));
  await page.evaluate(async (userId) => {
    const { conversations, messages } = caller.client;
    const { id: conversationId } = await conversations.create({ type: 'direct', participantIds: [userId] });
    await messages.send({ conversationId, content: 'It did not ring, did it?' });
  }, other.userId);
  await got.evaluate(({ message }) => message);
}

// Chromium lets a page play that captures: it is blocked where somebody only listens.
await report.check('sound is blocked for whoever only listens, until a click', async () => {
  await using lab = await Lab.open((flags) => [
    ...flags.filter((flag) => !flag.startsWith('--autoplay-policy')),
    '--autoplay-policy=document-user-activation-required',
  ]);
  const bob = await lab.untouched('bob');
  await until(async () => (await bob.evaluate('caller?.client.status')) === 'connected', 'connected');
  const alice = await lab.person('alice');
  await alice.start('bob');
  await alice.is('connected');
  await until(async () => (await bob.evaluate('caller.call?.getSnapshot().audioBlocked')) === true, 'blocked');
  await bob.evaluate("addEventListener('click', () => caller.call.resumeAudio())");
  await bob.page.mouse.click(10, 10);
  await until(async () => (await bob.evaluate('caller.call.getSnapshot().audioBlocked')) === false, 'let out');
  // A page that was clicked in is never told that it is blocked.
  expect(!(await alice.page.evaluate(() => caller.call?.getSnapshot().audioBlocked)), 'alice is blocked');
});

await report.check('devices that are denied are MEDIA_DENIED, and nobody is rung', async () => {
  await using lab = await Lab.open((flags) =>
    flags.map((flag) => (flag.startsWith('--use-fake-ui') ? `${flag}=deny` : flag)),
  );
  const [alice, bob] = [await lab.person('alice'), await lab.person('bob')];
  const refused = await refusal(alice);
  expect(refused === 'MEDIA_DENIED NotAllowedError', refused);
  await writes(alice, bob);
  expect((await bob.log()).length === 0, 'bob was rung');
  await alice.holdsNothing();
});

await report.check('devices that are not there are MEDIA_UNAVAILABLE', async () => {
  await using lab = await Lab.open((flags) => flags.filter((flag) => !flag.startsWith('--use-fake-device')));
  const alice = await lab.person('alice');
  const refused = await refusal(alice);
  expect(refused === 'MEDIA_UNAVAILABLE NotFoundError', refused);
  await alice.holdsNothing();
});

report.end();
