/**
 * Denied and missing devices, and audio blocked by the autoplay policy, in a real browser:
 * `npm exec -- node test/calls/refusals.ts`. Takes half a minute; the last line is the summary.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { TestBed, type TestUser } from './test-bed.ts';
import { expect, Report } from './report.ts';

const report = new Report();

async function until(probe: () => Promise<boolean>, what: string): Promise<void> {
  for (let n = 0; n < 1_200; n += 1) {
    if (await probe()) return;
    await wait(100);
  }
  throw new Error(`Timed out waiting for: ${what}`);
}

/** Returns the error of a call whose devices can't be opened. */
async function refusal({ page }: TestUser): Promise<string> {
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

/** Resolves when a message was received. It arrives after a preceding call on the same socket. */
async function writes({ page }: TestUser, other: TestUser): Promise<void> {
  const got = await other.page.evaluateHandle(() => ({
    message: new Promise((resolve) => {
      caller.client.on('message:new', resolve);
    }),
  }));
  await page.evaluate(async (userId) => {
    const { conversations, messages } = caller.client;
    const { id: conversationId } = await conversations.create({ type: 'direct', participantIds: [userId] });
    await messages.send({ conversationId, content: 'after the call' });
  }, other.userId);
  await got.evaluate(({ message }) => message);
}

// Chromium allows audio on pages that capture media, so the callee captures none.
await report.check('audio is blocked on a page that captures nothing, until a click', async () => {
  await using testBed = await TestBed.open((flags) => [
    ...flags.filter((flag) => !flag.startsWith('--autoplay-policy')),
    '--autoplay-policy=document-user-activation-required',
  ]);
  const bob = await testBed.untouched('bob');
  await until(async () => (await bob.evaluate('caller?.client.status')) === 'connected', 'connected');
  const alice = await testBed.user('alice');
  await alice.start('bob');
  await alice.is('connected');
  await until(async () => (await bob.evaluate('caller.call?.getSnapshot().audioBlocked')) === true, 'blocked');
  await bob.evaluate("addEventListener('click', () => caller.call.resumeAudio())");
  await bob.page.mouse.click(10, 10);
  await until(async () => (await bob.evaluate('caller.call.getSnapshot().audioBlocked')) === false, 'unblocked');
  // A page with user activation is not blocked.
  expect(!(await alice.page.evaluate(() => caller.call?.getSnapshot().audioBlocked)), 'alice is blocked');
});

await report.check('denied devices are MEDIA_DENIED, and the callee is not called', async () => {
  await using testBed = await TestBed.open((flags) =>
    flags.map((flag) => (flag.startsWith('--use-fake-ui') ? `${flag}=deny` : flag)),
  );
  const [alice, bob] = [await testBed.user('alice'), await testBed.user('bob')];
  const refused = await refusal(alice);
  expect(refused === 'MEDIA_DENIED NotAllowedError', refused);
  await writes(alice, bob);
  expect((await bob.log()).length === 0, 'bob was called');
  await alice.releasesResources();
});

await report.check('missing devices are MEDIA_UNAVAILABLE', async () => {
  await using testBed = await TestBed.open((flags) => flags.filter((flag) => !flag.startsWith('--use-fake-device')));
  const alice = await testBed.user('alice');
  const refused = await refusal(alice);
  expect(refused === 'MEDIA_UNAVAILABLE NotFoundError', refused);
  await alice.releasesResources();
});

report.end();
