import type { Message } from '../../protocol/messages.ts';

/** Consecutive messages without a gap, oldest first. */
export interface Segment {
  readonly messages: readonly Message[];
  /** False when the first one is the first of the conversation. */
  readonly hasOlder: boolean;
}

/** A page of history, oldest first. */
export interface Page extends Segment {
  /** With a base server, whose messages have no `seq`: id of the message before which the page ends. */
  readonly adjoins?: string | undefined;
}

/** Returns the position of a message in its timeline; `undefined` with a base server. Consecutive messages have consecutive ones. */
export type PlaceOf = (message: Message) => number | undefined;

/** The position in the main timeline. */
export const placeInConversation: PlaceOf = ({ timelineSeq, seq }) => timelineSeq ?? seq;
/** The position among the replies of a thread. */
export const placeInThread: PlaceOf = ({ threadSeq }) => threadSeq;

/** Number of messages that a timeline at its end keeps. Scrolling up increases it. */
export const WINDOW = 500;
/** Number of messages by which a segment grows before it is trimmed, so that most arrivals don't trim. */
const SLACK = 100;
/** Most messages kept in one segment while scrolling up; newer ones are loaded again when scrolling down. */
const MAX_SCROLLED = 2_000;
/** Most segments kept per timeline. */
const MAX_SEGMENTS = 8;

/** The window of a timeline that holds nothing. */
export const EMPTY_WINDOW = { messages: [], hasOlder: false, hasNewer: false } as const;

/** Orders by `seq`; without it by time and id, as a base server does. */
export function isAfter(a: Message, b: Message): boolean {
  return compare(a, b) > 0;
}

function compare(a: Message, b: Message): number {
  if (a.seq !== undefined && b.seq !== undefined) return a.seq - b.seq;
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  const byNumber = Number(a.id) - Number(b.id);
  return Number.isNaN(byNumber) ? (a.id < b.id ? -1 : a.id > b.id ? 1 : 0) : byNumber;
}

/** Merges a page with all segments that it overlaps or touches. Returns the segments and the index of the merged one. */
export function mergePage(
  segments: readonly Segment[],
  page: Page,
  newer: (held: Message, other: Message) => Message,
  placeOf: PlaceOf,
): { segments: readonly Segment[]; at: number } {
  if (page.messages.length === 0) return { segments: fillEdge(segments, page), at: Math.max(segments.length - 1, 0) };
  const joined: Segment[] = [page];
  const apart: Segment[] = [];
  for (const segment of segments) (touches(segment, page, placeOf) ? joined : apart).push(segment);
  const merged = joined.reduce((one, other) => union(one, other, newer));
  const all = [...apart, merged].sort((a, b) => compareFirst(a, b));
  return { segments: all, at: all.indexOf(merged) };
}

/** Applies `change` to every message. Returns `segments` itself if no message changed. */
export function amendSegments<T extends Segment>(
  segments: readonly T[],
  change: (held: Message) => Message,
): readonly T[] {
  let changed = false;
  const next = segments.map((segment) => {
    let touched = false;
    const messages = segment.messages.map((held) => {
      const message = change(held);
      if (message !== held) touched = true;
      return message;
    });
    if (!touched) return segment;
    changed = true;
    return { ...segment, messages };
  });
  return changed ? next : segments;
}

/** Evicts the oldest messages of a segment that grows at its end. */
export function trimOldest(segment: Segment, keep: number): Segment {
  if (segment.messages.length <= keep + SLACK) return segment;
  return { messages: segment.messages.slice(-keep), hasOlder: true };
}

/** Evicts the messages farthest from `page` in a segment that has grown too long by scrolling. */
export function trimAround(segment: Segment, page: Page): Segment {
  const { messages } = segment;
  if (messages.length <= MAX_SCROLLED) return segment;
  const first = page.messages[0]?.id;
  const at = Math.max(
    0,
    messages.findIndex(({ id }) => id === first),
  );
  const margin = Math.floor((MAX_SCROLLED - page.messages.length) / 2);
  const start = Math.max(0, Math.min(at - margin, messages.length - MAX_SCROLLED));
  return { messages: messages.slice(start, start + MAX_SCROLLED), hasOlder: segment.hasOlder || start > 0 };
}

/** Evicts segments that are neither shown nor at the end, oldest first. */
export function evictSegments<T extends { readonly segments: readonly Segment[]; readonly shown: number }>(
  timeline: T,
): T {
  const excess = timeline.segments.length - MAX_SEGMENTS;
  if (excess <= 0) return timeline;
  const spare = timeline.segments.filter((_, at) => at !== timeline.shown && at !== timeline.segments.length - 1);
  const dropped = new Set(spare.slice(0, excess));
  const segments = timeline.segments.filter((segment) => !dropped.has(segment));
  const shown = timeline.segments[timeline.shown];
  return {
    ...timeline,
    segments,
    shown: Math.max(
      0,
      segments.findIndex((segment) => segment === shown),
    ),
  };
}

/** Returns whether the page overlaps the segment or adjoins it without a gap. */
export function touches(segment: Segment, page: Page, placeOf: PlaceOf): boolean {
  const [first, last] = [segment.messages[0], segment.messages.at(-1)];
  const [pageFirst, pageLast] = [page.messages[0], page.messages.at(-1)];
  if (first === undefined || last === undefined || pageFirst === undefined || pageLast === undefined) return true;
  const [start, end, pageStart, pageEnd] = [placeOf(first), placeOf(last), placeOf(pageFirst), placeOf(pageLast)];
  if (start !== undefined && end !== undefined && pageStart !== undefined && pageEnd !== undefined) {
    return pageStart <= end + 1 && pageEnd >= start - 1;
  }
  const ids = new Set(segment.messages.map(({ id }) => id));
  return (page.adjoins !== undefined && ids.has(page.adjoins)) || page.messages.some(({ id }) => ids.has(id));
}

function union(one: Segment, other: Segment, newer: (held: Message, other: Message) => Message): Segment {
  const byId = new Map(other.messages.map((message) => [message.id, message]));
  for (const message of one.messages) {
    const held = byId.get(message.id);
    byId.set(message.id, held === undefined ? message : newer(held, message));
  }
  const messages = [...byId.values()].sort(compare);
  const oldest = [one, other].filter(({ messages: [first] }) => first?.id === messages[0]?.id);
  return { messages, hasOlder: oldest.every(({ hasOlder }) => hasOlder) };
}

/** An empty page adds no messages: it shows that none precede the one it adjoins. */
function fillEdge(segments: readonly Segment[], page: Page): readonly Segment[] {
  if (segments.length === 0) return [page];
  if (page.hasOlder || page.adjoins === undefined) return segments;
  return segments.map((segment) =>
    segment.messages[0]?.id === page.adjoins ? { ...segment, hasOlder: false } : segment,
  );
}

function compareFirst(a: Segment, b: Segment): number {
  const [first, other] = [a.messages[0], b.messages[0]];
  return first === undefined || other === undefined ? 0 : compare(first, other);
}
