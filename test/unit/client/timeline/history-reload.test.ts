import { expect, test } from 'vitest';
import { placeInConversation } from '../../../../src/client/timeline/segments.ts';
import { reloadEnd, reloadStretch } from '../../../../src/client/timeline/history.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { baseMessage, messages, timeOf } from '../../../helpers/client/messages.ts';
import { fc } from '../../../helpers/property.ts';

type Source = Parameters<typeof reloadEnd>[0]['history'];

const PAGE = 50;
const MOST = 199;
const upTo = (end: number): Message[] => messages(1, end);
const ids = (rows: readonly Message[]): string[] => rows.map(({ id }) => id);

/** Pages of `rows` as a server gives them; every one that is asked for is noted. */
function historyOf(rows: readonly Message[], asked: (number | undefined)[] = []): Source {
  return {
    page({ limit, before, after, around }) {
      asked.push(limit);
      const most = Math.min(limit ?? PAGE, MOST);
      const at = rows.findIndex(({ id }) => id === (before ?? after ?? around));
      const end = before !== undefined ? at : around === undefined ? rows.length : at + 1 + Math.floor((most - 1) / 2);
      const last = Math.min(end, rows.length);
      const first = Math.max(0, last - most);
      return Promise.resolve({
        messages: rows.slice(first, last),
        hasOlder: first > 0,
        hasNewer: last < rows.length,
      });
    },
  };
}

test('the end is loaded again back to the first held message if no gap has opened', async () => {
  const all = upTo(500);
  const stretch = { messages: messages(201, 480), hasOlder: true };
  const page = await reloadEnd({
    history: historyOf(all),
    placeOf: placeInConversation,
    conversationId: 'conversation',
    stretch,
  });
  expect(ids(page.messages)).toEqual(ids(messages(201, 500)));
  expect(page).toMatchObject({ hasOlder: true, hasNewer: false });
});

test('the end is loaded as one page if a gap has opened', async () => {
  const asked: (number | undefined)[] = [];
  const stretch = { messages: messages(1, 300), hasOlder: false };
  const page = await reloadEnd({
    history: historyOf(upTo(500), asked),
    placeOf: placeInConversation,
    conversationId: 'conversation',
    stretch,
  });
  expect(ids(page.messages)).toEqual(ids(messages(451, 500)));
  expect(asked).toHaveLength(1);
});

test('the end of an earlier session, of which one message is known, is loaded as a full page', async () => {
  const page = await reloadEnd({
    history: historyOf(upTo(27)),
    placeOf: placeInConversation,
    conversationId: 'conversation',
    stretch: { messages: messages(2, 2), hasOlder: true, isRestored: true },
  });
  expect(ids(page.messages)).toEqual(ids(messages(1, 27)));
  expect(page.hasOlder).toBe(false);
});

test('messages before the start of a short stretch are dropped and reported by hasOlder', async () => {
  const stretch = { messages: messages(100, 101), hasOlder: true };
  for (const readsForwards of [true, false]) {
    const source = {
      history: historyOf(upTo(500)),
      placeOf: placeInConversation,
      conversationId: 'conversation',
      stretch,
    };
    const page = await reloadStretch(source, readsForwards);
    expect(page.messages[0]?.seq).toBe(100);
    expect(page).toMatchObject({ hasOlder: true, hasNewer: true });
  }
});

test('a conversation whose messages are gone reloads as empty', async () => {
  const stretch = { messages: messages(1, 3), hasOlder: false };
  const page = await reloadEnd({
    history: historyOf([]),
    placeOf: placeInConversation,
    conversationId: 'conversation',
    stretch,
  });
  expect(page).toEqual({ messages: [], hasOlder: false, hasNewer: false });
});

test('any stretch of any conversation is loaded again completely, without a gap and from its start', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 900 }),
      fc.nat(899),
      fc.integer({ min: 1, max: 700 }),
      fc.boolean(),
      fc.boolean(),
      async (count, start, length, readsForwards, counts) => {
        const all = counts
          ? upTo(count)
          : Array.from({ length: count }, (_, at) => baseMessage(at + 1, { createdAt: timeOf(at >> 2) }));
        const first = start % count;
        const held = all.slice(first, first + length);
        const stretch = { messages: held, hasOlder: first > 0 };
        const source = {
          history: historyOf(all),
          placeOf: placeInConversation,
          conversationId: 'conversation',
          stretch,
        };
        const page = await reloadStretch(source, readsForwards);
        const expected = readsForwards ? held : held.slice(0, -1);
        expect(ids(page.messages).slice(0, expected.length)).toEqual(ids(expected));
        expect(ids(page.messages)).toEqual(ids(all.slice(first, first + page.messages.length)));
        expect(page.messages.length === 0 || page.hasOlder === first > 0).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});
