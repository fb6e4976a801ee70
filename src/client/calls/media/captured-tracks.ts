import { abortable } from '../../../lib/abort.ts';
import { resourceCounters } from '../webrtc/resource-counters.ts';

/** The tracks that were opened here and are not stopped yet. */
const captured = new WeakSet<MediaStreamTrack>();

/**
 * Opens devices and takes ownership of the tracks. Tracks that arrive after a signal was aborted are stopped at once,
 * because a pending permission prompt can't be cancelled.
 *
 * No listener is added to the tracks: Chromium keeps stopped tracks for a while, and a listener would keep the signals for as
 * long and, by the stack of their reasons, the whole call. Callers listen for `ended` until they release the track.
 *
 * @throws the browser's error, or the reason of the aborted signal
 */
export async function captureTracks(
  open: () => Promise<MediaStream>,
  ...signals: readonly AbortSignal[]
): Promise<MediaStreamTrack[]> {
  for (const signal of signals) signal.throwIfAborted();
  let opening = open().then((stream) => {
    const tracks = stream.getTracks();
    for (const track of tracks) {
      captured.add(track);
      resourceCounters.tracks += 1;
    }
    if (signals.some(({ aborted }) => aborted)) tracks.forEach(releaseTrack);
    return tracks;
  });
  for (const signal of signals) opening = abortable(opening, signal);
  return opening;
}

/** Stops a track that was opened here, or counts it as stopped if it has ended. Does nothing for tracks of the app. Idempotent. */
export function releaseTrack(track: MediaStreamTrack | undefined): void {
  if (track === undefined || !captured.delete(track)) return;
  resourceCounters.tracks -= 1;
  track.stop();
}
