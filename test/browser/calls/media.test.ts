import { afterEach, beforeEach, expect, test, vi, type MockInstance } from 'vitest';
import { userEvent } from 'vitest/browser';
import { held } from '../../../src/client/calls/held.ts';
import type { LocalMediaEvents, Slot } from '../../../src/client/calls/media-backend.ts';
import { BrowserMedia } from '../../../src/client/calls/media.ts';
import type { CommError } from '../../../src/protocol/errors.ts';
import { camera, stopTracks } from './tracks.ts';
import { until } from './until.ts';

let media: BrowserMedia;
let slots: Map<Slot, MediaStreamTrack | null>;
let changes: Slot[];
let ended: LocalMediaEvents['ended'][];
let failed: LocalMediaEvents['failed'][];
/** Every track that the browser gave, by whomever it was asked. */
let given: MediaStreamTrack[];
let getUserMedia: MockInstance<MediaDevices['getUserMedia']>;
const { signal } = new AbortController();

const live = (): MediaStreamTrack[] => given.filter(({ readyState }) => readyState === 'live');
const nothing = { connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 };

beforeEach(() => {
  slots = new Map();
  changes = [];
  ended = [];
  failed = [];
  given = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  getUserMedia = vi.spyOn(navigator.mediaDevices, 'getUserMedia').mockImplementation(async (constraints) => {
    const stream = await open(constraints);
    given.push(...stream.getTracks());
    return stream;
  });
  media = new BrowserMedia({}, (error) => {
    throw error;
  });
  media.on('slot', ({ slot, track }) => {
    slots.set(slot, track);
    changes.push(slot);
  });
  media.on('ended', (event) => ended.push(event));
  media.on('failed', (event) => failed.push(event));
});

afterEach(() => {
  media.dispose();
  expect(held).toEqual(nothing);
  stopTracks();
  expect(live()).toEqual([]);
});

test('both are opened at once, so that the user is asked once', async () => {
  await media.start({ audio: true, video: true }, signal);
  expect(getUserMedia).toHaveBeenCalledTimes(1);
  expect([slots.get('mic')?.kind, slots.get('camera')?.kind]).toEqual(['audio', 'video']);
  expect(media.stream?.getTracks()).toHaveLength(2);
  expect(['mic', 'camera', 'screen'].map((slot) => media.isOn(slot as Slot))).toEqual([true, true, false]);
});

test('a call with sound alone opens no camera', async () => {
  await media.start({ audio: true, video: undefined }, signal);
  expect(live().map(({ kind }) => kind)).toEqual(['audio']);
  expect(slots.has('camera')).toBe(false);
});

test('camera off stops the camera, and on opens it again in the same stream', async () => {
  await media.start({ audio: true, video: true }, signal);
  const { stream } = media;
  const first = slots.get('camera');
  await media.setDesired('camera', false);
  expect([first?.readyState, slots.get('camera'), held.tracks]).toEqual(['ended', null, 1]);
  expect(stream?.getVideoTracks()).toEqual([]);
  await media.setDesired('camera', true);
  expect(slots.get('camera')?.readyState).toBe('live');
  expect(media.stream).toBe(stream);
  expect(stream?.getVideoTracks()).toEqual([slots.get('camera')]);
});

test('a muted microphone stays open and is not sent', async () => {
  await media.start({ audio: true, video: false }, signal);
  const track = slots.get('mic');
  await media.setDesired('mic', false);
  expect([slots.get('mic'), track?.readyState, media.isOn('mic')]).toEqual([null, 'live', false]);
  await media.setDesired('mic', true);
  expect(slots.get('mic')).toBe(track);
});

test.each([true, false])('after twenty rapid toggles the last one holds: %s', async (last) => {
  await media.start({ audio: false, video: true }, signal);
  const toggles: Promise<void>[] = [];
  for (let n = 0; n < 20; n += 1) {
    toggles.push(media.setDesired('camera', n % 2 === (last ? 1 : 0)));
    if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
  }
  await Promise.all(toggles);
  expect(media.isOn('camera')).toBe(last);
  expect(live()).toEqual(last ? [slots.get('camera')] : []);
  expect(failed).toEqual([]);
});

test('what was opened too late is stopped on arrival', async () => {
  const starting = media.start({ audio: true, video: true }, signal);
  media.dispose();
  await expect(starting).rejects.toMatchObject({ name: 'AbortError' });
  await until(() => given.length === 2);
  expect(live()).toEqual([]);
  expect(changes).toEqual([]);
});

test('a start that is aborted rejects with the reason, and what comes is stopped', async () => {
  const controller = new AbortController();
  const starting = media.start({ audio: true, video: true }, controller.signal);
  const reason = new Error('Hung up');
  controller.abort(reason);
  await expect(starting).rejects.toBe(reason);
  await until(() => given.length === 2);
  expect(live()).toEqual([]);
});

test('a camera that opens after the end is stopped', async () => {
  const late = await camera();
  const asked = Promise.withResolvers<undefined>();
  const allowed = Promise.withResolvers<MediaStream>();
  getUserMedia.mockImplementationOnce(() => {
    asked.resolve(undefined);
    return allowed.promise;
  });
  const opening = media.setDesired('camera', true);
  await asked.promise;
  media.dispose();
  await opening;
  allowed.resolve(new MediaStream([late]));
  await until(() => late.readyState === 'ended');
  expect(changes).toEqual([]);
});

test.each<[name: string, code: CommError['code']]>([
  ['NotAllowedError', 'MEDIA_DENIED'],
  ['SecurityError', 'MEDIA_DENIED'],
  ['NotFoundError', 'MEDIA_UNAVAILABLE'],
  ['NotReadableError', 'MEDIA_UNAVAILABLE'],
  ['AbortError', 'MEDIA_UNAVAILABLE'],
])('%s of the browser is %s', async (name, code) => {
  const cause = new DOMException('No', name);
  getUserMedia.mockRejectedValue(cause);
  await expect(media.start({ audio: true, video: true }, signal)).rejects.toMatchObject({ code, cause });
  await expect(media.setDesired('camera', true)).rejects.toMatchObject({ code, cause });
  expect(failed.map(({ slot, error }) => [slot, error.code])).toEqual([['camera', code]]);
  expect(media.isOn('camera')).toBe(false);
});

test('constraints that no device meets are MEDIA_UNAVAILABLE, for the real reason', async () => {
  const video = { width: { exact: 100_000 } };
  const error = await media.start({ audio: false, video }, signal).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'MEDIA_UNAVAILABLE', cause: { name: 'OverconstrainedError' } });
});

test('a wish that was overtaken does not fail', async () => {
  getUserMedia.mockRejectedValueOnce(new DOMException('No', 'NotReadableError'));
  const first = media.setDesired('camera', true);
  const last = media.setDesired('camera', false);
  await Promise.all([first, last]);
  expect([failed, media.isOn('camera')]).toEqual([[], false]);
});

test('another camera takes the place of the first, which is stopped', async () => {
  const cameras = (await media.devices()).filter(({ kind }) => kind === 'videoinput');
  expect(cameras.length).toBeGreaterThan(1);
  await media.start({ audio: false, video: true }, signal);
  const first = slots.get('camera');
  const other = cameras.find(({ deviceId }) => deviceId !== first?.getSettings().deviceId);
  await media.switchDevice('videoinput', other?.deviceId ?? '');
  expect(slots.get('camera')?.getSettings().deviceId).toBe(other?.deviceId);
  expect(live()).toEqual([slots.get('camera')]);
  // Off and on again: the one that was chosen.
  await media.setDesired('camera', false);
  await media.setDesired('camera', true);
  expect(slots.get('camera')?.getSettings().deviceId).toBe(other?.deviceId);
});

test('where the other device cannot be had, what was sent goes on', async () => {
  await media.start({ audio: true, video: false }, signal);
  const track = slots.get('mic');
  await expect(media.switchDevice('audioinput', 'gone')).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
  expect([slots.get('mic'), track?.readyState]).toEqual([track, 'live']);
});

/** Fires as for a device that is pulled out: `stop()` fires nothing. */
function unplug(track: MediaStreamTrack | null | undefined): void {
  track?.stop();
  track?.dispatchEvent(new Event('ended'));
}

test('the default device takes the place of one that is unplugged', async () => {
  await media.start({ audio: true, video: true }, signal);
  const first = slots.get('camera');
  unplug(first);
  await until(() => (slots.get('camera') ?? first) !== first);
  expect(slots.get('camera')?.readyState).toBe('live');
  expect([ended, held.tracks]).toEqual([[], 2]);
});

test('where there is no other, it is told that it is unplugged', async () => {
  await media.start({ audio: true, video: true }, signal);
  getUserMedia.mockRejectedValue(new DOMException('No', 'NotFoundError'));
  unplug(slots.get('camera'));
  await until(() => ended.length > 0);
  expect(ended).toEqual([{ slot: 'camera', reason: 'unplugged' }]);
  expect([slots.get('camera'), media.isOn('camera'), failed]).toEqual([null, false, []]);
});

test("a track of the app's is sent, switched off and on, and never stopped", async () => {
  const track = await camera();
  await media.start({ audio: false, video: track }, signal);
  expect(slots.get('camera')).toBe(track);
  await media.setDesired('camera', false);
  expect([slots.get('camera'), track.readyState]).toEqual([null, 'live']);
  await media.setDesired('camera', true);
  expect(slots.get('camera')).toBe(track);
  media.dispose();
  expect(track.readyState).toBe('live');
});

test('devices that change are told', async () => {
  const told = new Promise<readonly MediaDeviceInfo[]>((resolve) => media.on('devicechange', resolve));
  navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  expect((await told).map(({ kind }) => kind)).toContain('videoinput');
});

async function click(task: () => Promise<void>): Promise<void> {
  const button = document.createElement('button');
  button.textContent = 'go';
  document.body.append(button);
  const done = new Promise<void>((resolve, reject) => {
    button.addEventListener('click', () => void task().then(resolve, reject), { once: true });
  });
  try {
    await userEvent.click(button);
    await done;
  } finally {
    button.remove();
  }
}

test('a screen is shared, and "stop sharing" of the browser ends it', async () => {
  await click(() => media.shareScreen({}, signal));
  const screen = slots.get('screen');
  expect([screen?.kind, screen?.readyState, media.isOn('screen')]).toEqual(['video', 'live', true]);
  expect(media.screenStream?.getVideoTracks()).toEqual([screen]);
  unplug(screen);
  expect(ended).toEqual([{ slot: 'screen', reason: 'stopped' }]);
  expect([slots.get('screen'), slots.get('screenAudio'), media.screenStream]).toEqual([null, null, undefined]);
});

test('a screen that is no longer wanted is stopped, twice is once', async () => {
  await click(() => media.shareScreen({}, signal));
  const screen = slots.get('screen');
  media.stopScreen();
  media.stopScreen();
  expect([screen?.readyState, slots.get('screen'), ended]).toEqual(['ended', null, []]);
});

test('a picker that is closed is MEDIA_DENIED, and one that opens after the end is stopped', async () => {
  const pick = vi.spyOn(navigator.mediaDevices, 'getDisplayMedia');
  pick.mockRejectedValueOnce(new DOMException('No', 'NotAllowedError'));
  await expect(media.shareScreen({}, signal)).rejects.toMatchObject({ code: 'MEDIA_DENIED' });
  const late = await camera();
  const picked = Promise.withResolvers<MediaStream>();
  pick.mockReturnValueOnce(picked.promise);
  const sharing = media.shareScreen({}, signal);
  media.stopScreen();
  await expect(sharing).rejects.toMatchObject({ name: 'AbortError' });
  picked.resolve(new MediaStream([late]));
  await until(() => late.readyState === 'ended');
  expect(changes).toEqual([]);
});

test("a screen of the app's is sent and never stopped", async () => {
  const stream = new MediaStream([await camera()]);
  await media.shareScreen({ stream }, signal);
  expect(slots.get('screen')).toBe(stream.getVideoTracks()[0]);
  media.stopScreen();
  expect(stream.getVideoTracks()[0]?.readyState).toBe('live');
});
