import type { BarcodeDetector } from 'qr/decode.js';
import { h } from '../lib/dom.ts';
import { childAbort } from '../lib/watch.ts';
import { button } from '../ui/button.ts';

/** What this page needs of https://wicg.github.io/shape-detection-api/. */
type Detector = Pick<BarcodeDetector, 'detect'>;

/** A view of the camera that looks for a QR code. */
export interface QrScanner {
  readonly element: HTMLElement;
  /** The text of the first code; `undefined` if the user has stopped. Rejects if the camera can't be used. */
  readonly found: Promise<string | undefined>;
}

/** Starts the camera, preferably the one on the back of a phone. @param signal - aborts when the dialog closes */
export function startQrScanner(signal: AbortSignal): QrScanner {
  const scope = childAbort(signal);
  const video = h('video', { class: 'scanner-video', playsinline: true, tabindex: -1, 'aria-label': 'Your camera' });
  // The attribute only sets the default; a created element needs the property.
  video.muted = true;
  const stop = button({ label: 'Stop the camera', class: 'button-small' }, () => scope.abort());
  const element = h(
    'div',
    { class: 'scanner' },
    h('div', { class: 'scanner-frame' }, video),
    h('p', { class: 'muted', role: 'status' }, 'Hold the code of the other screen in front of the camera.'),
    stop,
  );
  const found = scan(video, scope.signal).finally(() => {
    scope.abort();
    element.remove();
  });
  return { element, found };
}

async function scan(video: HTMLVideoElement, signal: AbortSignal): Promise<string | undefined> {
  const loading = createDetector();
  loading.catch(() => undefined);
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  try {
    video.srcObject = stream;
    await video.play();
    return await firstCode(video, await loading, signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  } finally {
    video.srcObject = null;
    for (const track of stream.getTracks()) track.stop();
  }
}

async function firstCode(
  video: HTMLVideoElement,
  detector: Detector,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!(await nextFrame(video, signal))) return undefined;
  const [code] = await detector.detect(video);
  return code === undefined ? await firstCode(video, detector, signal) : code.rawValue;
}

/** Resolves with `false` if `signal` aborts first. */
function nextFrame(video: HTMLVideoElement, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  if (signal.aborted) return Promise.resolve(false);
  const frame = video.requestVideoFrameCallback(() => resolve(true));
  signal.addEventListener('abort', () => {
    video.cancelVideoFrameCallback(frame);
    resolve(false);
  });
  return promise;
}

/** The detector of the browser, or a library where it has none. */
async function createDetector(): Promise<Detector> {
  const { BarcodeDetector: native } = globalThis as { BarcodeDetector?: typeof BarcodeDetector };
  if (native !== undefined && (await native.getSupportedFormats()).includes('qr_code'))
    return new native({ formats: ['qr_code'] });
  const { BarcodeDetector: library } = await import('qr/decode.js');
  return new library({ formats: ['qr_code'] });
}
