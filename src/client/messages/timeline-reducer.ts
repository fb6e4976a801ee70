import type { Mark } from '../changes.ts';
import type { Message } from '../../protocol/messages.ts';
import { amendSegments, isAfter, mergePage, trimOldest } from './segments.ts';
import { marked, newer, tombstone } from './timeline-messages.ts';
import { cutOff, load } from './timeline-pages.ts';
import { emptyTimeline, findHeld, keepShown, ownClientId, type Timeline, type TimelineEvent } from './timeline.ts';

/** Returns `timeline` itself when nothing changed, so that a view can compare by identity. */
export function reduceTimeline(timeline: Timeline, event: TimelineEvent): Timeline {
  switch (event.kind) {
    case 'loaded':
      return load(timeline, event);
    case 'created':
      return create(timeline, event.message);
    case 'updated':
      return revise(timeline, event.message);
    case 'deleted':
      return amend(timeline, event.messageId, (held) =>
        held.deletedAt === undefined ? tombstone(held, event.deletedAt) : held,
      );
    case 'reactions':
      return amend(timeline, event.messageId, (held) =>
        event.rev !== undefined && event.rev <= (held.rev ?? 0)
          ? held
          : { ...held, reactions: event.reactions, ...(event.rev !== undefined && { rev: event.rev }) },
      );
    case 'conversation':
      return timeline;
    case 'read':
    case 'status':
      return amendAll(remember(timeline, event), (held) => marked(held, event, timeline.ownId));
    case 'pending':
      return has(timeline, event.message) ? timeline : { ...timeline, pending: [...timeline.pending, event.message] };
    case 'failed':
      return mapPending(timeline, event.clientId, (held) => ({ ...held, status: 'failed' }));
    case 'acknowledged':
      return mapPending(timeline, event.clientId, () => (isHeld(timeline, event.message) ? undefined : event.message));
    case 'retried':
      return mapPending(timeline, event.clientId, (held) => ({ ...held, status: 'sending' }));
    case 'discarded':
      return mapPending(timeline, event.clientId, () => undefined);
    case 'cleared':
      return { ...emptyTimeline(timeline.conversationId, timeline.ownId), cuts: timeline.cuts + 1 };
    case 'cut-off':
      return cutOff(timeline);
    case 'unreadable':
      return timeline.stale === undefined ? timeline : { ...timeline, stale: undefined };
  }
}

function isHeld(timeline: Timeline, { seq, id }: Message): boolean {
  const end = timeline.live ? timeline.segments.at(-1)?.messages.at(-1)?.seq : undefined;
  return (seq !== undefined && end !== undefined && seq <= end) || findHeld(timeline, id) !== undefined;
}

/**
 * A message that is stored now. It belongs to the end; while the end isn't held, a later page brings it. If it doesn't
 * follow on what is held, something was missed, and the two are not joined.
 */
function create(timeline: Timeline, pushed: Message): Timeline {
  let message = pushed;
  for (const mark of timeline.marks.values()) message = marked(message, mark, timeline.ownId);
  if (findHeld(timeline, message.id) !== undefined)
    return amend(settle(timeline, message), message.id, (old) => newer(old, message));
  // In sight until the page is there that has it.
  if (timeline.stale?.atEnd === true) return timeline;
  const settled = settle(timeline, message);
  const last = settled.segments.at(-1);
  if (!settled.live || last === undefined) return settled;
  const lastMessage = last.messages.at(-1);
  if (isBeyond(message, lastMessage)) return cutOff(timeline);
  if (lastMessage !== undefined && !isAfter(message, lastMessage)) {
    // It adjoins what is live, whatever its position or time says: a base server's clock may have been set back.
    const page = { messages: [message], hasOlder: true, adjoins: lastMessage.id };
    const { segments } = mergePage(settled.segments, page, newer);
    return { ...settled, ...keepShown(settled, segments) };
  }
  const grown = trimOldest({ ...last, messages: [...last.messages, message] }, settled.keep);
  return { ...settled, segments: settled.segments.with(-1, grown) };
}

/** A later state of a message. One that came and went while we were away is new to us, and its place is a tombstone. */
function revise(timeline: Timeline, message: Message): Timeline {
  const amended = amend(timeline, message.id, (held) => newer(held, message));
  if (findHeld(amended, message.id) !== undefined) return amended;
  const live = amended.live ? amended.segments.at(-1) : undefined;
  const first = live?.hasOlder === true ? (live.messages[0]?.seq ?? Infinity) : 0;
  const isWithin = live !== undefined && message.seq !== undefined && message.seq > first;
  return isWithin ? create(amended, message) : amended;
}

/** Positions have no holes; a base server has none. */
function isBeyond({ seq }: Message, last: Message | undefined): boolean {
  const end = last === undefined ? 0 : last.seq;
  return seq !== undefined && end !== undefined && seq > end + 1;
}

/** The stored message takes the place of the pending one. */
function settle(timeline: Timeline, message: Message): Timeline {
  const clientId = ownClientId(timeline, message);
  return clientId === undefined ? timeline : mapPending(timeline, clientId, () => undefined);
}

function has(timeline: Timeline, { clientId }: Message): boolean {
  const isStored = (each: Message): boolean => ownClientId(timeline, each) === clientId;
  return (
    timeline.pending.some((each) => each.clientId === clientId) ||
    timeline.segments.some(({ messages }) => messages.some(isStored)) ||
    timeline.stale?.messages.some(isStored) === true
  );
}

function mapPending(timeline: Timeline, clientId: string, change: (held: Message) => Message | undefined): Timeline {
  if (!timeline.pending.some((each) => each.clientId === clientId)) return timeline;
  const pending = timeline.pending
    .map((each) => (each.clientId === clientId ? change(each) : each))
    .filter((each) => each !== undefined);
  return { ...timeline, pending };
}

function amend(timeline: Timeline, messageId: string, change: (held: Message) => Message): Timeline {
  return amendAll(timeline, (held) => (held.id === messageId ? change(held) : held));
}

function amendAll(timeline: Timeline, change: (held: Message) => Message): Timeline {
  const segments = amendSegments(timeline.segments, change);
  const [stale] = timeline.stale === undefined ? [] : amendSegments([timeline.stale], change);
  return segments === timeline.segments && stale === timeline.stale ? timeline : { ...timeline, segments, stale };
}

function remember(timeline: Timeline, mark: Mark): Timeline {
  if (mark.seq === undefined) return timeline;
  const key = mark.kind === 'read' ? `read by ${mark.userId}` : mark.status;
  if ((timeline.marks.get(key)?.seq ?? 0) >= mark.seq) return timeline;
  return { ...timeline, marks: new Map(timeline.marks).set(key, mark) };
}
