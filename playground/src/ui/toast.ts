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
  CONFLICT: 'it was changed meanwhile',
  DISCONNECTED: 'there is no connection',
  BUSY: 'somebody is in another call',
  E2EE_DECRYPTION_FAILED: 'the passphrase is wrong, or this is no backup of yours',
  E2EE_IDENTITY_CHANGED: 'somebody’s key has changed; look at the warning',
  E2EE_LOCKED: 'your keys in this browser can not be opened',
  E2EE_NO_KEYS: 'somebody here has no keys yet; they have to open the chat once',
  E2EE_OTHER_DEVICE: 'your keys are in another browser',
  FORBIDDEN: 'you are not allowed to',
  INVALID: 'the server did not accept it',
  MESSAGE_TOO_LONG: 'it is too long',
  NOT_FOUND: 'it is not there any more',
  RATE_LIMITED: 'that was too much at once; try again in a moment',
  TIMEOUT: 'the server did not answer in time',
  UNAVAILABLE: 'the server is busy; try again in a moment',
};

/** Why something failed, for a person. */
export function reasonOf(error: unknown): string {
  if (!isCommError(error)) return 'something went wrong';
  return REASONS[error.code] ?? error.message;
}

/** Waits for what a person asked for and says when it failed; `undefined` then, or when it was aborted. */
export async function attempt<T>(what: string, doing: Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
  try {
    return await doing;
  } catch (error) {
    if (signal?.aborted !== true) toast(`${what}: ${reasonOf(error)}.`);
    return undefined;
  }
}
