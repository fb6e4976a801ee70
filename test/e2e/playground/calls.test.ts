import type { Locator, Page } from 'playwright';
import { expect, test } from 'vitest';
import { blemishes } from './look.ts';
import { composer, lookOut, message, openChat, say, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

/** The call that fills the page, or stands small in its corner. */
function stage(page: Page): Locator {
  return page.getByRole('region', { name: /^Call with/ });
}

function control(page: Page, name: string | RegExp): Locator {
  return stage(page).getByRole('toolbar', { name: 'Call' }).getByRole('button', { name });
}

function ring(page: Page, who: string): Locator {
  return page.getByRole('group', { name: `${who} is calling` });
}

/** Somebody in the call, as they are seen on this page. */
function tile(page: Page, name: string): Locator {
  return stage(page).getByRole('list', { name: 'People in this call' }).getByRole('listitem', { name, exact: true });
}

/** Waits until a video shows pictures, and then others. */
async function moves(video: Locator): Promise<void> {
  const frames = async (): Promise<number> =>
    await video.evaluate((each: HTMLVideoElement) =>
      each.videoWidth > 0 ? each.getVideoPlaybackQuality().totalVideoFrames : 0,
    );
  await expect.poll(frames).toBeGreaterThan(0);
  const before = await frames();
  await expect.poll(frames).toBeGreaterThan(before + 5);
}

/** Alice and Bob, each with the other's chat open. */
async function twoWindows(): Promise<[alice: Page, bob: Page]> {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.window('bob');
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

test('a video call rings in every window, stops when one answers, and moves on both sides', async () => {
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
  await expect.poll(() => other.title()).toBe('Bob · lumen-comm');
  expect(await stage(other).count()).toBe(0);

  await control(alice, 'Hang up').click();
  await stage(alice).waitFor({ state: 'detached' });
  await stage(bob).waitFor({ state: 'detached' });
  for (const page of [alice, bob]) await message(page, 'Video call, ').waitFor();
  await expect.poll(() => bob.getByRole('list', { name: 'Chats' }).getByText('Video call, ').count()).toBe(1);
});

test('a declined call says so, and a click calls back', async () => {
  const [alice, bob] = await twoWindows();
  await alice.getByRole('button', { name: 'Call with Bob', exact: true }).click();
  const declined = await lookOut(stage(alice).locator('.stage-waiting'), 'Bob declined');
  await Promise.all([
    // It leaves by itself after a while, and may have been waited for by then.
    stage(alice).getByRole('button', { name: 'Close' }).click(),
    ring(bob, 'Alice').getByRole('button', { name: 'Decline' }).click(),
  ]);
  await declined();
  await ring(bob, 'Alice').waitFor({ state: 'detached' });
  await message(bob, 'Call, declined').getByRole('button', { name: 'Call back' }).click();
  await ring(alice, 'Bob').getByRole('button', { name: 'Accept', exact: true }).click();
  await tile(bob, 'Alice').waitFor();
  await control(bob, 'Hang up').click();
  await message(alice, ' s')
    .getByText(/^Call, \d+ s$/)
    .waitFor();
});

test('who gives up leaves a missed call behind', async () => {
  const [alice, bob] = await twoWindows();
  await alice.getByRole('button', { name: 'Video call with Bob' }).click();
  await ring(bob, 'Alice').waitFor();
  await control(alice, 'Hang up').click();
  await ring(bob, 'Alice').waitFor({ state: 'detached' });
  await message(bob, 'Missed video call').getByRole('button', { name: 'Call back' }).waitFor();
  await message(alice, 'Video call, cancelled').waitFor();
});

test('what one does with microphone, camera and screen is seen by the other', async () => {
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

test('a device can be chosen while one talks', async () => {
  const [alice, bob] = await twoWindows();
  await talk(alice, bob);
  await control(alice, 'Devices').click();
  const cameras = alice.getByRole('menuitemradio', { name: /fake_device/ });
  await expect.poll(() => cameras.count()).toBeGreaterThan(1);
  await cameras.last().click();
  // A menu says how things stood when it was opened.
  const chosen = async (): Promise<string | null> => {
    await control(alice, 'Devices').click();
    const checked = await cameras.last().getAttribute('aria-checked');
    await alice.keyboard.press('Escape');
    return checked;
  };
  await expect.poll(chosen).toBe('true');
  // What arrives at the other side says nothing: Chromium's own fake cameras stand still behind replaceTrack().
  await moves(stage(alice).getByRole('list', { name: 'You' }).locator('video'));
  await control(alice, 'Hang up').click();
  await stage(bob).waitFor({ state: 'detached' });
});

test('one writes on while a call stands small beside it, and all of it works by keys', async () => {
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

test('a camera that may not be used is told in words, and the call is made without it', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.window('bob');
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

test('four people see each other, and when one leaves three go on', { timeout: 240_000 }, async () => {
  const playground = await startPlayground();
  const people = ['Alice', 'Bob', 'Carol', 'Dave'];
  const pages = await Promise.all(people.map((name) => playground.window(name.toLowerCase())));
  const [alice, , , dave] = pages;
  if (alice === undefined || dave === undefined) throw new Error('Nobody came');
  await alice.getByRole('button', { name: 'New chat' }).click();
  for (const name of people.slice(1)) {
    await alice.getByLabel('Names of people').fill(name);
    await alice.keyboard.press('Enter');
  }
  await alice.getByLabel('Name of the group').fill('Hike');
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

test.each([
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 780 } }],
] as const)('everything about calls is readable and named, %s', async (_, options) => {
  const playground = await startPlayground();
  const alice = await playground.window('alice', options);
  const bob = await playground.window('bob', options);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await openChat(bob, 'Alice');
  await alice.getByRole('button', { name: 'Video call with Bob' }).click();
  await ring(bob, 'Alice').waitFor();
  await stage(alice).locator('.stage-waiting').getByText('Ringing at Bob…').waitFor();
  expect(await blemishes(alice)).toEqual([]);
  expect(await blemishes(bob)).toEqual([]);
  await ring(bob, 'Alice').getByRole('button', { name: 'Accept without camera' }).click();
  await tile(alice, 'Bob').getByRole('img', { name: 'Camera off' }).waitFor();
  await tile(bob, 'Alice')
    .getByRole('img', { name: /^Connection/ })
    .waitFor();
  expect(await blemishes(alice)).toEqual([]);
  expect(await blemishes(bob)).toEqual([]);
  await control(alice, 'Devices').click();
  await alice.getByRole('menu', { name: 'Devices' }).waitFor();
  expect(await blemishes(alice)).toEqual([]);
  await alice.keyboard.press('Escape');
  await stage(alice).getByRole('button', { name: 'Make the call small' }).click();
  expect(await blemishes(alice)).toEqual([]);
  await control(alice, 'Hang up').click();
  await message(bob, 'Video call, ').waitFor();
  await stage(bob).waitFor({ state: 'detached' });
  expect(await blemishes(bob)).toEqual([]);
});
