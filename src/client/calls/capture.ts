import { abortable } from '../../lib/abort.ts';
import { held } from './held.ts';

/** Tracks that were opened here and not stopped yet. */
const opened = new WeakSet<MediaStreamTrack>();

/**
 * Opens devices. What comes after one of the signals aborted is stopped on arrival: the browser can't be told to give up.
 *
 * @throws whatever the browser refuses with; the signal's reason
 */
export async function capture(
  open: () => Promise<MediaStream>,
  ...signals: readonly AbortSignal[]
): Promise<MediaStreamTrack[]> {
  for (const signal of signals) signal.throwIfAborted();
  let opening = open().then((stream) => {
    const tracks = stream.getTracks();
    for (const track of tracks) {
      opened.add(track);
      held.tracks += 1;
      // By itself, as when it is unplugged: then there is nothing left to stop.
      track.addEventListener('ended', () => release(track), { once: true });
    }
    if (signals.some(({ aborted }) => aborted)) tracks.forEach(release);
    return tracks;
  });
  for (const signal of signals) opening = abortable(opening, signal);
  return opening;
}

/** Stops a track that was opened here. An app's track is left alone. */
export function release(track: MediaStreamTrack | undefined): void {
  if (track === undefined || !opened.delete(track)) return;
  held.tracks -= 1;
  track.stop();
}
