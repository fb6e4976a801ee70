import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { systemRandom } from '../../../src/lib/random.ts';
import { browserPlatform } from '../../../src/client/calls/media/browser-platform.ts';
import { openPreview, type PreviewHost } from '../../../src/client/calls/media/media-preview.ts';
import type { HandedMedia } from '../../../src/client/calls/media/session-media.ts';
import type { CallOptions, MediaPreview } from '../../../src/client/calls/session/call-types.ts';
import type { CallMedia } from '../../../src/client/calls/webrtc/media-backend.ts';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';
import { until } from './until.ts';

/** Every track that `getUserMedia()` returned. */
let captured: MediaStreamTrack[];
let previews: WeakMap<MediaPreview, () => HandedMedia>;
let end: AbortController;

const throwIt = (error: unknown): never => {
  throw error;
};
const live = (): string[] => captured.filter(({ readyState }) => readyState === 'live').map(({ kind }) => kind);

function open(media: CallMedia = {}, options: CallOptions = {}, signal?: AbortSignal): Promise<MediaPreview> {
  const context = { clock: systemClock, random: systemRandom, report: throwIt };
  const host: PreviewHost = {
    context,
    platform: browserPlatform(context, options),
    options,
    previews,
    end: end.signal,
  };
  return openPreview(host, media, signal);
}

beforeEach(() => {
  captured = [];
  previews = new WeakMap();
  end = new AbortController();
  const { mediaDevices } = navigator;
  const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices);
  vi.spyOn(mediaDevices, 'getUserMedia').mockImplementation(async (constraints) => {
    const stream = await getUserMedia(constraints);
    captured.push(...stream.getTracks());
    return stream;
  });
});

afterEach(async () => {
  await expect.poll(live).toEqual([]);
  await expect.poll(() => resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('shows microphone and camera, the devices and the level, and closes everything when it is stopped', async () => {
  const preview = await open();
  const { stream, devices } = preview.getSnapshot();
  expect(preview.getSnapshot()).toMatchObject({ audioMuted: false, videoMuted: false, ended: false, error: undefined });
  expect(
    stream
      ?.getTracks()
      .map(({ kind }) => kind)
      .toSorted(),
  ).toEqual(['audio', 'video']);
  expect(devices.map(({ kind }) => kind)).toContain('videoinput');
  // The fake microphone beeps.
  await until(() => preview.getSnapshot().audioLevel > 0);
  preview.stop();
  preview.stop();
  expect(preview.getSnapshot()).toMatchObject({ stream: undefined, audioMuted: true, audioLevel: 0, ended: true });
  await expect(preview.setVideo(true)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(previews.has(preview)).toBe(false);
});

test('devices are turned off and on, and switched', async () => {
  const preview = await open();
  const { stream, devices } = preview.getSnapshot();
  await preview.setAudio(false);
  await preview.setVideo(false);
  expect(preview.getSnapshot()).toMatchObject({ audioMuted: true, videoMuted: true });
  expect(live()).toEqual(['audio']);
  const other = devices.findLast(({ kind }) => kind === 'videoinput');
  await preview.switchDevice('videoinput', other?.deviceId ?? '');
  await preview.setVideo(true);
  expect(preview.getSnapshot().stream).toBe(stream);
  expect(stream?.getVideoTracks()[0]?.getSettings().deviceId).toBe(other?.deviceId);
  await expect(preview.switchDevice('audiooutput' as never, 'x')).rejects.toThrow(TypeError);
  preview.stop();
});

test('a call takes over the devices as they are, and the preview has no part in them any more', async () => {
  const preview = await open();
  await preview.setVideo(false);
  const { stream } = preview.getSnapshot();
  const handed = previews.get(preview)?.();
  expect(handed?.slots.map(({ slot, track }) => [slot, track])).toEqual([
    ['mic', stream?.getAudioTracks()[0]],
    ['camera', null],
  ]);
  expect([preview.getSnapshot().ended, previews.has(preview), handed?.local.stream]).toEqual([true, false, stream]);
  preview.stop();
  end.abort();
  expect(live()).toEqual(['audio']);
  handed?.local.dispose();
});

test('without a camera only the microphone is opened, and the error says so', async () => {
  vi.spyOn(navigator.mediaDevices, 'getUserMedia').mockRejectedValueOnce(new DOMException('No', 'NotFoundError'));
  const preview = await open();
  expect(preview.getSnapshot()).toMatchObject({
    audioMuted: false,
    videoMuted: true,
    error: { code: 'MEDIA_UNAVAILABLE' },
  });
  preview.stop();
});

test.each([
  ['an abort', 'Given up'],
  ['disconnect()', 'The preview was stopped'],
])('devices that open after %s are closed', async (by, reason) => {
  const controller = new AbortController();
  const opening = open({}, {}, controller.signal);
  if (by === 'an abort') controller.abort(new Error('Given up'));
  else end.abort();
  await expect(opening).rejects.toThrow(reason);
  await until(() => captured.length === 2);
});

test('the client stops an open preview when it disconnects', async () => {
  const preview = await open({ video: false });
  end.abort();
  expect([preview.getSnapshot().ended, live()]).toEqual([true, []]);
});

test('shows processed tracks, and hands over the processors', async () => {
  const released = vi.fn();
  const made: MediaStreamTrack[] = [];
  const preview = await open(
    { audio: false },
    {
      processors: {
        video: (track) => {
          made.push(track.clone());
          return { track: made.at(-1) as MediaStreamTrack, release: released };
        },
      },
    },
  );
  expect(preview.getSnapshot().stream?.getVideoTracks()).toEqual(made);
  const local = previews.get(preview)?.().local;
  await local?.setEnabled('camera', false);
  await local?.setEnabled('camera', true);
  expect([made.length, released.mock.calls.length]).toEqual([2, 1]);
  expect(local?.stream?.getVideoTracks()).toEqual([made[1]]);
  local?.dispose();
  expect(released).toHaveBeenCalledTimes(2);
});
