import { isCommError, type ErrorCode } from 'lumen-comm';
import { h } from '../lib/dom.ts';
import { iconButton } from './button.ts';

const SHOWN_MS = 6_000;
const region = h('div', { class: 'toasts', role: 'status', 'aria-live': 'polite' });

export function startToasts(): void {
  document.body.append(region);
}

export function toast(text: string): void {
  const close = (): void => element.remove();
  const element = h(
    'div',
    { class: 'toast' },
    h('span', {}, text),
    iconButton({ label: 'Dismiss', icon: 'close' }, close),
  );
  region.append(element);
  setTimeout(close, SHOWN_MS);
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  CANCELLED: 'the message was discarded',
  CONFLICT: 'it was changed in the meantime',
  DISCONNECTED: 'there is no connection',
  BUSY: 'the other person is in another call',
  E2EE_DECRYPTION_FAILED: 'the passphrase is wrong, or the backup belongs to another user',
  E2EE_IDENTITY_CHANGED: 'the encryption key of a participant has changed; see the warning',
  E2EE_LOCKED: 'the keys stored in this browser cannot be decrypted',
  E2EE_NO_KEYS: 'a participant has no encryption keys yet; they must open the app once',
  E2EE_OTHER_DEVICE: 'another browser holds your encryption keys',
  FILE_TOO_LARGE: 'a file is too large',
  FORBIDDEN: 'you do not have permission',
  INVALID: 'the server rejected the request',
  MEDIA_DENIED: 'access to the microphone or camera was denied',
  MEDIA_UNAVAILABLE: 'the microphone or camera cannot be used',
  MESSAGE_TOO_LONG: 'the message is too long',
  MIME_TYPE_NOT_ALLOWED: 'files of this type are not allowed',
  NOT_FOUND: 'it no longer exists',
  OUTBOX_FULL: 'too many messages are waiting to be sent',
  RATE_LIMITED: 'too many requests; try again in a moment',
  TIMEOUT: 'the server did not answer in time',
  UNAVAILABLE: 'the server is busy; try again in a moment',
  UPLOAD_FAILED: 'the upload failed',
};

/** Returns the reason of a failure as text for the user. */
export function reasonOf(error: unknown): string {
  if (!isCommError(error)) return 'something went wrong';
  return REASONS[error.code] ?? error.message;
}

/** Awaits the opening of a part whose code is loaded with its first use. @param what - its name */
export async function openPanel(opening: Promise<void>, what: string): Promise<void> {
  await opening.catch(() => toast(`${what} could not be loaded. Try again when you are connected.`));
}

/**
 * Awaits a user action and shows a toast if it fails. Returns `undefined` if it failed or was aborted.
 *
 * @param what - the first half of the toast, such as "Could not pin"
 */
export async function attempt<T>(what: string, doing: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  try {
    return await doing;
  } catch (error) {
    if (signal?.aborted !== true) toast(`${what}: ${reasonOf(error)}.`);
    return undefined;
  }
}
