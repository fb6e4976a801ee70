import type { CallEndReason, CallType, Message } from 'lumen-comm';

const TYPE_NAMES: Readonly<Record<CallType, string>> = { audio: 'call', video: 'video call' };
const OUTCOMES: readonly CallEndReason[] = ['completed', 'rejected', 'missed', 'busy', 'failed', 'cancelled'];
const LONGEST_LOG = 2_000;

/** The content of a message of type `call`. */
export interface CallLog {
  readonly callType: CallType;
  readonly outcome: CallEndReason;
  /** In seconds. */
  readonly duration: number;
}

/** Parses the log of a call. Returns `undefined` if the content is invalid; a client could have written it. */
export function callLogOf({ type, content }: Message): CallLog | undefined {
  if (type !== 'call' || content.length > LONGEST_LOG) return undefined;
  try {
    const log = JSON.parse(content) as Partial<CallLog> | null;
    if (log?.callType !== 'audio' && log?.callType !== 'video') return undefined;
    const { callType, duration } = log;
    const outcome = OUTCOMES.find((each) => each === log.outcome);
    if (outcome === undefined) return undefined;
    const isTime = typeof duration === 'number' && Number.isFinite(duration) && duration >= 0;
    return { callType, outcome, duration: isTime ? duration : 0 };
  } catch {
    return undefined;
  }
}

/** Describes a call: "Video call, 3 min", "Missed call". */
export function logWords({ callType, outcome, duration }: CallLog, isOwn: boolean): string {
  const name = TYPE_NAMES[callType];
  const title = callType === 'video' ? 'Video call' : 'Call';
  switch (outcome) {
    case 'completed':
      return `${title}, ${shortDuration(duration)}`;
    case 'missed':
    case 'cancelled':
      return isOwn ? `${title}, ${outcome === 'missed' ? 'no answer' : 'cancelled'}` : `Missed ${name}`;
    case 'rejected':
      return `${title}, declined`;
    case 'busy':
      return isOwn ? `${title}, busy` : `Missed ${name}`;
    default:
      return duration > 0 ? `${title}, ${shortDuration(duration)}, then lost` : `${title}, failed`;
  }
}

export function shortDuration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
