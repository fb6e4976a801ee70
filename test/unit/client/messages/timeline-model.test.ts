import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  emptyTimeline,
  findMessage,
  reduceTimeline,
  windowOf,
  type Timeline,
  type TimelineEvent,
} from '../../../../src/client/messages/timeline.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { baseMessage, deepFreeze, message, pending, timeOf } from '../../../helpers/client/messages.ts';

/** A conversation as its server has it, and the timeline that follows it. */
class Model {
  readonly rows: Message[] = [];
  timeline: Timeline = emptyTimeline('conversation', 'alice');
  #rev = 0;
  #sent = 0;
  /** Own messages that the server has not stored yet. */
  readonly unsent: string[] = [];
  /** Stored, but the acknowledgement is still under way. */
  readonly unacknowledged: Message[] = [];
  readonly pushes: TimelineEvent[] = [];
  readonly seen: TimelineEvent[] = [];

  apply(event: TimelineEvent): void {
    this.seen.push(event);
    this.timeline = reduceTimeline(deepFreeze(this.timeline), deepFreeze(event));
    this.check();
  }

  store(clientId?: string): void {
    const values = clientId === undefined ? {} : { senderId: 'alice', clientId };
    const row = message(this.rows.length + 1, { ...values, rev: ++this.#rev });
    this.rows.push(row);
    if (clientId !== undefined) this.unacknowledged.push(row);
    this.pushes.push({ kind: 'created', conversationId: 'conversation', message: row, rev: row.rev });
  }

  change(at: number, gone: boolean): void {
    const held = this.rows[at % Math.max(1, this.rows.length)];
    if (held === undefined) return;
    const rev = ++this.#rev;
    const row = gone ? { ...held, rev, content: '', deletedAt: 'then' } : { ...held, rev, content: `edit ${rev}` };
    this.rows[(row.seq ?? 1) - 1] = row;
    this.pushes.push({ kind: 'updated', conversationId: 'conversation', message: row, rev });
  }

  send(): void {
    const clientId = `client ${++this.#sent}`;
    this.unsent.push(clientId);
    this.apply({ kind: 'pending', message: pending(clientId) });
  }

  /** A page as the server has it now; `anchor` is a position. */
  load(from: 'newest' | 'older' | 'newer' | 'around', limit: number, anchor: number): void {
    const end = this.rows.length;
    const [first, last] = {
      newest: [end - limit + 1, end],
      older: [anchor - limit, anchor - 1],
      newer: [anchor + 1, anchor + limit],
      around: [anchor - limit, anchor + limit],
    }[from];
    const page = this.rows.slice(Math.max(0, (first ?? 1) - 1), Math.max(0, last ?? 0));
    const hasOlder = (page[0]?.seq ?? 1) > 1;
    // A page holds what is not yet pushed as well: those pushes come later and must change nothing.
    this.apply({
      kind: 'loaded',
      from,
      page: { messages: page, hasOlder },
      atEnd: page.at(-1)?.seq === end || from === 'newest',
    });
  }

  check(): void {
    const { segments, pending: waiting, shown } = this.timeline;
    const positions = segments.map(({ messages }) => messages.map(({ seq = 0 }) => seq));
    for (const each of positions) {
      each.forEach((seq, at) => at > 0 && expect(seq, 'no gap inside a stretch').toBe((each[at - 1] ?? 0) + 1));
    }
    const all = positions.flat();
    expect(all, 'each once, stretches in order').toEqual([...new Set(all)].toSorted((a, b) => a - b));
    for (let at = 1; at < positions.length; at += 1) {
      expect(positions[at]?.[0], 'a hole lies between two stretches').toBeGreaterThan(
        (positions[at - 1]?.at(-1) ?? 0) + 1,
      );
    }
    expect(segments.length).toBeLessThanOrEqual(8);
    expect(shown).toBeLessThan(Math.max(1, segments.length));
    const stored = new Set(segments.flatMap(({ messages }) => messages.map(({ clientId }) => clientId)));
    const clientIds = waiting.map(({ clientId }) => clientId);
    expect(clientIds, 'pending once').toEqual([...new Set(clientIds)]);
    expect(
      clientIds.filter((clientId) => stored.has(clientId)),
      'pending or stored',
    ).toEqual([]);
    expect(
      !windowOf(this.timeline).hasOlder && all.length > 0 && positions[shown]?.[0] !== 1,
      'a start that is none',
    ).toBe(false);
  }
}

const nat = fc.nat(40);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('store' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('send' as const, 'accept' as const, 'acknowledge' as const) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('edit' as const, 'delete' as const), at: nat }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constantFrom('push' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('repeat' as const), at: nat }) },
  fc.record({ do: fc.constant('mark' as const), at: nat, read: fc.boolean() }),
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('load' as const),
      from: fc.constantFrom('newest' as const, 'older' as const, 'newer' as const, 'around' as const),
      limit: fc.integer({ min: 1, max: 6 }),
      at: nat,
    }),
  },
  fc.record({ do: fc.constant('cut-off' as const) }),
);

test('whatever comes in whatever order, each message stands once and in its place, with no gap in a stretch', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const model = new Model();
      const { timeline: _start, unsent, unacknowledged, pushes, rows } = model;
      for (let count = 0; count < 12; count += 1) model.store();
      pushes.length = 0;
      model.load('newest', 4, 0);
      for (const each of steps) {
        switch (each.do) {
          case 'store':
            model.store();
            break;
          case 'send':
            model.send();
            break;
          case 'accept': {
            const clientId = unsent.shift();
            if (clientId !== undefined) model.store(clientId);
            break;
          }
          case 'acknowledge': {
            const row = unacknowledged.shift();
            if (row !== undefined) model.apply({ kind: 'acknowledged', clientId: row.clientId ?? '', message: row });
            break;
          }
          case 'edit':
          case 'delete':
            model.change(each.at, each.do === 'delete');
            break;
          case 'push': {
            const event = pushes.shift();
            if (event !== undefined) model.apply(event);
            break;
          }
          case 'repeat': {
            // What was said of a stored message may be said again at any time.
            const event = model.seen[each.at % Math.max(1, model.seen.length)];
            if (event?.kind === 'created' || event?.kind === 'updated') model.apply(event);
            break;
          }
          case 'mark': {
            const position = { conversationId: 'conversation', messageId: '', seq: each.at };
            model.apply(
              each.read
                ? { kind: 'read', ...position, userId: 'carol', readAt: 'then' }
                : { kind: 'status', ...position, status: 'delivered' },
            );
            break;
          }
          case 'load':
            if (pushes.length === 0) model.load(each.from, each.limit, (each.at % Math.max(1, rows.length)) + 1);
            break;
          case 'cut-off':
            // What is not pushed yet never will be.
            pushes.length = 0;
            model.apply({ kind: 'cut-off' });
            model.load('newest', 3, 0);
        }
      }
      for (const event of pushes.splice(0)) model.apply(event);
      for (const row of unacknowledged)
        model.apply({ kind: 'acknowledged', clientId: row.clientId ?? '', message: row });

      // In step: the end is held as the server has it, and what waits is exactly what was not stored.
      expect(model.timeline.live).toBe(true);
      expect(model.timeline.segments.at(-1)?.messages.at(-1)?.id).toBe(rows.at(-1)?.id);
      expect(model.timeline.pending.map(({ clientId }) => clientId)).toEqual(unsent);
      const seen = new Set(model.seen.flatMap((event) => (event.kind === 'updated' ? [event.message.id] : [])));
      for (const row of rows) {
        const held = findMessage(model.timeline, row.id);
        expect(held !== undefined && seen.has(row.id) ? held.content : row.content).toBe(row.content);
      }
      // Scrolling up from the end fills every hole.
      model.load('around', 3, rows.length);
      while (windowOf(model.timeline).hasOlder) model.load('older', 4, windowOf(model.timeline).messages[0]?.seq ?? 1);
      expect(
        windowOf(model.timeline)
          .messages.filter(({ seq }) => seq !== undefined)
          .map(({ id }) => id),
      ).toEqual(rows.map(({ id }) => id));
    }),
    { numRuns: 300 },
  );
});

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
