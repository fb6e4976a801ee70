import type { Clock } from '../../../lib/clock.ts';
import { deferred } from '../../../lib/deferred.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { ProcessedTrack, TrackProcessor } from '../webrtc/media-backend.ts';
import { countTimers, listen } from '../webrtc/resource-counters.ts';

/** A processor that takes longer is given up. */
const TIMEOUT_MS = 5_000;

/** Dependencies of {@link processTrack}. */
export interface ProcessingHost {
  readonly clock: Clock;
  /** Aborted when no track is needed any more. */
  readonly end: AbortSignal;
  /** The processor failed. */
  readonly onError: (error: CommError) => void;
  /** The processed track ended by itself. */
  readonly onEnded: (error: CommError) => void;
}

/** A processed track in use. */
export interface Processing {
  readonly track: MediaStreamTrack;
  release(): void;
}

/**
 * Processes a captured track. Errors of the processor are reported; a result that arrives late is released.
 *
 * @returns `undefined` if the processor threw, took more than 5 s, or returned no live track of the same kind
 * @throws the reason of `end`
 */
export async function processTrack(
  captured: MediaStreamTrack,
  processor: TrackProcessor,
  host: ProcessingHost,
): Promise<Processing | undefined> {
  const { clock, end, onError } = host;
  end.throwIfAborted();
  const { kind } = captured;
  const interruption = deferred<never>();
  const cancelTimeout = countTimers(clock).after(TIMEOUT_MS, () =>
    interruption.reject(new CommError('TIMEOUT', `The ${kind} processor took more than ${TIMEOUT_MS / 1_000} s`)),
  );
  const settled = new AbortController();
  listen(end, 'abort', () => interruption.reject(end.reason), settled.signal);
  // A processor that throws at once is treated as one that rejects.
  const processing = Promise.resolve(captured).then(processor);
  try {
    return use(captured, await Promise.race([processing, interruption.promise]), host);
  } catch (error) {
    processing.then((result) => release(captured, result, onError)).catch(() => undefined);
    end.throwIfAborted();
    onError(toProcessorError(kind, error));
    return undefined;
  } finally {
    cancelTimeout();
    settled.abort();
  }
}

function use(captured: MediaStreamTrack, result: ProcessedTrack, { onError, onEnded }: ProcessingHost): Processing {
  // Processors of apps in JavaScript may return anything.
  const { track } = (result ?? {}) as Partial<ProcessedTrack>;
  if (!(track instanceof MediaStreamTrack) || track.kind !== captured.kind || track.readyState === 'ended') {
    throw new TypeError(`The processor must return an object with a live ${captured.kind} track`);
  }
  const inUse = new AbortController();
  if (track !== captured) {
    const onTrackEnded = (): void => onEnded(new CommError('INTERNAL', `The processed ${captured.kind} track ended`));
    listen(track, 'ended', onTrackEnded, inUse.signal);
  }
  return {
    track,
    release() {
      if (inUse.signal.aborted) return;
      inUse.abort();
      release(captured, result, onError);
    },
  };
}

function release(captured: MediaStreamTrack, result: ProcessedTrack, onError: ProcessingHost['onError']): void {
  if (result.track !== captured) result.track.stop();
  try {
    result.release?.();
  } catch (error) {
    onError(toProcessorError(captured.kind, error));
  }
}

function toProcessorError(kind: string, cause: unknown): CommError {
  if (cause instanceof CommError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CommError('INTERNAL', `The ${kind} processor failed: ${reason}`, { cause });
}
