import { afterEach, beforeEach, expect, test, vi, type MockInstance } from 'vitest';
import type { CommEvents } from '../../../src/client/events.ts';
import type { RecordVoiceOptions, VoiceRecorder, VoiceRecording } from '../../../src/client/files/files-client.ts';
import { recordVoice } from '../../../src/client/files/record-voice.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { Emitter } from '../../../src/lib/emitter.ts';
import { until } from '../calls/until.ts';

/** Every track that `getUserMedia()` returned. */
let captured: MediaStreamTrack[];
let recorded: VoiceRecording[];
/** The calls of `MediaRecorder.start()`. */
let started: MockInstance<MediaRecorder['start']>;
let emitter: Emitter<CommEvents>;

const throwIt = (error: unknown): never => {
  throw error;
};

async function record(options: RecordVoiceOptions = {}): Promise<VoiceRecorder> {
  const context = { clock: systemClock, emitter, report: throwIt };
  return await recordVoice(context, options, (recording) => recorded.push(recording));
}

/** Waits until the running recording has sound. The encoder is a thread of its own, which may be later than the levels. */
async function isEncoded(): Promise<void> {
  const recorder = started.mock.contexts.at(-1) as MediaRecorder;
  let bytes = 0;
  recorder.addEventListener('dataavailable', ({ data }) => (bytes += data.size));
  await until(() => {
    recorder.requestData();
    // More than the header of the file.
    return bytes > 1_000;
  });
}

beforeEach(() => {
  captured = [];
  recorded = [];
  emitter = new Emitter<CommEvents>(throwIt);
  const { mediaDevices } = navigator;
  const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices);
  vi.spyOn(mediaDevices, 'getUserMedia').mockImplementation(async (constraints) => {
    const stream = await getUserMedia(constraints);
    captured.push(...stream.getTracks());
    return stream;
  });
  started = vi.spyOn(MediaRecorder.prototype, 'start');
});

afterEach(async () => {
  await expect.poll(() => captured.filter(({ readyState }) => readyState === 'live')).toEqual([]);
});

test('a recording has levels while it runs, then a file that plays, its duration and its waveform', async () => {
  const recorder = await record({ fileName: 'hello' });
  expect(recorder.getSnapshot()).toEqual({ state: 'recording', elapsedMs: 0, levels: [] });
  // The fake microphone beeps once a second.
  await until(() => recorder.getSnapshot().levels.some((level) => level > 0));
  await until(() => recorder.getSnapshot().elapsedMs > 1_000);
  await isEncoded();
  const recording = await recorder.stop();
  const { file, duration, waveform } = recording;
  expect(recorder.getSnapshot().state).toBe('stopped');
  expect(duration).toBe(recorder.getSnapshot().elapsedMs / 1_000);
  expect(file.name).toMatch(/^hello\.(?:m4a|webm|ogg)$/);
  expect(file.type).toMatch(/^audio\//);
  expect(waveform.length).toBeGreaterThan(0);
  expect(waveform.length).toBeLessThanOrEqual(64);
  expect(Math.max(...waveform)).toBe(100);
  const sound = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(await file.arrayBuffer());
  expect(sound.duration).toBeGreaterThan(0);
  expect(recorded).toEqual([recording]);
  expect(await recorder.stop()).toBe(recording);
  recorder.cancel();
  expect(recorder.getSnapshot().state).toBe('stopped');
});

test('a cancelled recording leaves nothing', async () => {
  const recorder = await record();
  recorder.cancel();
  recorder.cancel();
  expect(recorder.getSnapshot().state).toBe('cancelled');
  expect(captured.map(({ readyState }) => readyState)).toEqual(['ended']);
  await expect(recorder.stop()).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(recorded).toEqual([]);
});

test('a recording ends by itself after the longest duration', async () => {
  const recorder = await record({ maxDurationMs: 200 });
  await until(() => recorder.getSnapshot().state === 'stopped');
  expect(captured.map(({ readyState }) => readyState)).toEqual(['ended']);
  expect(recorder.getSnapshot().elapsedMs).toBeGreaterThanOrEqual(200);
});

test('a recording ends when the microphone is unplugged, and what was recorded stays', async () => {
  const recorder = await record();
  await isEncoded();
  captured[0]?.dispatchEvent(new Event('ended'));
  expect(recorder.getSnapshot()).toMatchObject({ state: 'stopped', error: { code: 'MEDIA_UNAVAILABLE' } });
  expect((await recorder.stop()).file.size).toBeGreaterThan(0);
});

test('an abort and disconnect() cancel a recording', async () => {
  const controller = new AbortController();
  const aborted = await record({ signal: controller.signal });
  const disconnected = await record();
  controller.abort(new Error('Given up'));
  emitter.emit('status', 'reconnecting');
  expect(disconnected.getSnapshot().state).toBe('recording');
  emitter.emit('status', 'disconnected');
  expect([aborted.getSnapshot().state, disconnected.getSnapshot().state]).toEqual(['cancelled', 'cancelled']);
  await expect(aborted.stop()).rejects.toThrow('Given up');
  await expect(disconnected.stop()).rejects.toMatchObject({ code: 'DISCONNECTED' });
});

test('a microphone that opens after an abort is closed', async () => {
  const controller = new AbortController();
  const opening = record({ signal: controller.signal });
  controller.abort(new Error('Given up'));
  await expect(opening).rejects.toThrow('Given up');
  await until(() => captured.length === 1);
});

test('an abort while the microphone is handed over closes it', async () => {
  const { mediaDevices } = navigator;
  const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices);
  const controller = new AbortController();
  vi.spyOn(mediaDevices, 'getUserMedia').mockImplementationOnce((constraints) => {
    const opening = getUserMedia(constraints);
    // A handler added after those of `recordVoice()` runs when it can no longer reject for the abort alone.
    queueMicrotask(() => void opening.then(() => controller.abort(new Error('Given up'))));
    return opening;
  });
  await expect(record({ signal: controller.signal })).rejects.toThrow('Given up');
  await until(() => captured.length === 1);
});

test.each([
  ['NotAllowedError', 'MEDIA_DENIED'],
  ['NotFoundError', 'MEDIA_UNAVAILABLE'],
])('%s of the browser is %s', async (name, code) => {
  vi.spyOn(navigator.mediaDevices, 'getUserMedia').mockRejectedValueOnce(new DOMException('No', name));
  await expect(record()).rejects.toMatchObject({ code });
});

test('without a usable MediaRecorder the microphone is not left open', async () => {
  started.mockImplementationOnce(() => {
    throw new DOMException('No encoder', 'NotSupportedError');
  });
  await expect(record()).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
  expect(captured).toHaveLength(1);
  vi.spyOn(MediaRecorder, 'isTypeSupported').mockReturnValue(false);
  await expect(record()).rejects.toMatchObject({ code: 'MEDIA_UNAVAILABLE' });
  expect(captured).toHaveLength(1);
});

test('wrong options are a TypeError', async () => {
  await expect(record({ maxDurationMs: 0 })).rejects.toThrow(TypeError);
  await expect(record({ fileName: '' })).rejects.toThrow(TypeError);
  await expect(record({ seconds: 1 } as never)).rejects.toThrow(TypeError);
  expect(captured).toEqual([]);
});
