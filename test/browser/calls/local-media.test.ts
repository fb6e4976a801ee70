import { afterEach, beforeEach, expect, test, vi, type MockInstance } from 'vitest';
import { userEvent } from 'vitest/browser';
import { systemClock } from '../../../src/lib/clock.ts';
import { seededRandom } from '../../../src/lib/seeded-random.ts';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';
import type { LocalMediaEvents, Slot } from '../../../src/client/calls/webrtc/media-backend.ts';
import { BrowserLocalMedia, type LocalMediaOptions } from '../../../src/client/calls/media/local-media.ts';
import type { CommError } from '../../../src/protocol/errors.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { camera, stopTracks } from './tracks.ts';
import { until } from './until.ts';

let media: BrowserLocalMedia;
let slots: Map<Slot, MediaStreamTrack | null>;
let changes: Slot[];
let ended: LocalMediaEvents['ended'][];
let failed: LocalMediaEvents['failed'][];
/** Every track that `getUserMedia()` returned. */
let captured: MediaStreamTrack[];
let getUserMedia: MockInstance<MediaDevices['getUserMedia']>;
const { signal } = new AbortController();

const live = (): MediaStreamTrack[] => captured.filter(({ readyState }) => readyState === 'live');
const NO_RESOURCES = { connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 };

const throwIt = (error: unknown): never => {
  throw error;
};

function create(options: Partial<LocalMediaOptions> = {}): void {
  media = new BrowserLocalMedia({}, { clock: systemClock, report: throwIt, ...options });
  media.on('slot', ({ slot, track }) => {
    slots.set(slot, track);
    changes.push(slot);
  });
  media.on('ended', (event) => ended.push(event));
  media.on('failed', (event) => failed.push(event));
}

beforeEach(() => {
  slots = new Map();
  changes = [];
  ended = [];
  failed = [];
  captured = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  getUserMedia = vi.spyOn(navigator.mediaDevices, 'getUserMedia').mockImplementation(async (constraints) => {
    const stream = await open(constraints);
    captured.push(...stream.getTracks());
    return stream;
  });
  create();
});

afterEach(() => {
  media.dispose();
  expect(resourceCounters).toEqual(NO_RESOURCES);
  stopTracks();
  expect(live()).toEqual([]);
});

test('microphone and camera are opened by one request', async () => {
  await media.start({ audio: true, video: true }, signal);
  expect(getUserMedia).toHaveBeenCalledTimes(1);
  expect([slots.get('mic')?.kind, slots.get('camera')?.kind]).toEqual(['audio', 'video']);
  expect(media.stream?.getTracks()).toHaveLength(2);
  expect(['mic', 'camera', 'screen'].map((slot) => media.isSending(slot as Slot))).toEqual([true, true, false]);
});

test('an audio call opens no camera', async () => {
  await media.start({ audio: true, video: undefined }, signal);
  expect(live().map(({ kind }) => kind)).toEqual(['audio']);
  expect(slots.has('camera')).toBe(false);
});

test('turning the camera off stops it, and turning it on reopens it in the same stream', async () => {
  await media.start({ audio: true, video: true }, signal);
  const { stream } = media;
  const first = slots.get('camera');
  await media.setEnabled('camera', false);
  expect([first?.readyState, slots.get('camera'), resourceCounters.tracks]).toEqual(['ended', null, 1]);
  expect(stream?.getVideoTracks()).toEqual([]);
  await media.setEnabled('camera', true);
  expect(slots.get('camera')?.readyState).toBe('live');
  expect(media.stream).toBe(stream);
  expect(stream?.getVideoTracks()).toEqual([slots.get('camera')]);
});

test('a muted microphone stays open without sending', async () => {
  await media.start({ audio: true, video: false }, signal);
  const track = slots.get('mic');
  await media.setEnabled('mic', false);
  expect([slots.get('mic'), track?.readyState, media.isSending('mic')]).toEqual([null, 'live', false]);
  await media.setEnabled('mic', true);
  expect(slots.get('mic')).toBe(track);
});

test.each([true, false])('after twenty rapid toggles the last one wins: %s', async (last) => {
  await media.start({ audio: false, video: true }, signal);
  const random = seededRandom(last ? 1 : 0);
  const toggles: Promise<void>[] = [];
  for (let n = 0; n < 20; n += 1) {
    toggles.push(media.setEnabled('camera', n % 2 === (last ? 1 : 0)));
    if (random.chance(1 / 3)) await random.pick(toggles);
  }
  await Promise.all(toggles);
  expect(media.isSending('camera')).toBe(last);
  expect(live()).toEqual(last ? [slots.get('camera')] : []);
  expect(failed).toEqual([]);
});

test('tracks that arrive after the end are stopped', async () => {
  const starting = media.start({ audio: true, video: true }, signal);
  media.dispose();
  await expect(starting).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await until(() => captured.length === 2);
  expect(live()).toEqual([]);
  expect(changes).toEqual([]);
});

test('an aborted start rejects with the reason, and tracks that arrive later are stopped', async () => {
  const controller = new AbortController();
  const starting = media.start({ audio: true, video: true }, controller.signal);
  const reason = new Error('Hung up');
  controller.abort(reason);
  await expect(starting).rejects.toBe(reason);
  await until(() => captured.length === 2);
  expect(live()).toEqual([]);
});

test('a camera that is turned on and opens after the end is stopped', async () => {
  const late = await camera();
  const requested = Promise.withResolvers<undefined>();
  const allowed = Promise.withResolvers<MediaStream>();
  getUserMedia.mockImplementationOnce(() => {
    requested.resolve(undefined);
    return allowed.promise;
  });
  const opening = media.setEnabled('camera', true);
  await requested.promise;
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
])('%s of the browser becomes %s', async (name, code) => {
  const cause = new DOMException('No', name);
  getUserMedia.mockRejectedValue(cause);
  await expect(media.start({ audio: true, video: true }, signal)).rejects.toMatchObject({ code, cause });
  await expect(media.setEnabled('camera', true)).rejects.toMatchObject({ code, cause });
  expect(failed.map(({ slot, error }) => [slot, error.code])).toEqual([['camera', code]]);
  expect(media.isSending('camera')).toBe(false);
});

test('constraints that no device meets are MEDIA_UNAVAILABLE with the original cause', async () => {
  const video = { width: { exact: 100_000 } };
  const error = await media.start({ audio: false, video }, signal).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'MEDIA_UNAVAILABLE', cause: { name: 'OverconstrainedError' } });
});

test('a superseded request does not fail', async () => {
  getUserMedia.mockRejectedValueOnce(new DOMException('No', 'NotReadableError'));
  const first = media.setEnabled('camera', true);
  const last = media.setEnabled('camera', false);
  await Promise.all([first, last]);
  expect([failed, media.isSending('camera')]).toEqual([[], false]);
});

test('switching the camera stops the previous one', async () => {
  const cameras = (await media.devices()).filter(({ kind }) => kind === 'videoinput');
  expect(cameras.length).toBeGreaterThan(1);
  await media.start({ audio: false, video: true }, signal);
  const first = slots.get('camera');
  const other = cameras.find(({ deviceId }) => deviceId !== first?.getSettings().deviceId);
  await media.switchDevice('videoinput', other?.deviceId ?? '');
  expect(slots.get('camera')?.getSettings().deviceId).toBe(other?.deviceId);
  expect(live()).toEqual([slots.get('camera')]);
  // The selected camera is used again after it was off.
  await media.setEnabled('camera', false);
  await media.setEnabled('camera', true);
  expect(slots.get('camera')?.getSettings().deviceId).toBe(other?.deviceId);
});

test('if switching fails, the previous device continues', async () => {
  await media.start({ audio: true, video: false }, signal);
  const track = slots.get('mic');
  await expect(media.switchDevice('audioinput', 'gone')).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
  expect([slots.get('mic'), track?.readyState]).toEqual([track, 'live']);
});

/** A phone: a camera can't be opened while another one is open. `asked` holds the constraints of each request. */
function phone(): { asked: MediaTrackConstraints[] } {
  const open = getUserMedia.getMockImplementation();
  const asked: MediaTrackConstraints[] = [];
  getUserMedia.mockImplementation(async (constraints = {}) => {
    const { video } = constraints;
    if (typeof video !== 'object') return (open ?? throwIt)(constraints);
    asked.push(video);
    if (live().some(({ kind }) => kind === 'video')) throw new DOMException('In use', 'NotReadableError');
    const others = { ...video };
    delete others.facingMode;
    return (open ?? throwIt)({ ...constraints, video: others });
  });
  return { asked };
}

async function otherCamera(): Promise<string> {
  const cameras = (await media.devices()).filter(({ kind }) => kind === 'videoinput');
  const current = slots.get('camera')?.getSettings().deviceId;
  return cameras.find(({ deviceId }) => deviceId !== current)?.deviceId ?? '';
}

test('on a phone, the open camera is released before another one is opened', async () => {
  phone();
  await media.start({ audio: false, video: true }, signal);
  const other = await otherCamera();
  await media.switchDevice('videoinput', other);
  expect(slots.get('camera')?.getSettings().deviceId).toBe(other);
  expect(live()).toEqual([slots.get('camera')]);
  expect([failed, ended]).toEqual([[], []]);
});

test('{ facingMode } switches between the cameras of a phone', async () => {
  const { asked } = phone();
  await media.start({ audio: false, video: { facingMode: 'user', frameRate: 10 } }, signal);
  await media.switchDevice('videoinput', { facingMode: 'environment' });
  expect(asked.at(-1)).toEqual({ frameRate: 10, facingMode: { exact: 'environment' } });
  expect(asked).toHaveLength(2);
  expect(live()).toEqual([slots.get('camera')]);
  await media.setEnabled('camera', false);
  await media.setEnabled('camera', true);
  expect(asked.at(-1)).toEqual({ frameRate: 10, facingMode: { exact: 'environment' } });
});

test('if the other camera of a phone fails, the previous one is opened again', async () => {
  const { asked } = phone();
  await media.start({ audio: false, video: true }, signal);
  const before = slots.get('camera')?.getSettings().deviceId;
  const open = getUserMedia.getMockImplementation();
  getUserMedia.mockImplementation((constraints) => {
    const { video } = constraints ?? {};
    const isOther = typeof video === 'object' && video.facingMode !== undefined;
    return isOther ? Promise.reject(new DOMException('No', 'OverconstrainedError')) : (open ?? throwIt)(constraints);
  });
  const switching = media.switchDevice('videoinput', { facingMode: 'environment' });
  await expect(switching).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
  expect(slots.get('camera')?.getSettings().deviceId).toBe(before);
  expect(slots.get('camera')?.readyState).toBe('live');
  // Once at the start, and once again.
  expect([media.isSending('camera'), ended, asked.length]).toEqual([true, [], 2]);
});

test('switching to a missing device rejects, also while the device is off', async () => {
  await media.start({ audio: true, video: false }, signal);
  for (const kind of ['audioinput', 'videoinput'] as const) {
    await expect(media.switchDevice(kind, 'gone')).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
  }
});

test('a switch that the end of the call cuts off rejects with a CommError', async () => {
  await media.start({ audio: false, video: true }, signal);
  const late = await camera();
  const requested = Promise.withResolvers<undefined>();
  const allowed = Promise.withResolvers<MediaStream>();
  const other = await otherCamera();
  getUserMedia.mockImplementation(() => {
    requested.resolve(undefined);
    return allowed.promise;
  });
  const switching = media.switchDevice('videoinput', other);
  await requested.promise;
  media.dispose();
  await expect(switching).rejects.toMatchObject({ code: 'NOT_FOUND' });
  allowed.resolve(new MediaStream([late]));
  await until(() => late.readyState === 'ended');
});

/** Simulates unplugging: unlike `stop()`, it fires `ended`. */
function unplug(track: MediaStreamTrack | null | undefined): void {
  track?.stop();
  track?.dispatchEvent(new Event('ended'));
}

test('an unplugged device is replaced by the default device', async () => {
  await media.start({ audio: true, video: true }, signal);
  const first = slots.get('camera');
  unplug(first);
  await until(() => (slots.get('camera') ?? first) !== first);
  expect(slots.get('camera')?.readyState).toBe('live');
  expect([ended, resourceCounters.tracks]).toEqual([[], 2]);
});

test('an unplugged device without a replacement is reported', async () => {
  await media.start({ audio: true, video: true }, signal);
  getUserMedia.mockRejectedValue(new DOMException('No', 'NotFoundError'));
  unplug(slots.get('camera'));
  await until(() => ended.length > 0);
  expect(ended).toEqual([{ slot: 'camera', reason: 'unplugged' }]);
  expect([slots.get('camera'), media.isSending('camera'), failed]).toEqual([null, false, []]);
});

/** Makes requests for an exact device fail from now on, as for an unplugged one. */
function removeChosenDevice(): void {
  const open = getUserMedia.getMockImplementation();
  getUserMedia.mockImplementation((constraints) => {
    const { video } = constraints ?? {};
    return typeof video === 'object' && video.deviceId !== undefined
      ? Promise.reject(new DOMException('Gone', 'OverconstrainedError'))
      : (open ?? throwIt)(constraints);
  });
}

test('a chosen camera that is unplugged while it is off is replaced when it is turned on', async () => {
  await media.start({ audio: false, video: true }, signal);
  await media.switchDevice('videoinput', await otherCamera());
  await media.setEnabled('camera', false);
  removeChosenDevice();
  await media.setEnabled('camera', true);
  expect([slots.get('camera')?.readyState, failed]).toEqual(['live', []]);
});

test('a camera that was requested by an exact id is replaced when it is unplugged', async () => {
  await media.start({ audio: false, video: true }, signal);
  const exact = await otherCamera();
  media.dispose();
  create();
  await media.start({ audio: false, video: { deviceId: { exact } } }, signal);
  const first = slots.get('camera');
  expect(first?.getSettings().deviceId).toBe(exact);
  removeChosenDevice();
  unplug(first);
  await until(() => (slots.get('camera') ?? first) !== first);
  expect([slots.get('camera')?.readyState, ended]).toEqual(['live', []]);
});

test('a missing device that start() requests by an exact id is an error', async () => {
  const starting = media.start({ audio: false, video: { deviceId: { exact: 'gone' } } }, signal);
  await expect(starting).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
});

test('a device that ends as soon as it is opened is reopened five times with growing delays, then turned off', async () => {
  media.dispose();
  const clock = manualClock();
  create({ clock });
  await media.start({ audio: false, video: true }, signal);
  const delays: number[] = [];
  while (media.isSending('camera')) {
    const track = slots.get('camera');
    unplug(track);
    let waited = 0;
    while (clock.pending > 0 && waited < 10_000) {
      clock.advance(250);
      waited += 250;
    }
    delays.push(waited);
    await until(() => ended.length > 0 || (slots.get('camera') ?? track) !== track);
  }
  expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 0]);
  expect([ended, getUserMedia.mock.calls.length]).toEqual([[{ slot: 'camera', reason: 'unplugged' }], 6]);
  // The user can turn it on again.
  await media.setEnabled('camera', true);
  expect(media.isSending('camera')).toBe(true);
});

test('a track of the app is sent, turned off and on, and never stopped', async () => {
  const track = await camera();
  await media.start({ audio: false, video: track }, signal);
  expect(slots.get('camera')).toBe(track);
  await media.setEnabled('camera', false);
  expect([slots.get('camera'), track.readyState]).toEqual([null, 'live']);
  await media.setEnabled('camera', true);
  expect(slots.get('camera')).toBe(track);
  media.dispose();
  expect(track.readyState).toBe('live');
});

test('a change of the devices is reported', async () => {
  const changed = new Promise<readonly MediaDeviceInfo[]>((resolve) => media.on('devicechange', resolve));
  navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  expect((await changed).map(({ kind }) => kind)).toContain('videoinput');
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

test('a screen is shared until "Stop sharing" of the browser ends it', async () => {
  await click(() => media.shareScreen({}, signal));
  const screen = slots.get('screen');
  expect([screen?.kind, screen?.readyState, media.isSending('screen')]).toEqual(['video', 'live', true]);
  expect(media.screenStream?.getVideoTracks()).toEqual([screen]);
  unplug(screen);
  expect(ended).toEqual([{ slot: 'screen', reason: 'stopped' }]);
  expect([slots.get('screen'), slots.get('screenAudio'), media.screenStream]).toEqual([null, null, undefined]);
});

test('stopScreenShare() stops the screen and is idempotent', async () => {
  await click(() => media.shareScreen({}, signal));
  const screen = slots.get('screen');
  media.stopScreenShare();
  media.stopScreenShare();
  expect([screen?.readyState, slots.get('screen'), ended]).toEqual(['ended', null, []]);
});

test('a closed picker is MEDIA_DENIED, and a screen that is picked after the end is stopped', async () => {
  const pick = vi.spyOn(navigator.mediaDevices, 'getDisplayMedia');
  pick.mockRejectedValueOnce(new DOMException('No', 'NotAllowedError'));
  await expect(media.shareScreen({}, signal)).rejects.toMatchObject({ code: 'MEDIA_DENIED' });
  const late = await camera();
  const picked = Promise.withResolvers<MediaStream>();
  pick.mockReturnValueOnce(picked.promise);
  const sharing = media.shareScreen({}, signal);
  media.stopScreenShare();
  await expect(sharing).rejects.toMatchObject({ code: 'CANCELLED' });
  picked.resolve(new MediaStream([late]));
  await until(() => late.readyState === 'ended');
  expect(changes).toEqual([]);
});

test('a screen of the app is sent and never stopped', async () => {
  const stream = new MediaStream([await camera()]);
  await media.shareScreen({ stream }, signal);
  expect(slots.get('screen')).toBe(stream.getVideoTracks()[0]);
  media.stopScreenShare();
  expect(stream.getVideoTracks()[0]?.readyState).toBe('live');
});

test('a device counts as enabled from the request on, also while it is opening', async () => {
  const opening = media.setEnabled('camera', true);
  expect([media.isEnabled('camera'), media.isSending('camera')]).toEqual([true, false]);
  await opening;
  expect([media.isEnabled('camera'), media.isSending('camera')]).toEqual([true, true]);
  await media.setEnabled('camera', false);
  expect([media.isEnabled('camera'), media.isSending('camera')]).toEqual([false, false]);
});
