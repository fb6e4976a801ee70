import {
  emptyTimeline,
  reduceTimeline,
  windowOf,
  type Timeline,
  type TimelineEvent,
} from '../../../src/client/timeline/timeline-reducer.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import { deepFreeze, message, messages } from './messages.ts';

export const EMPTY = emptyTimeline('conversation', 'alice');

export function run(timeline: Timeline, ...events: readonly TimelineEvent[]): Timeline {
  return events.reduce((state, event) => reduceTimeline(deepFreeze(state), deepFreeze(event)), timeline);
}

export function loaded(
  from: 'newest' | 'older' | 'newer' | 'around' | 'again',
  page: Message[],
  rest: { hasOlder?: boolean; atEnd?: boolean; adjoins?: string } = {},
): TimelineEvent {
  const { hasOlder = (page[0]?.seq ?? 1) > 1, atEnd = from === 'newest', adjoins } = rest;
  return { kind: 'loaded', from, page: { messages: page, hasOlder, ...(adjoins !== undefined && { adjoins }) }, atEnd };
}

export function created(each: Message): TimelineEvent {
  return { kind: 'created', conversationId: 'conversation', message: each, rev: each.rev };
}

export function updated(each: Message): TimelineEvent {
  return { kind: 'updated', conversationId: 'conversation', message: each, rev: each.rev };
}

export const here = { conversationId: 'conversation' };
/** What is shown: `8 9 10` for stored messages, `+a` for pending ones. */
export function shown(timeline: Timeline): string {
  return windowOf(timeline)
    .messages.map(({ id, clientId, status }) => (id === clientId ? `${status === 'failed' ? '!' : '+'}${id}` : id))
    .join(' ');
}
/** All stretches: `[1 2] [8 9 10]`. */
export function stretches({ segments }: Timeline): string {
  return segments.map((segment) => `[${segment.messages.map(({ id }) => id).join(' ')}]`).join(' ');
}

export const LIVE = run(EMPTY, loaded('newest', messages(8, 10)));
export const own = (seq: number, clientId: string): Message => message(seq, { senderId: 'alice', clientId });
