import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock, type Clock } from '../../../src/lib/clock.ts';
import { BrowserLocalMedia } from '../../../src/client/calls/media/local-media.ts';
import { ProcessedMedia } from '../../../src/client/calls/media/processed-media.ts';
import type {
  LocalMediaEvents,
  ProcessedTrack,
  Slot,
  TrackProcessor,
} from '../../../src/client/calls/webrtc/media-backend.ts';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { stopTracks } from './tracks.ts';
import { until } from './until.ts';

let media: ProcessedMedia;
let slots: Map<Slot, MediaStreamTrack | null>;
let failed: LocalMediaEvents['failed'][];
/** Every track that `getUserMedia()` returned. */
let captured: MediaStreamTrack[];
/** What the processor has made, and of what. */
let made: { readonly from: MediaStreamTrack; readonly track: MediaStreamTrack; released: number }[];
const { signal } = new AbortController();

const throwIt = (error: unknown): never => {
  throw error;
};

const copy: TrackProcessor = (from) => {
  const each = { from, track: from.clone(), released: 0 };
  made.push(each);
  return { track: each.track, release: () => void (each.released += 1) };
};

function create(clock: Clock = systemClock): void {
  const inner = new BrowserLocalMedia({}, { clock, report: throwIt });
  media = new ProcessedMedia(inner, clock);
  media.on('slot', ({ slot, track }) => slots.set(slot, track));
  media.on('failed', (event) => failed.push(event));
}

beforeEach(() => {
  slots = new Map();
  failed = [];
  captured = [];
  made = [];
  const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  vi.spyOn(navigator.mediaDevices, 'getUserMedia').mockImplementation(async (constraints) => {
    const stream = await open(constraints);
    captured.push(...stream.getTracks());
    return stream;
  });
  create();
});

afterEach(async () => {
  media.dispose();
  await until(() => made.every(({ track, released }) => track.readyState === 'ended' && released === 1));
  expect(captured.map(({ readyState }) => readyState)).toEqual(captured.map(() => 'ended'));
  await expect.poll(() => resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
  stopTracks();
});

test('the processed track is sent and shown, and survives that the camera is switched and turned off and on', async () => {
  await media.setProcessor('camera', copy);
  await media.start({ audio: true, video: true }, signal);
  expect([slots.get('camera'), made.length, media.isSending('camera')]).toEqual([made[0]?.track, 1, true]);
  expect(media.stream?.getVideoTracks()).toEqual([made[0]?.track]);
  expect(media.stream?.getAudioTracks()).toEqual([slots.get('mic')]);

  const cameras = (await media.devices()).filter(({ kind }) => kind === 'videoinput');
  const other = cameras.find(({ deviceId }) => deviceId !== made[0]?.from.getSettings().deviceId);
  await media.switchDevice('videoinput', other?.deviceId ?? '');
  expect(made[1]?.from.getSettings().deviceId).toBe(other?.deviceId);
  expect([slots.get('camera'), made[0]?.released]).toEqual([made[1]?.track, 1]);
  expect(media.stream?.getVideoTracks()).toEqual([made[1]?.track]);

  await media.setEnabled('camera', false);
  expect([slots.get('camera'), made[1]?.released, media.isSending('camera')]).toEqual([null, 1, false]);
  expect(media.stream?.getVideoTracks()).toEqual([]);
  await media.setEnabled('camera', true);
  expect(slots.get('camera')).toBe(made[2]?.track);
  expect(made[2]?.from.readyState).toBe('live');
  expect(failed).toEqual([]);
});

test('a muted microphone stays open with its processor', async () => {
  await media.setProcessor('mic', copy);
  await media.start({ audio: true, video: false }, signal);
  await media.setEnabled('mic', false);
  expect([slots.get('mic'), made[0]?.released]).toEqual([null, 0]);
  await media.setEnabled('mic', true);
  expect([slots.get('mic'), made.length]).toEqual([made[0]?.track, 1]);
});

test('a processor can be set, replaced and removed while the camera is on', async () => {
  await media.start({ audio: false, video: true }, signal);
  const [raw] = captured;
  await media.setProcessor('camera', copy);
  expect([slots.get('camera'), made[0]?.from]).toEqual([made[0]?.track, raw]);
  await media.setProcessor('camera', copy);
  expect(slots.get('camera')).toBe(made[1]?.track);
  await until(() => made[0]?.released === 1);
  await media.setProcessor('camera', undefined);
  expect([slots.get('camera'), raw?.readyState]).toEqual([raw, 'live']);
  expect(media.stream?.getVideoTracks()).toEqual([raw]);
});

test.each<[string, TrackProcessor]>([
  ['throws', () => throwIt(new Error('No GPU'))],
  ['rejects', () => Promise.reject(new Error('No GPU'))],
  ['returns nothing', (() => undefined) as never],
  [
    'returns a track of another kind',
    () => ({
      track: new MediaStreamAudioDestinationNode(new AudioContext()).stream.getTracks()[0] as MediaStreamTrack,
    }),
  ],
])('the captured track is sent if the processor %s, and the error is reported', async (_, processor) => {
  await media.setProcessor('camera', processor);
  await media.start({ audio: false, video: true }, signal);
  expect(slots.get('camera')).toBe(captured[0]);
  expect(failed.map(({ slot, error }) => [slot, error.code])).toEqual([['camera', 'INTERNAL']]);
});

test('the captured track is sent if the processor takes more than 5 s, and a late result is released', async () => {
  media.dispose();
  const clock = manualClock();
  create(clock);
  const late = Promise.withResolvers<ProcessedTrack>();
  const called = Promise.withResolvers<MediaStreamTrack>();
  await media.setProcessor('camera', (track) => {
    called.resolve(track);
    return late.promise;
  });
  const starting = media.start({ audio: false, video: true }, signal);
  const raw = await called.promise;
  expect(media.isSending('camera')).toBe(false);
  clock.advance(5_000);
  await starting;
  expect(slots.get('camera')).toBe(raw);
  expect(failed.map(({ error }) => error.code)).toEqual(['TIMEOUT']);
  late.resolve(await copy(raw));
  await until(() => made[0]?.released === 1);
  expect(slots.get('camera')).toBe(raw);
});

test('a result that arrives after the end is released', async () => {
  const late = Promise.withResolvers<ProcessedTrack>();
  const called = Promise.withResolvers<MediaStreamTrack>();
  await media.setProcessor('camera', (track) => {
    called.resolve(track);
    return late.promise;
  });
  const starting = media.start({ audio: false, video: true }, signal);
  const raw = await called.promise;
  media.dispose();
  await starting.catch(() => undefined);
  late.resolve(await copy(raw));
  await until(() => made[0]?.released === 1);
  expect([media.stream, slots.get('camera')]).toEqual([undefined, undefined]);
});

test('the captured track replaces a processed track that ends by itself', async () => {
  await media.setProcessor('camera', copy);
  await media.start({ audio: false, video: true }, signal);
  // Unlike `stop()`, a source that closes fires `ended`.
  made[0]?.track.dispatchEvent(new Event('ended'));
  expect(slots.get('camera')).toBe(captured[0]);
  expect(failed.map(({ error }) => error.code)).toEqual(['INTERNAL']);
});

/** A processor that answers when the test says so. */
function held(): {
  readonly processor: TrackProcessor;
  readonly called: Promise<MediaStreamTrack>;
  answer: () => void;
} {
  const called = Promise.withResolvers<MediaStreamTrack>();
  const answered = Promise.withResolvers<undefined>();
  const processor: TrackProcessor = async (track) => {
    called.resolve(track);
    await answered.promise;
    return copy(track);
  };
  return { processor, called: called.promise, answer: () => answered.resolve(undefined) };
}

test('a processed track that ends while the next camera is processed does not stop that camera from being sent', async () => {
  await media.setProcessor('camera', copy);
  await media.start({ audio: false, video: true }, signal);
  const cameras = (await media.devices()).filter(({ kind }) => kind === 'videoinput');
  const other = cameras.find(({ deviceId }) => deviceId !== made[0]?.from.getSettings().deviceId)?.deviceId ?? '';
  const second = held();
  let isFirst = true;
  // The open track is processed at once, the one of the other camera when the test says so.
  await media.setProcessor('camera', (track) => {
    if (!isFirst) return second.processor(track);
    isFirst = false;
    return copy(track);
  });
  const switching = media.switchDevice('videoinput', other);
  await second.called;
  made[1]?.track.dispatchEvent(new Event('ended'));
  second.answer();
  await switching;
  expect([slots.get('camera'), made[2]?.from.getSettings().deviceId]).toEqual([made[2]?.track, other]);
  expect(failed).toEqual([]);
});

test('a processed track that ends while the next processor is pending does not supersede that processor', async () => {
  await media.setProcessor('camera', copy);
  await media.start({ audio: false, video: true }, signal);
  const second = held();
  const setting = media.setProcessor('camera', second.processor);
  await second.called;
  made[0]?.track.dispatchEvent(new Event('ended'));
  second.answer();
  await setting;
  expect(slots.get('camera')).toBe(made[1]?.track);
  expect(failed).toEqual([]);
});

test('a processor that is set while another one is pending replaces it', async () => {
  media.dispose();
  // The pending one is not given up after 5 s.
  create(manualClock());
  const first = held();
  await media.setProcessor('camera', first.processor);
  const starting = media.start({ audio: false, video: true }, signal);
  await first.called;
  await media.setProcessor('camera', undefined);
  expect(slots.get('camera')).toBe(captured[0]);
  await media.setProcessor('camera', copy);
  expect(slots.get('camera')).toBe(made[0]?.track);
  first.answer();
  await starting;
  await until(() => made[1]?.released === 1);
  expect(slots.get('camera')).toBe(made[0]?.track);
});

test('a processor that is set while the next camera is processed processes that camera', async () => {
  await media.setProcessor('camera', copy);
  await media.start({ audio: false, video: true }, signal);
  const cameras = (await media.devices()).filter(({ kind }) => kind === 'videoinput');
  const other = cameras.find(({ deviceId }) => deviceId !== made[0]?.from.getSettings().deviceId)?.deviceId ?? '';
  const second = held();
  let isFirst = true;
  await media.setProcessor('camera', (track) => {
    if (!isFirst) return second.processor(track);
    isFirst = false;
    return copy(track);
  });
  const switching = media.switchDevice('videoinput', other);
  await second.called;
  await media.setProcessor('camera', copy);
  expect([slots.get('camera'), made[2]?.from.getSettings().deviceId]).toEqual([made[2]?.track, other]);
  second.answer();
  await switching;
  await until(() => made[3]?.released === 1);
  expect(slots.get('camera')).toBe(made[2]?.track);
});
