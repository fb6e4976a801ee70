import type { Message } from '../../protocol/messages.ts';
import type { MessageStatus } from '../../protocol/constants.ts';
import type { Change, Mark } from '../changes.ts';
import {
  amendSegments,
  EMPTY_WINDOW,
  evictSegments,
  isAfter,
  mergePage,
  placeInConversation,
  trimAround,
  trimOldest,
  WINDOW,
  type Page,
  type PlaceOf,
  type Segment,
} from './segments.ts';

/*
 * The part of one conversation's history that a client holds: stretches without a gap (segments), the last of which is
 * `live` once it reaches the end of the conversation. One segment is shown. Own messages that are not stored yet follow
 * the end.
 *
 *      gap             gap, filled by loading pages
 *   ┄┄┄┄┄┄┄ [ older ] ┄┄┄┄┄┄┄ [ shown, live ] + [ pending ]
 *
 * Segments match the server. When changes were missed that can't be fetched, all segments are invalidated: the shown one
 * stays visible as `stale` until it has been loaded again, and is never merged with pages loaded since.
 */

/** The state of the timeline of one conversation or thread. */
export interface Timeline {
  readonly conversationId: string;
  readonly ownId: string | undefined;
  readonly placeOf: PlaceOf;
  /** Oldest first. */
  readonly segments: readonly Segment[];
  /** Shown in place of a segment after an invalidation. */
  readonly stale: Stale | undefined;
  /** Number of invalidations. A page requested in an earlier generation is discarded. */
  readonly generation: number;
  /** Index of the shown segment. */
  readonly shown: number;
  /** True if the last segment reaches the end of the conversation. */
  readonly live: boolean;
  /** Number of messages to which the last segment is trimmed when messages arrive; scrolling up increases it. */
  readonly keep: number;
  /** Own messages that are not stored or were rejected, in the order in which they were sent. */
  readonly pending: readonly Message[];
  /** The furthest receipt by user and status. A receipt may arrive before a message that is held back behind a gap. */
  readonly marks: ReadonlyMap<string, Mark>;
}

/** The segment that was shown when the timeline was invalidated. */
export interface Stale extends Segment {
  /** True if it reached the end: it is replaced by the newest page. Otherwise the same stretch is loaded again. */
  readonly atEnd: boolean;
  /** True if it comes from an earlier session. */
  readonly isRestored?: boolean | undefined;
}

/** Everything that changes a timeline. */
export type TimelineEvent =
  | Change
  | Mark
  /**
   * A page of history was loaded. `newest` is shown unless the user has scrolled up, `again` replaces the stale segment,
   * the others were requested by the user.
   */
  | { kind: 'loaded'; from: 'newest' | 'older' | 'newer' | 'around' | 'again'; page: Page; atEnd: boolean }
  /** The end of the conversation as an earlier session has stored it. No effect once anything is loaded. */
  | { kind: 'restored'; page: Segment }
  | { kind: 'pending'; message: Message }
  | { kind: 'failed' | 'retried' | 'discarded'; clientId: string }
  /** The server has stored the message; the push adds it to a segment. */
  | { kind: 'acknowledged'; clientId: string; message: Message }
  /** Changes were missed and can't be fetched: messages may have changed and the end is unknown. */
  | { kind: 'invalidated' }
  /** The stale segment can't be loaded again, so it must not stay readable. */
  | { kind: 'unreadable' }
  /** Another user has signed in. */
  | { kind: 'cleared' };

const STATUS_ORDER: Readonly<Record<MessageStatus, number>> = {
  failed: 0,
  sending: 1,
  sent: 2,
  delivered: 3,
  read: 4,
};
/** `readBy` lists at most as many readers as the server does. */
const MAX_READERS = 50;

/** Returns a timeline that holds nothing. */
export function emptyTimeline(
  conversationId: string,
  ownId: string | undefined,
  placeOf: PlaceOf = placeInConversation,
): Timeline {
  const nothing = { segments: [], shown: 0, live: false, stale: undefined, generation: 0 };
  return { conversationId, ownId, placeOf, ...nothing, keep: WINDOW, pending: [], marks: new Map() };
}

/** The shown part of a timeline. */
export interface TimelineWindow {
  /** Oldest first; pending messages last if the end is shown. */
  readonly messages: readonly Message[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
}

/** Returns the shown part of a timeline. */
export function windowOf(timeline: Timeline): TimelineWindow {
  const { stale, pending } = timeline;
  const segment = stale ?? timeline.segments[timeline.shown];
  // Whether messages precede the pending ones is not known.
  if (segment === undefined) return { ...EMPTY_WINDOW, messages: pending, hasOlder: pending.length > 0 };
  const atEnd = stale?.atEnd ?? showsEnd(timeline);
  return {
    messages: atEnd && pending.length > 0 ? [...segment.messages, ...pending] : segment.messages,
    hasOlder: segment.hasOlder,
    // As while disconnected: what was sent since is not known.
    hasNewer: !atEnd || (stale !== undefined && stale.isRestored !== true),
  };
}

/** Returns a message of the segments; `undefined` if it is only in the stale one. */
export function findHeld({ segments }: Timeline, messageId: string): Message | undefined {
  for (const { messages } of segments) {
    const found = messages.find(({ id }) => id === messageId);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns a message of the segments or of the stale one. */
export function findMessage(timeline: Timeline, messageId: string): Message | undefined {
  return findHeld(timeline, messageId) ?? timeline.stale?.messages.find(({ id }) => id === messageId);
}

/** Returns whether the end of the conversation is shown. */
function showsEnd({ live, shown, segments }: Timeline): boolean {
  return live && shown === segments.length - 1;
}

/** Shows the same messages as before among new `segments`. */
function keepShown(timeline: Timeline, segments: readonly Segment[]): Pick<Timeline, 'segments' | 'shown'> {
  const first = timeline.segments[timeline.shown]?.messages[0]?.id;
  const shown = segments.findIndex(({ messages }) => messages.some(({ id }) => id === first));
  return { segments, shown: Math.max(shown, 0) };
}

/** Returns the client id of an own message. Another sender may use the same id, which says nothing about the own one. */
function ownClientId({ ownId }: Timeline, { clientId, senderId }: Message): string | undefined {
  return ownId === undefined || senderId === ownId ? clientId : undefined;
}

/** Applies an event. Returns `timeline` itself if nothing changed, so that views can compare by identity. */
export function reduceTimeline(timeline: Timeline, event: TimelineEvent): Timeline {
  switch (event.kind) {
    case 'loaded':
      return load(timeline, event);
    case 'created':
      return create(timeline, event.message);
    case 'updated':
      return revise(timeline, event.message);
    case 'deleted':
      return amend(timeline, event.messageId, (held) => (held.deletedAt === undefined ? tombstone(held, event) : held));
    case 'reactions':
      return react(timeline, event);
    case 'conversation':
      return timeline;
    case 'read':
    case 'status':
      return amendAll(remember(timeline, event), (held) => marked(held, event, timeline.ownId));
    case 'restored':
      return restore(timeline, event.page);
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
      return {
        ...emptyTimeline(timeline.conversationId, timeline.ownId, timeline.placeOf),
        generation: timeline.generation + 1,
      };
    case 'invalidated':
      return invalidate(timeline);
    case 'unreadable':
      return timeline.stale === undefined ? timeline : { ...timeline, stale: undefined };
  }
}

function isHeld(timeline: Timeline, { seq, id }: Message): boolean {
  const end = timeline.live ? timeline.segments.at(-1)?.messages.at(-1)?.seq : undefined;
  return (seq !== undefined && end !== undefined && seq <= end) || findHeld(timeline, id) !== undefined;
}

/**
 * Adds a new message to the end. If the end is not loaded, a later page contains the message. If it doesn't follow the
 * last message directly, changes were missed, and the timeline is invalidated.
 */
function create(timeline: Timeline, pushed: Message): Timeline {
  let message = pushed;
  for (const mark of timeline.marks.values()) message = marked(message, mark, timeline.ownId);
  if (findHeld(timeline, message.id) !== undefined)
    return amend(settle(timeline, message), message.id, (old) => newer(old, message));
  // The stale end stays visible until the newest page, which contains the message, has loaded.
  if (timeline.stale?.atEnd === true) return timeline;
  const settled = settle(timeline, message);
  const last = settled.segments.at(-1);
  if (!settled.live || last === undefined) return settled;
  const lastMessage = last.messages.at(-1);
  if (isBeyond(timeline, message, lastMessage)) return invalidate(timeline);
  if (lastMessage !== undefined && !isAfter(message, lastMessage)) {
    // A new message adjoins the live segment even if its time is earlier: a base server's clock may have been set back.
    const page = { messages: [message], hasOlder: true, adjoins: lastMessage.id };
    const { segments } = mergePage(settled.segments, page, newer, timeline.placeOf);
    return { ...settled, ...keepShown(settled, segments) };
  }
  const grown = trimOldest({ ...last, messages: [...last.messages, message] }, settled.keep);
  return { ...settled, segments: settled.segments.with(-1, grown) };
}

/** Replaces a message by its later state. One that was sent and deleted while offline is added as a tombstone. */
function revise(timeline: Timeline, message: Message): Timeline {
  const amended = amend(timeline, message.id, (held) => newer(held, message));
  if (findHeld(amended, message.id) !== undefined) return amended;
  const live = amended.live ? amended.segments.at(-1) : undefined;
  const first = live?.hasOlder === true ? (live.messages[0]?.seq ?? Infinity) : 0;
  const isWithin = live !== undefined && message.seq !== undefined && message.seq > first;
  return isWithin ? create(amended, message) : amended;
}

/** Returns whether messages are missing between the last one and this. With a base server, without `seq`, never. */
function isBeyond({ placeOf }: Timeline, message: Message, last: Message | undefined): boolean {
  const place = placeOf(message);
  const end = last === undefined ? 0 : placeOf(last);
  return place !== undefined && end !== undefined && place > end + 1;
}

/** Removes the pending message that this stored one replaces. */
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

function amendAll(
  timeline: Timeline,
  change: (held: Message) => Message,
  changeStale: (stale: Message) => Message = change,
): Timeline {
  const segments = amendSegments(timeline.segments, change);
  const [stale] = timeline.stale === undefined ? [] : amendSegments([timeline.stale], changeStale);
  return segments === timeline.segments && stale === timeline.stale ? timeline : { ...timeline, segments, stale };
}

/** A stale message keeps its revision, because it may lack earlier changes, which the page that is being loaded contains. */
function react(timeline: Timeline, { messageId, reactions, rev }: Extract<Change, { kind: 'reactions' }>): Timeline {
  const reacted = (held: Message, next: Pick<Message, 'reactions' | 'rev'>): Message =>
    held.id !== messageId || (rev !== undefined && rev <= (held.rev ?? 0)) ? held : { ...held, ...next };
  const revised = rev === undefined ? { reactions } : { reactions, rev };
  return amendAll(
    timeline,
    (held) => reacted(held, revised),
    (stale) => reacted(stale, { reactions }),
  );
}

/** Keeps a receipt for messages that arrive later. */
function remember(timeline: Timeline, mark: Mark): Timeline {
  if (mark.seq === undefined) return timeline;
  const key = mark.kind === 'read' ? `read by ${mark.userId}` : mark.status;
  if ((timeline.marks.get(key)?.seq ?? 0) >= mark.seq) return timeline;
  return { ...timeline, marks: new Map(timeline.marks).set(key, mark) };
}

/** Drops all segments. The shown one stays visible as stale. */
function invalidate(timeline: Timeline): Timeline {
  const shown = timeline.segments[timeline.shown];
  const isEmpty = shown === undefined || shown.messages.length === 0;
  const stale = timeline.stale ?? (isEmpty ? undefined : { ...shown, atEnd: showsEnd(timeline) });
  return { ...timeline, segments: [], shown: 0, live: false, stale, generation: timeline.generation + 1 };
}

/** Shows the messages of an earlier session until the newest page has loaded. */
function restore(timeline: Timeline, page: Segment): Timeline {
  const { segments, stale, generation } = timeline;
  if (segments.length > 0 || stale !== undefined || generation > 0) return timeline;
  const stored = new Set(page.messages.map((each) => ownClientId(timeline, each)));
  const pending = timeline.pending.filter(({ clientId }) => !stored.has(clientId));
  return { ...timeline, pending, stale: { ...page, atEnd: true, isRestored: true } };
}

/** Merges a page into the segments and decides what is shown. */
function load(timeline: Timeline, event: Extract<TimelineEvent, { kind: 'loaded' }>): Timeline {
  const { from, atEnd } = event;
  const { stale } = timeline;
  // The user has jumped elsewhere in the meantime.
  if (from === 'again' && stale === undefined) return timeline;
  const page = stale === undefined ? event.page : renew(stale, event.page);
  const { segments, at } = mergePage(timeline.segments, page, newer, timeline.placeOf);
  const followsEnd = stale?.atEnd ?? (timeline.segments.length === 0 || showsEnd(timeline));
  const isAskedFor = from === 'around' || from === 'again' || (from === 'newest' && followsEnd);
  // Scrolling keeps the shown segment, which the page extends unless the user has jumped elsewhere.
  const next = isAskedFor && page.messages.length > 0 ? { segments, shown: at } : keepShown(timeline, segments);
  const stored = new Set(page.messages.map((each) => ownClientId(timeline, each)));
  const end = segments.at(-1)?.messages.at(-1)?.seq ?? 0;
  const pending = timeline.pending.filter(({ clientId, seq }) => !stored.has(clientId) && (seq ?? Infinity) > end);
  const left = isAskedFor ? undefined : stale;
  const loaded: Timeline = { ...timeline, ...next, live: timeline.live || atEnd, stale: left, pending };
  const merged = segments[at];
  if (merged === undefined) return loaded;
  const widens = from === 'older' || from === 'around' || from === 'again';
  const keep = widens ? Math.max(timeline.keep, merged.messages.length) : timeline.keep;
  const trimmed = widens ? trimAround(merged, page) : trimOldest(merged, keep);
  const lostEnd = trimmed.messages.at(-1) !== merged.messages.at(-1) && at === segments.length - 1;
  return evictSegments({
    ...loaded,
    keep: lostEnd ? WINDOW : keep,
    live: loaded.live && !lostEnd,
    segments: segments.with(at, trimmed),
  });
}

/** Keeps the objects of messages that are unchanged since they became stale, with their receipts. */
function renew(stale: Stale, page: Page): Page {
  const known = new Map(stale.messages.map((message) => [message.id, message]));
  const messages = page.messages.map((read) => {
    const held = known.get(read.id);
    return held === undefined ? read : newer(held, read);
  });
  return { ...page, messages };
}

/** Returns the later of two states of a message, with the furthest receipts of both. */
function newer(held: Message, other: Message): Message {
  if (other.rev !== undefined && held.rev !== undefined && other.rev < held.rev) return held;
  const status = STATUS_ORDER[held.status] > STATUS_ORDER[other.status] ? held.status : other.status;
  const merged = { ...other, status, readBy: union(held.readBy, other.readBy) };
  return JSON.stringify(held) === JSON.stringify(merged) ? held : merged;
}

/** Returns the readers in either list. Neither has to contain the other: a user who leaves is no reader any longer. */
function union(held: Message['readBy'], others: Message['readBy']): Message['readBy'] {
  const added = others.filter(({ userId }) => !held.some((reader) => reader.userId === userId));
  return [...held, ...added].slice(0, MAX_READERS);
}

/** Returns what is left of a deleted message. */
export function tombstone(held: Message, event: Extract<Change, { kind: 'deleted' }>): Message {
  const { deletedAt, deletedBy, unauthenticated = false } = event;
  const {
    attachment: _attachment,
    attachments: _attachments,
    envelope: _envelope,
    reactions: _reactions,
    metadata: _metadata,
    linkPreview: _linkPreview,
    mentions: _mentions,
    pinned: _pinned,
    ...rest
  } = held;
  return {
    ...rest,
    content: '',
    deletedAt,
    ...(deletedBy !== '' && { deletedBy }),
    ...(unauthenticated && { deletionUnauthenticated: true }),
  };
}

function marked(held: Message, mark: Mark, ownId: string | undefined): Message {
  return mark.kind === 'read' ? readUpTo(held, mark, ownId) : reached(held, mark, ownId);
}

function readUpTo(held: Message, mark: Extract<Mark, { kind: 'read' }>, ownId: string | undefined): Message {
  const covered = mark.seq === undefined ? held.id === mark.messageId : held.seq !== undefined && held.seq <= mark.seq;
  if (!covered || held.senderId === mark.userId) return held;
  if (held.readBy.length >= MAX_READERS || held.readBy.some(({ userId }) => userId === mark.userId)) return held;
  // A base server doesn't always push the status that follows from a read receipt.
  const status = mark.seq === undefined && held.senderId === ownId ? 'read' : held.status;
  return { ...held, status, readBy: [...held.readBy, { userId: mark.userId, readAt: mark.readAt }] };
}

function reached(held: Message, mark: Extract<Mark, { kind: 'status' }>, ownId: string | undefined): Message {
  const covered =
    held.id === mark.messageId ||
    (mark.seq !== undefined && held.seq !== undefined && held.seq <= mark.seq && held.senderId === ownId);
  return covered && STATUS_ORDER[held.status] < STATUS_ORDER[mark.status] ? { ...held, status: mark.status } : held;
}
