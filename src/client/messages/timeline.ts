import type { Message } from '../../protocol/messages.ts';
import type { Change, Mark } from '../changes.ts';
import { EMPTY_WINDOW, WINDOW, type Page, type Segment } from './segments.ts';

/*
 * A timeline is what a client holds of one conversation: stretches without a gap (segments), the newest of them `live`
 * once it reaches the end, one of them shown, and the own messages that wait to be stored.
 *
 *      hole            hole, filled by scrolling
 *   ┄┄┄┄┄┄┄ [ older ] ┄┄┄┄┄┄┄ [ shown, live ] + [ pending ]
 *
 * Segments stand as the server has them. After a cut-off nobody knows what has changed in them, so there are none: what
 * is looked at stays in sight, `stale`, until it has been read again, and is never joined to what is read since.
 */
export interface Timeline {
  readonly conversationId: string;
  readonly ownId: string | undefined;
  readonly segments: readonly Segment[];
  /** Shown instead of a segment since a cut-off. */
  readonly stale: Stale | undefined;
  /** How many cut-offs there were: a page that was asked for before the last one says nothing of what holds now. */
  readonly cuts: number;
  /** Index of the segment that is shown. */
  readonly shown: number;
  /** True when the last segment reaches the end of the conversation. */
  readonly live: boolean;
  /** How many messages arrivals leave in the last segment: more once somebody has scrolled up in it. */
  readonly keep: number;
  /** Own messages that the server has not stored yet, or refused, in the order they were sent. */
  readonly pending: readonly Message[];
  /** The furthest mark of each person and status: a mark may overtake a message that is held back behind a gap. */
  readonly marks: ReadonlyMap<string, Mark>;
}

/** What was shown when the timeline was cut off. */
export interface Stale extends Segment {
  /** It was the end, and makes room for the end that is read now; any other stretch is read again itself. */
  readonly atEnd: boolean;
}

export type TimelineEvent =
  | Change
  | Mark
  /**
   * A page from history. The newest one is shown unless somebody reads further up, `again` is the stretch that is stale,
   * and any other was asked for.
   */
  | { kind: 'loaded'; from: 'newest' | 'older' | 'newer' | 'around' | 'again'; page: Page; atEnd: boolean }
  | { kind: 'pending'; message: Message }
  | { kind: 'failed' | 'retried' | 'discarded'; clientId: string }
  /** The server has stored it; its place in the timeline comes with the push. */
  | { kind: 'acknowledged'; clientId: string; message: Message }
  /** Something was missed that can't be caught up: what is held may have changed, and the end is unknown again. */
  | { kind: 'cut-off' }
  /** What is stale can't be read again: nothing of it may stay readable. */
  | { kind: 'unreadable' }
  /** Somebody else is signed in. */
  | { kind: 'cleared' };

export function emptyTimeline(conversationId: string, ownId: string | undefined): Timeline {
  const nothing = { segments: [], shown: 0, live: false, stale: undefined, cuts: 0 };
  return { conversationId, ownId, ...nothing, keep: WINDOW, pending: [], marks: new Map() };
}

export interface TimelineWindow {
  /** Oldest first; the pending ones last, where the end is shown. */
  readonly messages: readonly Message[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
}

export function windowOf(timeline: Timeline): TimelineWindow {
  const { stale, pending } = timeline;
  const segment = stale ?? timeline.segments[timeline.shown];
  if (segment === undefined) return { ...EMPTY_WINDOW, messages: pending };
  const atEnd = stale?.atEnd ?? showsEnd(timeline);
  return {
    messages: atEnd && pending.length > 0 ? [...segment.messages, ...pending] : segment.messages,
    hasOlder: segment.hasOlder,
    hasNewer: !atEnd || stale !== undefined,
  };
}

/** @returns undefined for what is stale */
export function findHeld({ segments }: Timeline, messageId: string): Message | undefined {
  for (const { messages } of segments) {
    const found = messages.find(({ id }) => id === messageId);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A message that is held, or at least in sight. */
export function findMessage(timeline: Timeline, messageId: string): Message | undefined {
  return findHeld(timeline, messageId) ?? timeline.stale?.messages.find(({ id }) => id === messageId);
}

export function showsEnd({ live, shown, segments }: Timeline): boolean {
  return live && shown === segments.length - 1;
}

/** The same stretch as before, wherever it stands among `segments`. */
export function keepShown(timeline: Timeline, segments: readonly Segment[]): Pick<Timeline, 'segments' | 'shown'> {
  const first = timeline.segments[timeline.shown]?.messages[0]?.id;
  const shown = segments.findIndex(({ messages }) => messages.some(({ id }) => id === first));
  return { segments, shown: Math.max(shown, 0) };
}

/** Client ids are each sender's own: everybody reads them, and somebody else may send under one that was read. */
export function ownClientId({ ownId }: Timeline, { clientId, senderId }: Message): string | undefined {
  return ownId === undefined || senderId === ownId ? clientId : undefined;
}
