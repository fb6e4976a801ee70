import { expect, test } from 'vitest';
import {
  emptyTimeline,
  reduceTimeline,
  windowOf,
  type TimelineEvent,
} from '../../../../src/client/timeline/timeline-reducer.ts';
import { baseMessage, deepFreeze, timeOf } from '../../../helpers/client/messages.ts';
import { fc } from '../../../helpers/property.ts';

test('with a base server pages of tied times show every message once, by time and numeric id', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 0, max: 5 }),
      (times, limit, arriving) => {
        const ordered = times
          .toSorted((a, b) => a - b)
          .map((time, at) => baseMessage(at + 1, { createdAt: timeOf(time) }));
        const stored = ordered.slice(0, Math.max(1, ordered.length - arriving));
        let timeline = emptyTimeline('conversation', 'alice');
        const take = (event: TimelineEvent): void => {
          timeline = reduceTimeline(deepFreeze(timeline), deepFreeze(event));
        };
        const load = (before: number, adjoins?: string): void => {
          const page = stored.slice(Math.max(0, before - limit), before);
          const from = adjoins === undefined ? 'newest' : 'older';
          const hasOlder = before > limit;
          take({
            kind: 'loaded',
            from,
            page: {
              messages: page.toReversed().toSorted((a, b) => Number(a.id) - Number(b.id)),
              hasOlder,
              ...(adjoins !== undefined && { adjoins }),
            },
            atEnd: from === 'newest',
          });
        };
        load(stored.length);
        for (const each of ordered.slice(stored.length))
          take({ kind: 'created', conversationId: 'conversation', message: each });
        while (windowOf(timeline).hasOlder) {
          const first = windowOf(timeline).messages[0]?.id ?? '';
          load(Number(first) - 1, first);
        }
        expect(windowOf(timeline).messages.map(({ id }) => id)).toEqual(ordered.map(({ id }) => id));
        expect(windowOf(timeline).hasNewer).toBe(false);
      },
    ),
    { numRuns: 200 },
  );
});
