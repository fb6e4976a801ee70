import type { Message } from '../../protocol/messages.ts';

/** Messages that follow one another without a gap, oldest first. */
export interface Segment {
  readonly messages: readonly Message[];
  /** False when the first one is the first of the conversation. */
  readonly hasOlder: boolean;
}

/** A page of history, oldest first. */
export interface Page extends Segment {
  /** With a base server, whose messages have no `seq`: the message the page was asked by, which it adjoins. */
  readonly adjoins?: string | undefined;
}

/** A view that follows the end keeps about this many messages; scrolling up widens it. */
export const WINDOW = 500;
/** Trimming takes this many at once, so that most arrivals don't trim. */
const SLACK = 100;
/** The most that scrolling up keeps of one stretch; what is newer is loaded again on the way down. */
const MAX_SCROLLED = 2_000;
const MAX_SEGMENTS = 8;

export const EMPTY_WINDOW = { messages: [], hasOlder: false, hasNewer: false } as const;

/** Positions by `seq` where there is one; without, by time and then by id, as a base server lists them. */
export function isAfter(a: Message, b: Message): boolean {
  return compare(a, b) > 0;
}

function compare(a: Message, b: Message): number {
  if (a.seq !== undefined && b.seq !== undefined) return a.seq - b.seq;
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  const byNumber = Number(a.id) - Number(b.id);
  return Number.isNaN(byNumber) ? (a.id < b.id ? -1 : a.id > b.id ? 1 : 0) : byNumber;
}

/** Takes a page into the segments: whatever it overlaps or touches becomes one with it. */
export function mergePage(
  segments: readonly Segment[],
  page: Page,
  newer: (held: Message, other: Message) => Message,
): { segments: readonly Segment[]; at: number } {
  if (page.messages.length === 0) return { segments: fillEdge(segments, page), at: Math.max(segments.length - 1, 0) };
  const joined: Segment[] = [page];
  const apart: Segment[] = [];
  for (const segment of segments) (touches(segment, page) ? joined : apart).push(segment);
  const merged = joined.reduce((one, other) => union(one, other, newer));
  const all = [...apart, merged].sort((a, b) => compareFirst(a, b));
  return { segments: all, at: all.indexOf(merged) };
}

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

/** Lets go of the oldest messages of a segment that grows at its end. */
export function trimOldest(segment: Segment, keep: number): Segment {
  if (segment.messages.length <= keep + SLACK) return segment;
  return { messages: segment.messages.slice(-keep), hasOlder: true };
}

/** Lets go of the messages farthest from a page in a segment in which somebody scrolls without end. */
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

/** Lets go of stretches that are neither shown nor the end, the oldest first. */
export function letGo<T extends { readonly segments: readonly Segment[]; readonly shown: number }>(timeline: T): T {
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

export function touches(segment: Segment, page: Page): boolean {
  const [first, last] = [segment.messages[0], segment.messages.at(-1)];
  const [pageFirst, pageLast] = [page.messages[0], page.messages.at(-1)];
  if (first === undefined || last === undefined || pageFirst === undefined || pageLast === undefined) return true;
  if (first.seq !== undefined && last.seq !== undefined && pageFirst.seq !== undefined && pageLast.seq !== undefined) {
    return pageFirst.seq <= last.seq + 1 && pageLast.seq >= first.seq - 1;
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

/** An empty page says only that there is nothing beyond what it adjoins. */
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
