import { readFile } from 'node:fs/promises';
import type { Locator, Page } from 'playwright';
import { expect, test } from 'vitest';
import { CommClient, memoryStorage } from '../../../src/index.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { PNG } from '../../helpers/server/files.ts';
import { PATIENCE_MS } from '../browser.ts';
import { isAccessible } from './accessibility.ts';
import {
  choose,
  composer,
  isLoaded,
  message,
  openChat,
  reaches,
  say,
  sendFiles,
  usePlayground,
  watchForText,
} from './playground.ts';
import type { Playground } from './playground.ts';

const startPlayground = usePlayground();

/** Sends pictures of Bob to a group with Alice. */
async function sendPictures(playground: Playground, names: readonly string[], content: string): Promise<void> {
  const bob = await playground.client('bob');
  const group = { type: 'group', name: 'Hike', participantIds: ['alice'] } as const;
  const { id: conversationId } = await bob.conversations.create(group);
  const attachments = names.map((name) => new File([PNG], name, { type: 'image/png' }));
  await bob.messages.send({ conversationId, content, attachments });
}

test('pictures open over the page, are changed by arrow keys, keep the focus and return it', async () => {
  const playground = await startPlayground();
  await sendPictures(playground, ['a.png', 'b.png', 'c.png'], 'Three of them');
  const alice = await playground.window('alice');
  await openChat(alice, 'Hike');
  const opener = message(alice, 'Three of them').getByRole('button', { name: 'Open b.png' });
  await opener.focus();
  await opener.press('Enter');
  const lightbox = alice.getByRole('dialog', { name: 'Photos' });
  const showsPicture = async (name: string, position: string): Promise<void> => {
    await lightbox.getByText(position).waitFor();
    await isLoaded(lightbox.getByRole('img', { name }));
  };
  await showsPicture('b.png', '2 of 3');
  await alice.keyboard.press('ArrowRight');
  await showsPicture('c.png', '3 of 3');
  // There is no further one.
  await alice.keyboard.press('ArrowRight');
  await alice.keyboard.press('ArrowLeft');
  await showsPicture('b.png', '2 of 3');
  await alice.keyboard.press('Home');
  await showsPicture('a.png', '1 of 3');
  await alice.keyboard.press('End');
  await showsPicture('c.png', '3 of 3');
  for (const key of [
    'Tab',
    'Tab',
    'Tab',
    'Tab',
    'Tab',
    'Shift+Tab',
    'Shift+Tab',
    'Shift+Tab',
    'Shift+Tab',
    'Shift+Tab',
  ]) {
    await alice.keyboard.press(key);
    expect(await lightbox.evaluate((dialog) => dialog.contains(document.activeElement))).toBe(true);
  }
  const downloading = alice.waitForEvent('download');
  await lightbox.getByRole('button', { name: 'Download' }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe('c.png');
  expect(await readFile(await download.path())).toEqual(PNG);
  await alice.keyboard.press('Escape');
  await lightbox.waitFor({ state: 'detached' });
  await expect.poll(() => opener.evaluate((button) => button === document.activeElement)).toBe(true);
});

test('the place of a picture is reserved before it has loaded, and shows its placeholder', async () => {
  const playground = await startPlayground();
  const [alice] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  const bytes = await alice.evaluate(async () => {
    const canvas = new OffscreenCanvas(800, 400);
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('no context');
    context.fillStyle = 'teal';
    context.fillRect(0, 0, 800, 200);
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/png' })).arrayBuffer())];
  });
  await sendFiles(alice, [{ name: 'sea.png', mimeType: 'image/png', buffer: Buffer.from(bytes) }], 'The sea');
  await reaches(alice, 'The sea', 'Sent');
  const requested: string[] = [];
  let isReleased = false;
  const waiting: (() => void)[] = [];
  await alice.route(/\/__nk_comm\/files\//, async (route) => {
    requested.push(new URL(route.request().url()).pathname);
    if (!isReleased) await new Promise<void>((resolve) => waiting.push(resolve));
    await route.continue().catch(() => undefined);
  });
  await alice.reload();
  const opener = message(alice, 'The sea').getByRole('button', { name: 'Open sea.png' });
  await expect.poll(() => requested.length).toBeGreaterThan(0);
  const size = async (): Promise<unknown> => {
    const box = await opener.boundingBox();
    return [box?.width, box?.height];
  };
  expect(await size()).toEqual([320, 160]);
  expect(await opener.evaluate((button) => getComputedStyle(button).backgroundImage)).toMatch(
    /^url\("data:image\/png;base64,/,
  );
  isReleased = true;
  for (const go of waiting) go();
  await isLoaded(opener.getByRole('img', { name: 'sea.png' }));
  expect(await size()).toEqual([320, 160]);
  // The timeline loads the thumbnail only. The page before the reload may have requested it, too.
  expect([...new Set(requested)]).toEqual([expect.stringContaining('thumbnail')]);
  await opener.click();
  const lightbox = alice.getByRole('dialog', { name: 'Photos' });
  await expect
    .poll(() =>
      lightbox.getByRole('img', { name: 'sea.png' }).evaluate((image: HTMLImageElement) => image.naturalWidth),
    )
    .toBe(800);
});

test('a URL that has expired is renewed once the picture could not be loaded', async () => {
  const playground = await startPlayground();
  await sendPictures(playground, ['late.png'], 'Late');
  const alice = await playground.window('alice');
  let signings = 0;
  alice.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => {
      if (payload.includes('file:sign')) signings += 1;
    });
  });
  let answers = 0;
  await alice.route(/\/__nk_comm\/files\//, async (route) => {
    answers += 1;
    if (answers > 1) return await route.continue();
    // The answer arrives when the URL has expired for the client, too. It also takes the jump for a wake-up, and reconnects.
    await alice.evaluate(() => {
      const { now } = Date;
      Date.now = () => now() + 20 * 60_000;
    });
    await route.fulfill({ status: 403, json: { error: { code: 'FORBIDDEN', message: 'expired' } } });
  });
  await alice.reload();
  await openChat(alice, 'Hike');
  await isLoaded(message(alice, 'Late').getByRole('img', { name: 'late.png' }));
  expect(answers).toBe(2);
  expect(signings).toBeGreaterThan(1);
  await expect.poll(() => playground.pageErrors).toEqual([expect.stringContaining('403')]);
  playground.pageErrors.length = 0;
});

/** Records a second of the fake camera in a page. */
async function recordVideo(page: Page): Promise<Buffer> {
  const bytes = await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 240 } });
    const recorder = new MediaRecorder(stream, { mimeType: 'video/webm;codecs=vp8' });
    const parts: Blob[] = [];
    const filled = new Promise<void>((resolve) => {
      recorder.addEventListener('dataavailable', ({ data }) => {
        parts.push(data);
        // More than the header of the file.
        if (parts.reduce((sum, { size }) => sum + size, 0) > 4_000) resolve();
      });
    });
    recorder.start(100);
    await filled;
    const stopped = new Promise((resolve) => recorder.addEventListener('stop', resolve));
    recorder.stop();
    await stopped;
    for (const track of stream.getTracks()) track.stop();
    return [...new Uint8Array(await new Blob(parts).arrayBuffer())];
  });
  return Buffer.from(bytes);
}

test('a video is played in the message', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await sendFiles(alice, [{ name: 'clip.webm', mimeType: 'video/webm', buffer: await recordVideo(alice) }], 'A clip');
  await openChat(bob, 'Alice');
  const video = message(bob, 'A clip').getByLabel('clip.webm');
  await expect.poll(() => video.evaluate((player: HTMLVideoElement) => player.videoWidth)).toBe(320);
  await video.evaluate(async (player: HTMLVideoElement) => {
    player.loop = true;
    player.muted = true;
    await player.play();
  });
  await expect.poll(() => video.evaluate((player: HTMLVideoElement) => player.played.length)).toBeGreaterThan(0);
});

/** Waits until the recording is that long. */
async function recorded(bar: Locator, seconds: number): Promise<void> {
  const time = bar.getByRole('timer', { name: 'Recorded time' });
  const elapsed = async (): Promise<number> => {
    const [minutes = 0, rest = 0] = ((await time.textContent()) ?? '').split(':').map(Number);
    return minutes * 60 + rest;
  };
  await expect.poll(elapsed).toBeGreaterThanOrEqual(seconds);
}

test('a voice message is recorded, sent with its waveform and duration, and played', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  const carol = await playground.client('carol');
  const group = { type: 'group', name: 'Hike', participantIds: ['alice', 'bob'] } as const;
  const { id: conversationId } = await carol.conversations.create(group);
  await Promise.all([openChat(alice, 'Hike'), openChat(bob, 'Hike')]);
  const held: (() => void)[] = [];
  await alice.route(/\/uploads\//, async (route) => {
    if (route.request().method() === 'PATCH') await new Promise<void>((resolve) => held.push(resolve));
    await route.continue().catch(() => undefined);
  });
  await alice.getByRole('button', { name: 'Record a voice message' }).click();
  const bar = alice.getByRole('group', { name: 'Recording' });
  // The fake microphone beeps, which is a high bar.
  const wave = bar.locator('.voice-wave path');
  await expect.poll(() => wave.evaluate((path: SVGPathElement) => path.getBBox().height)).toBeGreaterThan(5);
  await recorded(bar, 2);
  await bar.getByRole('button', { name: 'Send voice message' }).click();
  await composer(alice).waitFor();
  // Known before the upload, and without decoding the file.
  const pending = alice.getByRole('group', { name: 'Voice message' }).getByRole('slider');
  await expect.poll(() => pending.getAttribute('aria-valuetext')).toMatch(/^0:00 of (?!0:0[01])\d+:\d\d$/);
  await alice.unroute(/\/uploads\//);
  for (const go of held) go();
  const sound = bob.getByRole('group', { name: 'Voice message' });
  await sound.waitFor();
  await isAccessible(bob);
  const { messages } = await carol.messages.list({ conversationId });
  const [attachment] = messages[0]?.attachments ?? [];
  expect(messages[0]?.type).toBe('audio');
  expect(attachment?.duration).toBeGreaterThanOrEqual(2);
  expect(Math.max(...(attachment?.waveform ?? []))).toBe(100);

  const slider = sound.getByRole('slider', { name: 'Position in Voice message' });
  const length = (await slider.getAttribute('aria-valuetext'))?.replace('0:00 of ', '') ?? '';
  expect(length).toMatch(/^\d+:\d\d$/);
  // Before it is loaded.
  await slider.press('ArrowRight');
  expect(await slider.getAttribute('aria-valuetext')).toBe(`0:01 of ${length}`);
  const audio = sound.locator('audio');
  const positions = await audio.evaluateHandle((player: HTMLAudioElement) => {
    // So that it doesn't end before the test has seen it.
    player.loop = true;
    const set: number[] = [];
    Object.defineProperty(player, 'currentTime', {
      get() {
        const position: unknown = Reflect.get(HTMLMediaElement.prototype, 'currentTime', player);
        return position;
      },
      set(seconds: number) {
        set.push(seconds);
        Reflect.set(HTMLMediaElement.prototype, 'currentTime', seconds, player);
      },
    });
    return set;
  });
  await sound.getByRole('button', { name: 'Play' }).click();
  await expect.poll(() => audio.evaluate((player: HTMLAudioElement) => player.played.length)).toBeGreaterThan(0);
  expect(await positions.evaluate((all) => all)).toEqual([1]);
  await sound.getByRole('button', { name: 'Pause' }).click();
  await sound.getByRole('button', { name: 'Play' }).waitFor();
  await audio.evaluate((player: HTMLAudioElement) => (player.loop = false));
  // On a slow machine the recording is long. What is left of it ends within the time that the test waits.
  await slider.fill(String(Math.floor(attachment?.duration ?? 0) - 1));
  await sound.getByRole('button', { name: 'Play' }).click();
  await expect.poll(() => slider.getAttribute('aria-valuetext')).toBe(`0:00 of ${length}`);
  await sound.getByRole('button', { name: 'Play' }).waitFor();
  await bob.getByRole('list', { name: 'Chats' }).getByText('Voice message').waitFor();
});

test('a recording is cancelled by Escape, and a denied microphone is explained', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  const tracks = await alice.evaluateHandle(() => {
    const opened: MediaStreamTrack[] = [];
    const { mediaDevices } = navigator;
    const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (constraints) => {
      if (opened.length > 0) throw new DOMException('No', 'NotAllowedError');
      const stream = await getUserMedia(constraints);
      opened.push(...stream.getTracks());
      return stream;
    };
    return opened;
  });
  const record = alice.getByRole('button', { name: 'Record a voice message' });
  await record.click();
  await recorded(alice.getByRole('group', { name: 'Recording' }), 1);
  await isAccessible(alice);
  await alice.keyboard.press('Escape');
  await composer(alice).waitFor();
  expect(await tracks.evaluate((all) => all.map(({ readyState }) => readyState))).toEqual(['ended']);
  const explained = await watchForText(alice.locator('.toasts'), 'access to the microphone or camera was denied');
  await record.click();
  await explained();
  await expect.poll(() => record.isEnabled()).toBe(true);
});

test('encrypted files are decrypted to be shown and saved, and their memory is freed', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const storage = memoryStorage();
  const clock = patientClock({ helloMs: PATIENCE_MS });
  await using bob = new CommClient({ url: playground.server.url, userId: 'bob', storage, clock, encryption: {} });
  await bob.connect();
  await bob.encryption.ready;
  await playground.published('alice', 'bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  const send = async (file: File, content: string): Promise<void> => {
    const attachment = await bob.files.upload(file, { conversationId });
    await bob.messages.send({ conversationId, content, attachment, encrypt: true });
  };
  await send(new File([PNG], 'secret.png', { type: 'image/png' }), 'A secret picture');
  await send(new File(['secret notes'], 'notes.txt', { type: 'text/plain' }), 'Secret notes');
  await openChat(alice, 'Bob');
  const opener = message(alice, 'A secret picture').getByRole('button', { name: 'Open secret.png' });
  await isLoaded(opener.getByRole('img', { name: 'secret.png' }));
  const downloading = alice.waitForEvent('download');
  await message(alice, 'Secret notes').getByRole('button', { name: 'Download notes.txt' }).click();
  expect(await readFile(await (await downloading).path(), 'utf8')).toBe('secret notes');
  const freed = await alice.evaluateHandle(() => {
    const urls: string[] = [];
    const revoke = URL.revokeObjectURL.bind(URL);
    URL.revokeObjectURL = (url) => {
      urls.push(url);
      revoke(url);
    };
    return urls;
  });
  await opener.click();
  const shown = alice.getByRole('dialog', { name: 'Photos' }).getByRole('img', { name: 'secret.png' });
  await isLoaded(shown);
  const url = await shown.getAttribute('src');
  expect(url).toMatch(/^blob:/);
  await alice.keyboard.press('Escape');
  await expect.poll(() => freed.evaluate((all) => all)).toContain(url);
  const inTimeline = await opener.getByRole('img', { name: 'secret.png' }).getAttribute('src');
  // Closes the chat.
  await alice.goBack();
  await expect.poll(() => freed.evaluate((all) => all)).toContain(inTimeline);
});

test('a double click sends one voice message', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await alice.getByRole('button', { name: 'Record a voice message' }).click();
  const bar = alice.getByRole('group', { name: 'Recording' });
  await recorded(bar, 1);
  // In one task: the recorder can't have stopped in between.
  await bar.getByRole('button', { name: 'Send voice message' }).evaluate((button: HTMLButtonElement) => {
    button.click();
    button.click();
  });
  // Files are taken in order, so all voice messages are shown before this one.
  await sendFiles(alice, [{ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') }], 'after');
  await message(alice, 'after').waitFor();
  expect(await alice.getByRole('group', { name: 'Voice message' }).count()).toBe(1);
});

test('while the browser asks for the microphone the user can write, and Enter does not send the recording', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await reaches(alice, 'before', 'Sent');
  const allow = await alice.evaluateHandle(() => {
    const { mediaDevices } = navigator;
    const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    mediaDevices.getUserMedia = async (constraints) => {
      await promise;
      return await getUserMedia(constraints);
    };
    return { resolve };
  });
  await alice.getByRole('button', { name: 'Record a voice message' }).click();
  await composer(alice).fill('A draft');
  await allow.evaluate(({ resolve }) => resolve(undefined));
  const bar = alice.getByRole('group', { name: 'Recording' });
  await recorded(bar, 1);
  await alice.keyboard.press('Enter');
  const told = await watchForText(alice.locator('.toasts'), 'Send or delete the recording first.');
  await choose(alice, 'before', 'Edit');
  await told();
  await bar.getByRole('button', { name: 'Delete recording' }).click();
  expect(await composer(alice).inputValue()).toBe('A draft');
  expect(await alice.getByRole('group', { name: 'Voice message' }).count()).toBe(0);
});

test('a recording that is being sent outlives its conversation', async () => {
  const playground = await startPlayground();
  const carol = await playground.client('carol');
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await carol.conversations.create({ type: 'group', name: 'Hike', participantIds: ['alice'] });
  const chats = alice.getByRole('list', { name: 'Chats' });
  await chats.getByRole('button', { name: 'Hike' }).waitFor();
  await alice.getByRole('button', { name: 'Record a voice message' }).click();
  const bar = alice.getByRole('group', { name: 'Recording' });
  await recorded(bar, 1);
  // In one task: the recorder can't have stopped in between.
  await bar.getByRole('button', { name: 'Send voice message' }).evaluate((button: HTMLButtonElement) => {
    button.click();
    const hike = [...document.querySelectorAll<HTMLButtonElement>('[aria-label="Chats"] button')].find((each) =>
      each.textContent.includes('Hike'),
    );
    hike?.click();
  });
  await alice.getByRole('heading', { name: 'Hike', level: 1 }).waitFor();
  await openChat(alice, 'Bob');
  await alice.getByRole('group', { name: 'Voice message' }).waitFor();
});
