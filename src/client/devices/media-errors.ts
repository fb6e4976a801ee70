import { CommError } from '../../protocol/errors.ts';

/** Messages by the name of the browser's error (W3C mediacapture-streams 10.1, screen-capture 5.1). */
const MESSAGES: Readonly<Record<string, string>> = {
  NotFoundError: 'No device of the requested kind was found',
  OverconstrainedError: 'No device meets the constraints',
  NotReadableError: 'The device is in use by another program or broken',
};

/** Converts an error of the browser to a `CommError`, with the original as `cause`. */
export function toMediaError(cause: unknown): CommError {
  if (cause instanceof CommError) return cause;
  const name = cause instanceof Error ? cause.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    return new CommError('MEDIA_DENIED', 'The user or the browser denied access to the device', {
      cause,
      fix: 'Ask again after a click, or allow access in the site settings.',
    });
  }
  return new CommError('MEDIA_UNAVAILABLE', MESSAGES[name] ?? 'Opening the device failed', { cause });
}

/** Returns `navigator.mediaDevices`. @throws CommError `MEDIA_UNAVAILABLE` if the page has none */
export function requireMediaDevices(): MediaDevices {
  // `undefined` on insecure origins, although the type says otherwise.
  const { mediaDevices } = navigator as { readonly mediaDevices?: MediaDevices };
  if (mediaDevices !== undefined) return mediaDevices;
  throw new CommError('MEDIA_UNAVAILABLE', 'This page has no navigator.mediaDevices', {
    fix: 'Serve the page over HTTPS or from localhost.',
  });
}

/** Returns the name of the browser's error that {@link toMediaError} converted, or an empty string. */
export function causeName(error: unknown): string {
  return error instanceof CommError && error.cause instanceof Error ? error.cause.name : '';
}
