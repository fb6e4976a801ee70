import { isCommError, type CommClient, type CommError, type MessageAttachment } from 'lumen-comm';
import { on } from '../lib/dom.ts';
import { childAbort } from '../lib/watch.ts';

/** Seconds of a source that count as played. */
const PLAYED_S = 1;
/** Delays in ms before a file is loaded again. */
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 60_000;

export interface LoadOptions {
  /** Aborting ends the loading, and frees a decrypted file. */
  readonly signal: AbortSignal;
  /** Called when the file can't be loaded. */
  readonly failed: () => void;
}

/** Returns the thumbnail of a picture as a file, if it has one. */
export function thumbnailOf(attachment: MessageAttachment): MessageAttachment | undefined {
  const { thumbnailUrl: url, thumbnailKeys: keys } = attachment;
  return url === undefined ? undefined : { ...attachment, url, keys, mimeType: 'image/webp' };
}

/**
 * Shows a file in an element: by a signed URL, or decrypted, as an object URL. A signed URL is valid for some minutes, after
 * which a player can't load what it has not loaded yet: the error asks for another URL, and the player continues. The same is
 * done when a message was sent and its preview is gone. A file that fails again is not loaded again, unless it was played in
 * between: a broken file would be loaded without end.
 *
 * @param file - returns the file as it is now
 */
export function loadFile(
  client: CommClient,
  file: () => MessageAttachment,
  element: HTMLImageElement | HTMLMediaElement,
  { signal, failed }: LoadOptions,
): void {
  /** Aborts when another source has replaced this one, or the loading ends. */
  let source = childAbort(signal);
  let renewedUrl: string | undefined;
  let failures = 0;
  const load = async (): Promise<void> => {
    const next = childAbort(signal);
    try {
      const url = await sourceOf(client, file(), next.signal);
      if (signal.aborted) return;
      element.src = url;
      source.abort();
      source = next;
      failures = 0;
    } catch (error) {
      next.abort();
      if (signal.aborted) return;
      if (!isCommError(error) || !error.retryable) return failed();
      failures += 1;
      loadAgain(client, error, failures, () => void load(), signal);
    }
  };
  on(
    element,
    'error',
    () => {
      const { url } = file();
      const isSame = url === renewedUrl && !hasPlayed(element);
      if (isSame || isUndecodable(element)) return failed();
      renewedUrl = url;
      if (element instanceof HTMLMediaElement) resume(element, signal);
      void load();
    },
    { signal },
  );
  void load();
}

function isUndecodable(element: HTMLImageElement | HTMLMediaElement): boolean {
  return element instanceof HTMLMediaElement && element.error?.code === MediaError.MEDIA_ERR_DECODE;
}

/** Whether an element has played a part of its current source. */
function hasPlayed(element: HTMLImageElement | HTMLMediaElement): boolean {
  if (element instanceof HTMLImageElement) return false;
  const { played } = element;
  const seconds = Array.from({ length: played.length }, (_, at) => played.end(at) - played.start(at));
  return seconds.reduce((sum, each) => sum + each, 0) > PLAYED_S;
}

/** Returns a URL that this page can show until `signal` aborts. */
async function sourceOf(client: CommClient, file: MessageAttachment, signal: AbortSignal): Promise<string> {
  // The preview of a pending message.
  if (file.url.startsWith('blob:')) return file.url;
  if (file.keys === undefined) return await client.files.url(file, { signal });
  const url = URL.createObjectURL(await client.files.download(file, { signal }));
  if (signal.aborted) URL.revokeObjectURL(url);
  else signal.addEventListener('abort', () => URL.revokeObjectURL(url));
  return url;
}

/**
 * Calls `task` after a failure that may pass: with the next connection, or after a delay that doubles.
 *
 * @param failures - how often it has failed in a row
 */
function loadAgain(
  client: CommClient,
  { code, retryAfterMs = 0 }: CommError,
  failures: number,
  task: () => void,
  signal: AbortSignal,
): void {
  const { status } = client;
  const wait = childAbort(signal);
  const begin = (): void => {
    wait.abort();
    task();
  };
  client.on('status', (now) => now === 'connected' && begin(), { signal: wait.signal });
  // A laptop that wakes up has an expired URL and a lost connection at the same time.
  if (code === 'DISCONNECTED' && status !== 'connected') return;
  const delayMs = Math.max(retryAfterMs, Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1)));
  const timer = setTimeout(begin, delayMs);
  wait.signal.addEventListener('abort', () => clearTimeout(timer));
}

/** Lets a player continue where it is now once it has loaded another URL. */
function resume(player: HTMLMediaElement, signal: AbortSignal): void {
  const { currentTime, paused } = player;
  const seek = (): void => {
    player.currentTime = currentTime;
    if (!paused) player.play().catch(() => undefined);
  };
  on(player, 'loadedmetadata', seek, { once: true, signal });
}
