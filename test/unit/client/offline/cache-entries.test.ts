import { expect, test } from 'vitest';
import type { Change } from '../../../../src/client/changes.ts';
import {
  chooseRows,
  EMPTY_INDEX,
  parseIndex,
  parsePage,
  parseRow,
  recordPage,
  updatePage,
  type CacheIndex,
} from '../../../../src/client/offline/cache-entries.ts';
import type { Segment } from '../../../../src/client/timeline/segments.ts';
import type { Conversation } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { baseMessage, message, messages } from '../../../helpers/client/messages.ts';
import { fc } from '../../../helpers/property.ts';

const ROOM = { messages: 100, size: 1_000_000 };

function created(of: Message): Change {
  return { kind: 'created', conversationId: 'conversation', message: of, rev: of.rev };
}

function updated(of: Message): Change {
  return { kind: 'updated', conversationId: 'conversation', message: of, rev: of.rev };
}

const seqs = (page: Segment | undefined): (number | undefined)[] => page?.messages.map(({ seq }) => seq) ?? [];

test('a received message follows the stored ones, and one behind a gap replaces them', () => {
  const stored = { messages: messages(1, 3), hasOlder: false };
  const next = updatePage(stored, { changes: [created(message(4))] }, ROOM);
  expect([seqs(next), next?.hasOlder]).toEqual([[1, 2, 3, 4], false]);
  const behindGap = updatePage(stored, { changes: [created(message(6))] }, ROOM);
  expect([seqs(behindGap), behindGap?.hasOlder]).toEqual([[6], true]);
});

test('an update without an effect returns the stored page itself', () => {
  const stored = { messages: messages(1, 3), hasOlder: false };
  expect(updatePage(stored, { changes: [created(message(2)), updated(message(1))] }, ROOM)).toBe(stored);
});

test('an edit and a deletion replace the message, and an older state does not', () => {
  const stored = { messages: messages(1, 3), hasOlder: false };
  const changes = [
    updated(message(2, { content: 'edited', rev: 5 })),
    updated(message(2, { content: 'older', rev: 4 })),
    updated(message(3, { content: '', deletedAt: '2024-01-01T00:00:00.000Z', rev: 6 })),
  ];
  const next = updatePage(stored, { changes }, ROOM);
  expect(next?.messages.map(({ content }) => content)).toEqual(['message 1', 'edited', '']);
});

test('with a base server, whose messages have no position, a message that is not in a shown page leaves nothing', () => {
  const stored = { messages: [baseMessage(1)], hasOlder: false };
  expect(updatePage(stored, { changes: [created(baseMessage(2))] }, ROOM)).toBeUndefined();
  const page = { messages: [baseMessage(1), baseMessage(2)], hasOlder: false };
  expect(updatePage(stored, { page, changes: [created(baseMessage(2))] }, ROOM)).toEqual(page);
});

test('a message that is too long for the limit is kept alone', () => {
  const page = { messages: [message(1), message(2, { content: 'x'.repeat(1_000) })], hasOlder: false };
  const next = updatePage(undefined, { page, changes: [] }, { messages: 10, size: 500 });
  expect([seqs(next), next?.hasOlder]).toEqual([[2], true]);
});

test('whatever arrives, the page is the end of the conversation without a gap, and its beginning is never claimed falsely', () => {
  const step = fc.record({
    skip: fc.integer({ min: 0, max: 2 }),
    what: fc.constantFrom('created', 'repeated', 'edited', 'page'),
    size: fc.integer({ min: 1, max: 6 }),
    limit: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let last = 0;
      let rev = 0;
      const server = new Map<number, Message>();
      let held: Segment | undefined;
      for (const { skip, what, size, limit } of steps) {
        const changes: Change[] = [];
        let page: Segment | undefined;
        const add = (): Message => {
          last += 1;
          rev += 1;
          const added = message(last, { rev });
          server.set(last, added);
          return added;
        };
        if (what === 'created') {
          // Missed messages first.
          for (let missed = 0; missed < skip; missed += 1) add();
          changes.push(created(add()));
        } else if (what === 'repeated' && last > 0) changes.push(created(server.get(last) ?? message(last)));
        else if (what === 'edited' && last > 0) {
          rev += 1;
          const edited = message(Math.max(1, last - skip), { rev, content: `edited ${rev}` });
          server.set(edited.seq ?? 0, edited);
          changes.push(updated(edited));
        } else if (what === 'page' && last > 0) {
          const first = Math.max(1, last - size + 1);
          const all = Array.from(
            { length: last - first + 1 },
            (_, at) => server.get(first + at) ?? message(first + at),
          );
          page = { messages: all, hasOlder: first > 1 };
        }
        held = updatePage(held, { page, changes }, { messages: limit, size: 1_000_000 });
        if (held === undefined) continue;
        expect(held.messages.length).toBeLessThanOrEqual(limit);
        const first = held.messages[0]?.seq ?? 0;
        expect(seqs(held)).toEqual(held.messages.map((_, at) => first + at));
        expect(held.hasOlder).toBe(first > 1);
        for (const each of held.messages) expect(each).toEqual(server.get(each.seq ?? 0));
      }
    }),
  );
});

test('the pages used last stay within the limits', () => {
  const use = fc.record({ id: fc.integer({ min: 1, max: 8 }), size: fc.integer({ min: 0, max: 60 }) });
  fc.assert(
    fc.property(fc.array(use, { maxLength: 40 }), (uses) => {
      let index: CacheIndex = EMPTY_INDEX;
      let order: { id: string; size: number }[] = [];
      for (const [usedAt, { id, size }] of uses.entries()) {
        const before = index.pages.map(([each]) => each);
        const step = recordPage(index, { id: `c${id}`, size, usedAt }, { conversations: 4, size: 100 });
        index = step.index;
        order = [...(size === 0 ? [] : [{ id: `c${id}`, size }]), ...order.filter((each) => each.id !== `c${id}`)];
        const kept = index.pages.map(([each]) => each);
        // What stays are the last used; everything that was held is kept or evicted.
        expect(kept).toEqual(order.slice(0, kept.length).map((each) => each.id));
        expect([...kept, ...step.evicted].toSorted()).toEqual(
          [
            ...new Set([...(size === 0 ? [] : [`c${id}`]), ...before.filter((each) => size > 0 || each !== `c${id}`)]),
          ].toSorted(),
        );
        const total = index.pages.reduce((sum, [, each]) => sum + each, 0);
        expect(kept.length <= 4 && (total <= 100 || kept.length === 1)).toBe(true);
        order = order.slice(0, kept.length);
      }
    }),
  );
});

test('the list is stored up to its limits', () => {
  const row = (id: string): Conversation => ({
    id,
    type: 'group',
    participants: [],
    createdAt: '',
    updatedAt: '',
    unreadCount: 0,
  });
  const all = ['a', 'b', 'c'].map(row);
  const size = JSON.stringify(all[0]).length;
  expect([...chooseRows(all, { conversations: 2, size: 10 * size }).keys()]).toEqual(['a', 'b']);
  expect([...chooseRows(all, { conversations: 9, size: 2.5 * size }).keys()]).toEqual(['a', 'b']);
});

test('stored values of another format count as absent', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const parse of [parseIndex, parsePage, parseRow]) expect(() => parse(value)).not.toThrow();
    }),
  );
  expect(parsePage({ messages: [{ id: 'a' }], hasOlder: false })).toBeUndefined();
  expect(parseIndex({ rows: [['a']], pages: [] })).toBeUndefined();
  expect(parseRow({ id: 'a' })).toBeUndefined();
});
