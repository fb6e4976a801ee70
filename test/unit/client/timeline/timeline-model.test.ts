import { expect, test } from 'vitest';
import {
  emptyTimeline,
  findMessage,
  reduceTimeline,
  windowOf,
  type Timeline,
  type TimelineEvent,
} from '../../../../src/client/timeline/timeline-reducer.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { deepFreeze, message, pending } from '../../../helpers/client/messages.ts';
import { fc } from '../../../helpers/property.ts';

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
  /** Whether the server tells what happens, and may be asked. */
  isIn = true;
  readonly seen: TimelineEvent[] = [];

  apply(event: TimelineEvent): void {
    this.seen.push(event);
    this.take([event]);
  }

  take(events: readonly TimelineEvent[]): void {
    for (const event of events) this.timeline = reduceTimeline(deepFreeze(this.timeline), deepFreeze(event));
    this.check();
  }

  /** What was told while a page was on its way is told again behind it, but nothing from before a cut-off. */
  repeat(count: number): void {
    const told = this.seen.slice(this.seen.findLastIndex(({ kind }) => kind === 'invalidated') + 1);
    const stored = told.filter(({ kind }) => kind === 'created' || kind === 'updated');
    this.take(stored.slice(-count - 1));
  }

  store(clientId?: string): void {
    const values = clientId === undefined ? {} : { senderId: 'alice', clientId };
    const row = message(this.rows.length + 1, { ...values, rev: ++this.#rev });
    this.rows.push(row);
    if (clientId !== undefined) this.unacknowledged.push(row);
    this.push({ kind: 'created', conversationId: 'conversation', message: row, rev: row.rev });
  }

  push(event: TimelineEvent): void {
    if (this.isIn) this.pushes.push(event);
  }

  /** What is not pushed yet never will be, and what happens from here on is not told. */
  leave(): void {
    this.isIn = false;
    this.pushes.length = 0;
  }

  change(at: number, gone: boolean): void {
    const held = this.rows[at % Math.max(1, this.rows.length)];
    if (held === undefined) return;
    const rev = ++this.#rev;
    const row = gone ? { ...held, rev, content: '', deletedAt: 'then' } : { ...held, rev, content: `edit ${rev}` };
    this.rows[(row.seq ?? 1) - 1] = row;
    this.push({ kind: 'updated', conversationId: 'conversation', message: row, rev });
  }

  send(): void {
    const clientId = `client ${++this.#sent}`;
    this.unsent.push(clientId);
    this.apply({ kind: 'pending', message: pending(clientId) });
  }

  /** What a client does while its timeline isn't in step: the end, with what was held of it, or what is looked at. */
  readAgain(): void {
    const { live, stale } = this.timeline;
    const [first, last] = [stale?.messages[0]?.seq ?? 1, stale?.messages.at(-1)?.seq ?? 0];
    const end = this.rows.length;
    if (!live || stale?.atEnd === true) {
      const touches = stale?.atEnd === true && last >= end - 3;
      this.load('newest', touches ? Math.max(3, end - first + 1) : 3, 0);
    }
    if (stale?.atEnd !== false) return;
    const messages = this.rows.slice(first - 1, last);
    this.apply({ kind: 'loaded', from: 'again', page: { messages, hasOlder: first > 1 }, atEnd: last === end });
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
    const { segments, pending: waiting, shown, stale } = this.timeline;
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
    // A disconnected client has not received the changes yet. Loaded messages match the server or a pending change.
    if (this.isIn || stale !== undefined) {
      const told = new Map(this.pushes.map((event) => ['message' in event ? event.message.id : '', event]));
      for (const { id, seq = 0, content } of segments.flatMap(({ messages }) => messages))
        if (!told.has(id)) expect(content, 'nothing outdated among what is held').toBe(this.rows[seq - 1]?.content);
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
    const view = windowOf(this.timeline);
    const start = view.messages[0]?.seq ?? 1;
    expect(!view.hasOlder && start !== 1, 'a start that is none').toBe(false);
    expect(stale !== undefined && !view.hasNewer, 'an end that is none').toBe(false);
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
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('invalidated' as const, 'away' as const, 'left' as const) }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('back' as const, 'read again' as const) }) },
);

test('events in any order leave each message once, in order and without a gap inside a segment', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const model = new Model();
      const { timeline: _start, unsent, unacknowledged, pushes, rows } = model;
      let isAway = false;
      const back = (): void => {
        model.isIn = true;
        if (isAway) model.apply({ kind: 'invalidated' });
        isAway = false;
      };
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
          case 'repeat':
            model.repeat(each.at);
            break;
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
            if (pushes.length === 0 && model.isIn)
              model.load(each.from, each.limit, (each.at % Math.max(1, rows.length)) + 1);
            break;
          case 'invalidated':
            model.leave();
            model.isIn = true;
            model.apply({ kind: 'invalidated' });
            break;
          case 'away':
            model.leave();
            isAway = true;
            break;
          case 'left':
            // Known at once; being added again tells nothing of what happened meanwhile.
            model.leave();
            model.apply({ kind: 'invalidated' });
            break;
          case 'back':
            back();
            break;
          case 'read again':
            if (pushes.length === 0 && model.isIn) model.readAgain();
        }
      }
      back();
      for (let event = pushes.shift(); event !== undefined; event = pushes.shift()) model.apply(event);
      model.readAgain();
      for (const row of unacknowledged)
        model.apply({ kind: 'acknowledged', clientId: row.clientId ?? '', message: row });

      // In step: the end is held as the server has it, and what waits is exactly what was not stored.
      expect(model.timeline.live).toBe(true);
      expect(model.timeline.segments.at(-1)?.messages.at(-1)?.id).toBe(rows.at(-1)?.id);
      expect(model.timeline.pending.map(({ clientId }) => clientId)).toEqual(unsent);
      expect(model.timeline.stale).toBe(undefined);
      for (const row of rows) expect(findMessage(model.timeline, row.id)?.content ?? row.content).toBe(row.content);
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

test('lost events never join two messages that are not adjacent', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), nat, fc.constantFrom('store' as const, 'delete' as const))),
      (steps) => {
        const model = new Model();
        for (let count = 0; count < 12; count += 1) model.store();
        model.pushes.length = 0;
        model.load('newest', 4, 0);
        for (const [isLost, at, what] of steps) {
          if (what === 'store') model.store();
          else model.change(at, true);
          const event = model.pushes.shift();
          if (event !== undefined && !isLost) model.timeline = reduceTimeline(model.timeline, event);
          const seqs = windowOf(model.timeline).messages.map(({ seq = 0 }) => seq);
          expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
        }
      },
    ),
  );
});
