import { rgbaToThumbHash } from 'thumbhash';
import type { MessageAttachment } from '../../protocol/messages.ts';
import { waveformOf } from './waveform.ts';

/** What readers show of a picture, video or sound before they load it. */
export interface DescribedMedia {
  readonly fields: Pick<MessageAttachment, 'width' | 'height' | 'duration' | 'placeholder' | 'waveform'>;
  /** A smaller picture; absent if the file is small itself or no picture. */
  readonly thumbnail?: Blob | undefined;
}

/** Largest width and height of a thumbnail, in pixels. */
const THUMBNAIL_SIZE = 320;
/** Largest width and height from which a ThumbHash is made. */
const HASHED_SIZE = 100;
/** Larger files are not decoded: they would take too much memory. */
const MAX_PICTURE_BYTES = 32 * 1_024 * 1_024;
/** Some minutes of speech. Longer sounds are not decoded, because one minute may take 20 MB. */
const MAX_SOUND_BYTES = 1_024 * 1_024;
/** The lowest rate that all browsers support, in Hz: enough for peaks. */
const SAMPLE_RATE = 8_000;

/**
 * Describes a file as far as this platform can decode it. Outside of browsers, and for other types, nothing is known.
 *
 * @param signal - aborting ends the description, with what is known
 */
export async function describeMedia(file: Blob, signal: AbortSignal): Promise<DescribedMedia> {
  try {
    if (file.type.startsWith('image/') && file.size <= MAX_PICTURE_BYTES) return await describePicture(file, signal);
    if (file.type.startsWith('audio/') && file.size <= MAX_SOUND_BYTES) return { fields: await describeSound(file) };
    if (/^(?:audio|video)\//.test(file.type)) return { fields: await describeByElement(file, signal) };
  } catch {
    // A file that can't be decoded, or a platform that can't decode.
  }
  return { fields: {} };
}

async function describePicture(file: Blob, signal: AbortSignal): Promise<DescribedMedia> {
  const bitmap = await createImageBitmap(file);
  try {
    signal.throwIfAborted();
    const { width, height } = bitmap;
    const hashed = draw(bitmap, HASHED_SIZE);
    const { data } = hashed.context.getImageData(0, 0, hashed.width, hashed.height);
    const hash = rgbaToThumbHash(hashed.width, hashed.height, data);
    const fields = { width, height, placeholder: btoa(String.fromCharCode(...hash)) };
    if (Math.max(width, height) <= THUMBNAIL_SIZE) return { fields };
    const { canvas } = draw(bitmap, THUMBNAIL_SIZE).context;
    return { fields, thumbnail: await canvas.convertToBlob({ type: 'image/webp', quality: 0.75 }) };
  } finally {
    bitmap.close();
  }
}

function draw(
  bitmap: ImageBitmap,
  maxSize: number,
): { context: OffscreenCanvasRenderingContext2D; width: number; height: number } {
  const scale = Math.min(1, maxSize / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const context = new OffscreenCanvas(width, height).getContext('2d');
  if (context === null) throw new TypeError('There is no 2D context');
  context.drawImage(bitmap, 0, 0, width, height);
  return { context, width, height };
}

async function describeSound(file: Blob): Promise<DescribedMedia['fields']> {
  const sound = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await file.arrayBuffer());
  return { duration: sound.duration, waveform: waveformOf(sound.getChannelData(0)) };
}

/** Describes a video, or a long sound, without decoding it. */
async function describeByElement(file: Blob, signal: AbortSignal): Promise<DescribedMedia['fields']> {
  const element = document.createElement('video');
  const url = URL.createObjectURL(file);
  try {
    await new Promise<void>((resolve, reject) => {
      element.addEventListener('loadedmetadata', () => resolve());
      element.addEventListener('error', () => reject(new TypeError('The file can not be played')));
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      element.preload = 'metadata';
      element.src = url;
    });
    const { videoWidth: width, videoHeight: height, duration } = element;
    // The duration of a recording that was not finished is unknown.
    return { ...(width > 0 && { width, height }), ...(Number.isFinite(duration) && { duration }) };
  } finally {
    element.removeAttribute('src');
    URL.revokeObjectURL(url);
  }
}
