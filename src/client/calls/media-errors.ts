import { CommError } from '../../protocol/errors.ts';

/** Why each can't be had (W3C mediacapture-streams 10.1, screen-capture 5.1). */
const REASONS: Readonly<Record<string, string>> = {
  NotFoundError: 'There is no such device',
  OverconstrainedError: 'No device meets the constraints',
  NotReadableError: 'The device is in use or broken',
};

/** What the browser refused with, as an error of ours; the browser's own is its `cause`. */
export function mediaError(cause: unknown): CommError {
  if (cause instanceof CommError) return cause;
  const name = cause instanceof Error ? cause.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') {
    return new CommError('MEDIA_DENIED', 'The user or the browser did not allow it', {
      cause,
      fix: 'Ask again after a click; the user may have to allow it in the settings of the site',
    });
  }
  return new CommError('MEDIA_UNAVAILABLE', REASONS[name] ?? 'The device could not be opened', { cause });
}

/** @throws CommError `MEDIA_UNAVAILABLE` where the browser has no devices for this page */
export function mediaDevices(): MediaDevices {
  // Absent on insecure origins, whatever the types say.
  const { mediaDevices } = navigator as { readonly mediaDevices?: MediaDevices };
  if (mediaDevices !== undefined) return mediaDevices;
  throw new CommError('MEDIA_UNAVAILABLE', 'This page has no access to devices', {
    fix: 'Serve it over HTTPS, or from localhost',
  });
}
