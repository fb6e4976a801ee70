import { isCommError, type CallSnapshot } from 'lumen-comm';
import { nameOf } from '../lib/people.ts';
import { reasonOf } from '../ui/toast.ts';

/** Formats a duration as `3:07` or `1:00:00`. */
export function clockDuration(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const pad = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(seconds / 60) % 60;
  const hours = Math.floor(seconds / 3_600);
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

/** Returns the text for the state of a call; `undefined` while connected, when the duration is shown instead. */
export function stateText({ state, direction }: CallSnapshot, who: string): string | undefined {
  switch (state) {
    case 'idle':
    case 'initiating':
      return direction === 'outgoing' ? `Calling ${who}…` : 'Incoming call';
    case 'ringing':
      return direction === 'outgoing' ? `Ringing at ${who}…` : 'Incoming call';
    case 'connecting':
      return 'Connecting…';
    case 'connected':
      return undefined;
    case 'reconnecting':
      return 'The connection was lost. Reconnecting…';
    case 'ended':
      return 'Call ended';
  }
}

/** Returns why a call ended. */
export function endText({ endReason, detail, direction }: CallSnapshot, who: string): string {
  const isOwn = direction === 'outgoing';
  if (detail === 'answered_elsewhere') return 'Answered in another window';
  if (detail === 'moved') return 'Continued in another window';
  if (detail === 'rejected_elsewhere') return 'Declined in another window';
  switch (endReason) {
    case 'rejected':
      return isOwn ? `${who} declined` : 'Declined';
    case 'busy':
      return isOwn ? `${who} is in another call` : 'Busy';
    case 'missed':
      return isOwn ? `${who} did not answer` : 'Missed call';
    case 'cancelled':
      return isOwn ? 'Cancelled' : 'Missed call';
    case 'failed':
      if (detail === 'permission') return 'No microphone or camera could be used';
      return detail === 'signalling' ? 'The server could not be reached' : 'No connection could be made';
    default:
      return 'Call ended';
  }
}

/** Returns what the user can do about an error of a call. */
export function callErrorText(error: unknown): string {
  if (!isCommError(error)) return 'Something went wrong. Please try again.';
  switch (error.code) {
    case 'MEDIA_DENIED':
      return 'The browser does not let this page use your microphone or camera. Allow it at the left of the address, then try again.';
    case 'MEDIA_UNAVAILABLE':
      return 'No microphone or camera was found, or another app is using it. Plug one in or close the other app, then try again.';
    case 'UNSUPPORTED':
      return 'This browser can not make calls here. Use a current one, and open the page by https or on this machine.';
    case 'BUSY':
      return 'You are in another call. Hang up there first.';
    default:
      return `The call did not work: ${reasonOf(error)}.`;
  }
}

/** Joins the names of users, shortened for more than two. */
export function namesOf(userIds: readonly string[]): string {
  const [first = '', ...more] = userIds.map(nameOf);
  return more.length === 0
    ? first
    : more.length === 1
      ? `${first} and ${more[0]}`
      : `${first} and ${more.length} others`;
}
