import { letGo, mergePage, trimAround, trimOldest, WINDOW, type Page } from './segments.ts';
import { newer } from './timeline-messages.ts';
import { keepShown, ownClientId, showsEnd, type Stale, type Timeline, type TimelineEvent } from './timeline.ts';

export function cutOff(timeline: Timeline): Timeline {
  const shown = timeline.segments[timeline.shown];
  const isEmpty = shown === undefined || shown.messages.length === 0;
  const stale = timeline.stale ?? (isEmpty ? undefined : { ...shown, atEnd: showsEnd(timeline) });
  return { ...timeline, segments: [], shown: 0, live: false, stale, cuts: timeline.cuts + 1 };
}

export function load(timeline: Timeline, event: Extract<TimelineEvent, { kind: 'loaded' }>): Timeline {
  const { from, atEnd } = event;
  const { stale } = timeline;
  // Somebody has gone elsewhere meanwhile.
  if (from === 'again' && stale === undefined) return timeline;
  const page = stale === undefined ? event.page : renew(stale, event.page);
  const { segments, at } = mergePage(timeline.segments, page, newer);
  const followsEnd = stale?.atEnd ?? (timeline.segments.length === 0 || showsEnd(timeline));
  const isAskedFor = from === 'around' || from === 'again' || (from === 'newest' && followsEnd);
  // Whoever scrolls stays where they are: the page grows what they look at, unless they have gone elsewhere meanwhile.
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
  return letGo({
    ...loaded,
    keep: lostEnd ? WINDOW : keep,
    live: loaded.live && !lostEnd,
    segments: segments.with(at, trimmed),
  });
}

/** What hasn't changed since it went stale is the same object as before; what only the marks know is kept. */
function renew(stale: Stale, page: Page): Page {
  const known = new Map(stale.messages.map((message) => [message.id, message]));
  const messages = page.messages.map((read) => {
    const held = known.get(read.id);
    return held === undefined ? read : newer(held, read);
  });
  return { ...page, messages };
}
