import type { Change, Mark } from '../changes.ts';
import type { Message } from '../../protocol/messages.ts';
import {
  amendSegments,
  EMPTY_WINDOW,
  isAfter,
  letGo,
  mergePage,
  trimAround,
  trimOldest,
  WINDOW,
  type Page,
  type Segment,
} from './segments.ts';
import type { MessageStatus } from '../../protocol/vocabulary.ts';

/*
 * A timeline is what a client holds of one conversation: stretches without a gap (segments), the newest of them `live`
 * once it reaches the end, one of them shown, and the own messages that wait to be stored.
 *
 *      hole            hole, filled by scrolling
 *   ┄┄┄┄┄┄┄ [ older ] ┄┄┄┄┄┄┄ [ shown, live ] + [ pending ]
 */
export interface Timeline {
  readonly conversationId: string;
  readonly ownId: string | undefined;
  readonly segments: readonly Segment[];
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

export type TimelineEvent =
  | Change
  | Mark
  /** A page from history. The newest one is shown unless somebody reads further up; any other was asked for. */
  | { kind: 'loaded'; from: 'newest' | 'older' | 'newer' | 'around'; page: Page; atEnd: boolean }
  | { kind: 'pending'; message: Message }
  | { kind: 'failed' | 'retried' | 'discarded'; clientId: string }
  /** The server has stored it; its place in the timeline comes with the push. */
  | { kind: 'acknowledged'; clientId: string; message: Message }
  /** More was missed than can be caught up: what is held becomes an older stretch, and the end is unknown again. */
  | { kind: 'cut-off' }
  /** Somebody else is signed in. */
  | { kind: 'cleared' };

const STATUS_ORDER: Readonly<Record<MessageStatus, number>> = {
  failed: 0,
  sending: 1,
  sent: 2,
  delivered: 3,
  read: 4,
};
const MAX_READERS = 50;

export function emptyTimeline(conversationId: string, ownId: string | undefined): Timeline {
  return { conversationId, ownId, segments: [], shown: 0, live: false, keep: WINDOW, pending: [], marks: new Map() };
}

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
      return emptyTimeline(timeline.conversationId, timeline.ownId);
    case 'cut-off':
      return timeline.live ? { ...timeline, live: false } : timeline;
  }
}

export interface TimelineWindow {
  /** Oldest first; the pending ones last, where the end is shown. */
  readonly messages: readonly Message[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
}

export function windowOf(timeline: Timeline): TimelineWindow {
  const segment = timeline.segments[timeline.shown];
  if (segment === undefined) return { ...EMPTY_WINDOW, messages: timeline.pending };
  const atEnd = timeline.live && timeline.shown === timeline.segments.length - 1;
  return {
    messages: atEnd && timeline.pending.length > 0 ? [...segment.messages, ...timeline.pending] : segment.messages,
    hasOlder: segment.hasOlder,
    hasNewer: !atEnd,
  };
}

export function findMessage(timeline: Timeline, messageId: string): Message | undefined {
  for (const { messages } of timeline.segments) {
    const found = messages.find(({ id }) => id === messageId);
    if (found !== undefined) return found;
  }
  return undefined;
}

function load(timeline: Timeline, { from, page, atEnd }: Extract<TimelineEvent, { kind: 'loaded' }>): Timeline {
  const showsLast = timeline.shown >= timeline.segments.length - 1;
  const { segments, at } = mergePage(timeline.segments, page, newer);
  const isAskedFor = from === 'around' || (from === 'newest' && showsLast);
  // Whoever scrolls stays where they are: the page grows what they look at, unless they have gone elsewhere meanwhile.
  const next = isAskedFor && page.messages.length > 0 ? { segments, shown: at } : keepShown(timeline, segments);
  const stored = new Set(page.messages.map((each) => ownClientId(timeline, each)));
  const end = segments.at(-1)?.messages.at(-1)?.seq ?? 0;
  const pending = timeline.pending.filter(({ clientId, seq }) => !stored.has(clientId) && (seq ?? Infinity) > end);
  const loaded: Timeline = { ...timeline, ...next, live: timeline.live || atEnd, pending };
  const merged = segments[at];
  if (merged === undefined) return loaded;
  const widens = from === 'older' || from === 'around';
  const keep = widens ? Math.max(timeline.keep, merged.messages.length) : timeline.keep;
  const trimmed = widens ? trimAround(merged, page) : trimOldest(merged, keep);
  const lostEnd = trimmed.messages.at(-1) !== merged.messages.at(-1) && at === segments.length - 1;
  return letGo({
    ...loaded,
    keep: lostEnd ? WINDOW : keep,
    live: loaded.live && !lostEnd,
    segments: segments.with(at, trimmed),
  });
}

function isHeld(timeline: Timeline, { seq, id }: Message): boolean {
  const end = timeline.live ? timeline.segments.at(-1)?.messages.at(-1)?.seq : undefined;
  return (seq !== undefined && end !== undefined && seq <= end) || findMessage(timeline, id) !== undefined;
}

/** A message that is stored now. It belongs to the end; while the end isn't held, a later page brings it. */
function create(timeline: Timeline, pushed: Message): Timeline {
  let message = pushed;
  for (const mark of timeline.marks.values()) message = marked(message, mark, timeline.ownId);
  const held = findMessage(timeline, message.id);
  if (held !== undefined) return amend(settle(timeline, message), message.id, (old) => newer(old, message));
  const settled = settle(timeline, message);
  const last = settled.segments.at(-1);
  if (!settled.live || last === undefined) return settled;
  const lastMessage = last.messages.at(-1);
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
  if (findMessage(timeline, message.id) !== undefined) {
    return amend(timeline, message.id, (held) => newer(held, message));
  }
  const live = timeline.live ? timeline.segments.at(-1) : undefined;
  const first = live?.hasOlder === true ? (live.messages[0]?.seq ?? Infinity) : 0;
  const isWithin = live !== undefined && message.seq !== undefined && message.seq > first;
  return isWithin ? create(timeline, message) : timeline;
}

function keepShown(timeline: Timeline, segments: readonly Segment[]): Pick<Timeline, 'segments' | 'shown'> {
  const first = timeline.segments[timeline.shown]?.messages[0]?.id;
  const shown = segments.findIndex(({ messages }) => messages.some(({ id }) => id === first));
  return { segments, shown: Math.max(shown, 0) };
}

/** The stored message takes the place of the pending one. */
function settle(timeline: Timeline, message: Message): Timeline {
  const clientId = ownClientId(timeline, message);
  return clientId === undefined ? timeline : mapPending(timeline, clientId, () => undefined);
}

/** Client ids are each sender's own: everybody reads them, and somebody else may send under one that was read. */
function ownClientId({ ownId }: Timeline, { clientId, senderId }: Message): string | undefined {
  return ownId === undefined || senderId === ownId ? clientId : undefined;
}

function has(timeline: Timeline, { clientId }: Message): boolean {
  const isStored = (each: Message): boolean => ownClientId(timeline, each) === clientId;
  return (
    timeline.pending.some((each) => each.clientId === clientId) ||
    timeline.segments.some(({ messages }) => messages.some(isStored))
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
  return segments === timeline.segments ? timeline : { ...timeline, segments };
}

/** The later of two states of one message; what only the marks know is kept. */
function newer(held: Message, other: Message): Message {
  if (other.rev !== undefined && held.rev !== undefined && other.rev < held.rev) return held;
  const status = STATUS_ORDER[held.status] > STATUS_ORDER[other.status] ? held.status : other.status;
  const readBy = held.readBy.length > other.readBy.length ? held.readBy : other.readBy;
  const merged = { ...other, status, readBy };
  return JSON.stringify(held) === JSON.stringify(merged) ? held : merged;
}

function tombstone(held: Message, deletedAt: string): Message {
  const { attachment: _attachment, envelope: _envelope, reactions: _reactions, ...rest } = held;
  return { ...rest, content: '', deletedAt };
}

function remember(timeline: Timeline, mark: Mark): Timeline {
  if (mark.seq === undefined) return timeline;
  const key = mark.kind === 'read' ? `read by ${mark.userId}` : mark.status;
  if ((timeline.marks.get(key)?.seq ?? 0) >= mark.seq) return timeline;
  return { ...timeline, marks: new Map(timeline.marks).set(key, mark) };
}

function marked(held: Message, mark: Mark, ownId: string | undefined): Message {
  return mark.kind === 'read' ? readUpTo(held, mark, ownId) : reached(held, mark, ownId);
}

function readUpTo(held: Message, mark: Extract<Mark, { kind: 'read' }>, ownId: string | undefined): Message {
  const covered = mark.seq === undefined ? held.id === mark.messageId : held.seq !== undefined && held.seq <= mark.seq;
  if (!covered || held.senderId === mark.userId) return held;
  if (held.readBy.length >= MAX_READERS || held.readBy.some(({ userId }) => userId === mark.userId)) return held;
  // A base server tells of the reading, not always of the status that follows from it.
  const status = mark.seq === undefined && held.senderId === ownId ? 'read' : held.status;
  return { ...held, status, readBy: [...held.readBy, { userId: mark.userId, readAt: mark.readAt }] };
}

function reached(held: Message, mark: Extract<Mark, { kind: 'status' }>, ownId: string | undefined): Message {
  const covered =
    held.id === mark.messageId ||
    (mark.seq !== undefined && held.seq !== undefined && held.seq <= mark.seq && held.senderId === ownId);
  return covered && STATUS_ORDER[held.status] < STATUS_ORDER[mark.status] ? { ...held, status: mark.status } : held;
}
