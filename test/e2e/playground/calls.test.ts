import type { Locator, Page } from 'playwright';
import { expect, test } from 'vitest';
import { isAccessible } from './accessibility.ts';
import { chooseInChat, composer, watchForText, message, openChat, say, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

/** The call stage, full page or minimized. */
function stage(page: Page): Locator {
  return page.getByRole('region', { name: /^Call with/ });
}

function control(page: Page, name: string | RegExp): Locator {
  return stage(page).getByRole('toolbar', { name: 'Call' }).getByRole('button', { name });
}

function ring(page: Page, who: string): Locator {
  return page.getByRole('group', { name: `${who} is calling` });
}

/** The tile of a participant. */
function tile(page: Page, name: string): Locator {
  return stage(page).getByRole('list', { name: 'People in this call' }).getByRole('listitem', { name, exact: true });
}

/** Waits until a video plays: it shows a frame, and later others. */
async function moves(video: Locator): Promise<void> {
  const frames = async (): Promise<number> =>
    await video.evaluate((each: HTMLVideoElement) =>
      each.videoWidth > 0 ? each.getVideoPlaybackQuality().totalVideoFrames : 0,
    );
  await expect.poll(frames).toBeGreaterThan(0);
  // The count starts again when the element gets another stream.
  let least = Infinity;
  await expect
    .poll(async () => {
      const now = await frames();
      least = Math.min(least, now);
      return now - least;
    })
    .toBeGreaterThan(5);
}

/** Opens the chat of Alice and Bob in both windows. */
async function twoWindows(): Promise<[alice: Page, bob: Page]> {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await openChat(bob, 'Alice');
  return [alice, bob];
}

async function talk(alice: Page, bob: Page): Promise<void> {
  await alice.getByRole('button', { name: 'Video call with Bob' }).click();
  await ring(bob, 'Alice').getByRole('button', { name: 'Accept', exact: true }).click();
  await tile(alice, 'Bob').waitFor();
  await tile(bob, 'Alice').waitFor();
}

test('a video call rings in every window, stops ringing when one answers, and plays on both sides', async () => {
  const [alice, bob] = await twoWindows();
  const other = await bob.context().newPage();
  await other.goto(bob.url());
  await other
    .getByRole('button', { name: /^You are Bob/ })
    .getByText('Online')
    .waitFor();

  await alice.getByRole('button', { name: 'Video call with Bob' }).click();
  await stage(alice).locator('.stage-waiting').getByText('Ringing at Bob…').waitFor();
  await ring(other, 'Alice').getByText('Video call').waitFor();
  await expect.poll(() => other.title()).toBe('Alice is calling · lumen-comm');
  await ring(bob, 'Alice').getByRole('button', { name: 'Accept', exact: true }).click();

  await moves(tile(alice, 'Bob').locator('video'));
  await moves(tile(bob, 'Alice').locator('video'));
  await moves(stage(alice).getByRole('list', { name: 'You' }).locator('video'));
  await stage(alice)
    .getByRole('timer')
    .getByText(/^\d+:\d\d$/)
    .waitFor();
  await ring(other, 'Alice').waitFor({ state: 'detached' });
  await expect.poll(() => other.title()).toBe('Alice · lumen-comm');
  expect(await stage(other).count()).toBe(0);

  await control(alice, 'Hang up').click();
  await stage(alice).waitFor({ state: 'detached' });
  await stage(bob).waitFor({ state: 'detached' });
  for (const page of [alice, bob]) await message(page, 'Video call, ').waitFor();
  await expect.poll(() => bob.getByRole('list', { name: 'Chats' }).getByText('Video call, ').count()).toBe(1);
});

test('a declined call is shown as declined and can be called back', async () => {
  const [alice, bob] = await twoWindows();
  await alice.getByRole('button', { name: 'Call with Bob', exact: true }).click();
  const declined = await watchForText(stage(alice).locator('.stage-waiting'), 'Bob declined');
  await ring(bob, 'Alice').getByRole('button', { name: 'Decline' }).click();
  await declined();
  // The call view disappears by itself after some seconds.
  await stage(alice).waitFor({ state: 'detached' });
  await ring(bob, 'Alice').waitFor({ state: 'detached' });
  await message(bob, 'Call, declined').getByRole('button', { name: 'Call back' }).click();
  await ring(alice, 'Bob').getByRole('button', { name: 'Accept', exact: true }).click();
  await tile(bob, 'Alice').waitFor();
  await control(bob, 'Hang up').click();
  await message(alice, ' s')
    .getByText(/^Call, \d+ s$/)
    .waitFor();
});

test('a call cancelled by the caller is shown as missed to the callee', async () => {
  const [alice, bob] = await twoWindows();
  await alice.getByRole('button', { name: 'Video call with Bob' }).click();
  await ring(bob, 'Alice').waitFor();
  await control(alice, 'Hang up').click();
  await ring(bob, 'Alice').waitFor({ state: 'detached' });
  await message(bob, 'Missed video call').getByRole('button', { name: 'Call back' }).waitFor();
  await message(alice, 'Video call, cancelled').waitFor();
});

test('muting, camera and screen sharing are shown to the other participant', async () => {
  const [alice, bob] = await twoWindows();
  await talk(alice, bob);
  const seen = tile(bob, 'Alice');
  await moves(seen.locator('video'));
  await control(alice, 'Mute (M)').click();
  await seen.getByRole('img', { name: 'Muted' }).waitFor();
  await control(alice, 'Unmute (M)').click();
  await seen.getByRole('img', { name: 'Muted' }).waitFor({ state: 'hidden' });

  await control(alice, 'Turn camera off (V)').click();
  await seen.getByRole('img', { name: 'Camera off' }).waitFor();
  await control(alice, 'Turn camera on (V)').click();
  await seen.getByRole('img', { name: 'Camera off' }).waitFor({ state: 'hidden' });
  await moves(seen.locator('video'));

  await control(alice, 'Share your screen').click();
  await moves(tile(bob, 'Alice: screen').locator('video'));
  await seen.getByRole('img', { name: 'Shares the screen' }).waitFor();
  await control(alice, 'Stop sharing your screen').click();
  await tile(bob, 'Alice: screen').waitFor({ state: 'detached' });
  await seen.getByRole('img', { name: /^Connection/ }).waitFor();
});

test('raised hands and reactions are shown to the others, and raised hands to those who join later', async () => {
  const playground = await startPlayground();
  const [alice, bob, carol] = await playground.windows(['alice', 'bob', 'carol']);
  await alice.getByRole('button', { name: 'New chat' }).click();
  for (const name of ['Bob', 'Carol']) {
    await alice.getByLabel('Names of people').fill(name);
    await alice.keyboard.press('Enter');
  }
  await alice.getByLabel('Group name').fill('Hike');
  await alice.getByRole('button', { name: 'Create group' }).click();
  await alice.getByRole('button', { name: 'Call with Hike', exact: true }).click();
  await ring(bob, 'Alice').getByRole('button', { name: 'Accept', exact: true }).click();
  await control(alice, 'Raise your hand (H)').click();
  await tile(bob, 'Alice').getByRole('img', { name: 'Hand raised' }).waitFor();

  await ring(carol, 'Alice').getByRole('button', { name: 'Accept', exact: true }).click();
  await tile(carol, 'Alice').getByRole('img', { name: 'Hand raised' }).waitFor();
  const shown = await Promise.all(
    [alice, bob, carol].map((page, at) =>
      watchForText(stage(page).getByRole('log', { name: 'Reactions' }), ['🎉 Bob', '🎉 You', '🎉 Bob'][at] ?? ''),
    ),
  );
  // A hand that Bob sees shows that he can send to its owner.
  await control(carol, 'Raise your hand (H)').click();
  await tile(bob, 'Carol').getByRole('img', { name: 'Hand raised' }).waitFor();
  await control(bob, 'React').click();
  await bob.getByRole('toolbar', { name: 'React with' }).getByRole('button', { name: 'Party' }).click();
  await Promise.all(shown.map((wait) => wait()));

  await alice.keyboard.press('h');
  for (const page of [bob, carol]) {
    await tile(page, 'Alice').getByRole('img', { name: 'Hand raised' }).waitFor({ state: 'hidden' });
  }
});

test('devices can be switched during a call', async () => {
  const [alice, bob] = await twoWindows();
  await talk(alice, bob);
  await control(alice, 'Devices').click();
  const cameras = alice.getByRole('menuitemradio', { name: /fake_device/ });
  await expect.poll(() => cameras.count()).toBeGreaterThan(1);
  await cameras.last().click();
  // A menu shows the state at the time it was opened.
  const chosen = async (): Promise<string | null> => {
    await control(alice, 'Devices').click();
    const checked = await cameras.last().getAttribute('aria-checked');
    await alice.keyboard.press('Escape');
    return checked;
  };
  await expect.poll(chosen).toBe('true');
  // The remote video can't be checked: Chromium's fake cameras freeze after replaceTrack().
  await moves(stage(alice).getByRole('list', { name: 'You' }).locator('video'));
  await control(alice, 'Hang up').click();
  await stage(bob).waitFor({ state: 'detached' });
});

test('a call can be minimized to write messages, and all of it works by keyboard', async () => {
  const [alice, bob] = await twoWindows();
  await talk(alice, bob);
  await expect.poll(() => stage(alice).evaluate((each) => each.contains(document.activeElement))).toBe(true);
  await alice.keyboard.press('m');
  await tile(bob, 'Alice').getByRole('img', { name: 'Muted' }).waitFor();
  expect(await composer(alice).evaluate((field) => field.closest('[inert]') !== null)).toBe(true);

  await alice.keyboard.press('Escape');
  await say(alice, 'Written while talking');
  await bob.keyboard.press('Escape');
  await message(bob, 'Written while talking').waitFor();
  await moves(tile(alice, 'Bob').locator('video'));
  await stage(alice).getByRole('button', { name: 'Make the call large' }).click();
  await control(alice, 'Hang up').press('Enter');
  await stage(alice).waitFor({ state: 'detached' });
  await stage(bob).waitFor({ state: 'detached' });
  await expect.poll(() => composer(alice).evaluate((field) => field === document.activeElement)).toBe(true);
});

test('a denied camera shows an explanation, and the call continues without it', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await alice.evaluate(() => {
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (constraints) => {
      if (constraints?.video !== undefined && constraints.video !== false)
        throw new DOMException('Permission denied', 'NotAllowedError');
      return await open(constraints);
    };
  });
  await alice.getByRole('button', { name: 'Video call with Bob' }).click();
  const dialog = alice.getByRole('dialog', { name: 'No microphone or camera' });
  await dialog.getByText('Allow it at the left of the address').waitFor();
  await dialog.getByRole('button', { name: 'Call without camera' }).click();
  await ring(bob, 'Alice').getByRole('button', { name: 'Accept', exact: true }).click();
  await tile(alice, 'Bob').waitFor();
});

test('four participants see each other, and the others continue when one leaves', async () => {
  const playground = await startPlayground();
  const people = ['Alice', 'Bob', 'Carol', 'Dave'];
  const pages = await playground.windows(people.map((name) => name.toLowerCase()));
  const [alice, , , dave] = pages;
  if (alice === undefined || dave === undefined) throw new Error('No clients');
  await alice.getByRole('button', { name: 'New chat' }).click();
  for (const name of people.slice(1)) {
    await alice.getByLabel('Names of people').fill(name);
    await alice.keyboard.press('Enter');
  }
  await alice.getByLabel('Group name').fill('Hike');
  await alice.getByRole('button', { name: 'Create group' }).click();
  await alice.getByRole('button', { name: 'Video call with Hike' }).click();
  for (const page of pages.slice(1)) {
    await ring(page, 'Alice').getByText('Video call in Hike').waitFor();
    await ring(page, 'Alice').getByRole('button', { name: 'Accept', exact: true }).click();
  }
  const pairs = pages.flatMap((page, at) => people.filter((_, other) => other !== at).map((name) => tile(page, name)));
  expect(pairs.length).toBe(12);
  await Promise.all(pairs.map((each) => moves(each.locator('video'))));

  await control(dave, 'Hang up').click();
  await tile(alice, 'Dave').waitFor({ state: 'detached' });
  await control(alice, 'People in this call').click();
  await alice.getByRole('menuitem', { name: 'Ring Dave' }).click();
  await ring(dave, 'Alice').getByRole('button', { name: 'Accept', exact: true }).click();
  await moves(tile(dave, 'Carol').locator('video'));
});

test.each([1280, 390])('the call screens are accessible, %i px wide', async (width) => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob'], { viewport: { width, height: 780 } });
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await openChat(bob, 'Alice');
  const button = alice.getByRole('button', { name: 'Video call with Bob' });
  if (await button.isVisible()) await button.click();
  else await chooseInChat(alice, 'Video call');
  await ring(bob, 'Alice').waitFor();
  await stage(alice).locator('.stage-waiting').getByText('Ringing at Bob…').waitFor();
  await isAccessible(alice);
  await isAccessible(bob);
  await ring(bob, 'Alice').getByRole('button', { name: 'Accept without camera' }).click();
  await tile(alice, 'Bob').getByRole('img', { name: 'Camera off' }).waitFor();
  await tile(bob, 'Alice')
    .getByRole('img', { name: /^Connection/ })
    .waitFor();
  await isAccessible(alice);
  await isAccessible(bob);
  await control(alice, 'Devices').click();
  await alice.getByRole('menu', { name: 'Devices' }).waitFor();
  await isAccessible(alice);
  await alice.keyboard.press('Escape');
  await stage(alice).getByRole('button', { name: 'Make the call small' }).click();
  await isAccessible(alice);
  await control(alice, 'Hang up').click();
  for (const page of [alice, bob]) {
    await message(page, 'Video call, ').waitFor();
    await stage(page).waitFor({ state: 'detached' });
    await isAccessible(page);
  }
});

test('a second call can be accepted by putting the first one on hold, and swapped', async () => {
  const playground = await startPlayground();
  const [alice, bob, carol] = await playground.windows(['alice', 'bob', 'carol']);
  for (const [id, page] of [
    ['alice', alice],
    ['carol', carol],
  ] as const) {
    const client = await playground.client(id);
    await client.conversations.create({ type: 'direct', participantIds: ['bob'] });
    await openChat(page, 'Bob');
  }
  await talk(alice, bob);
  await moves(tile(alice, 'Bob').locator('video'));
  await carol.getByRole('button', { name: 'Video call with Bob' }).click();
  const second = ring(bob, 'Carol');
  await second.getByRole('button', { name: 'Hold & accept' }).waitFor();
  expect(await second.getByRole('button', { name: 'Accept', exact: true }).isVisible()).toBe(false);
  await isAccessible(bob);
  await second.getByRole('button', { name: 'Hold & accept' }).click();

  await moves(tile(bob, 'Carol').locator('video'));
  await stage(bob).getByText('Alice is on hold').waitFor();
  await tile(alice, 'Bob').getByText('On hold').waitFor();
  await isAccessible(bob);
  await isAccessible(alice);

  await stage(bob).getByRole('button', { name: 'Swap' }).click();
  await stage(bob).getByText('Carol is on hold').waitFor();
  await tile(carol, 'Bob').getByText('On hold').waitFor();
  await tile(alice, 'Bob').getByText('On hold').waitFor({ state: 'hidden' });
  await moves(tile(bob, 'Alice').locator('video'));

  // The call on hold is taken up when the other one ends.
  await control(alice, 'Hang up').click();
  await tile(bob, 'Carol').waitFor();
  await tile(carol, 'Bob').getByText('On hold').waitFor({ state: 'hidden' });
  await control(bob, 'Hang up').click();
  await stage(carol).waitFor({ state: 'detached' });
});

test.each([
  ['light', { colorScheme: 'light' }],
  ['phone', { viewport: { width: 390, height: 780 }, colorScheme: 'dark' }],
] as const)('camera and microphone can be checked before a call, which takes them over, %s', async (_, options) => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob'], options);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await alice.getByRole('heading', { name: 'Bob', level: 1 }).waitFor();
  const preview = async (): Promise<Locator> => {
    await chooseInChat(alice, 'Preview a video call');
    const dialog = alice.getByRole('dialog', { name: 'Check your camera and microphone' });
    await moves(dialog.locator('video'));
    return dialog;
  };
  await (await preview()).getByRole('button', { name: 'Cancel' }).click();

  const dialog = await preview();
  await isAccessible(alice);
  await expect.poll(() => dialog.getByLabel('Use camera').locator('option').count()).toBeGreaterThan(1);
  await dialog.getByLabel('Use camera').selectOption({ index: 1 });
  await dialog.getByRole('switch', { name: 'Microphone' }).uncheck();
  await dialog.getByRole('button', { name: 'Call Bob' }).click();
  await ring(bob, 'Alice').getByRole('button', { name: 'Accept', exact: true }).click();
  await tile(bob, 'Alice').getByRole('img', { name: 'Muted' }).waitFor();
  await moves(stage(alice).getByRole('list', { name: 'You' }).locator('video'));
  await control(alice, 'Unmute (M)').click();
  await tile(bob, 'Alice').getByRole('img', { name: 'Muted' }).waitFor({ state: 'hidden' });
  await control(alice, 'Hang up').click();
  await stage(bob).waitFor({ state: 'detached' });
});
