import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ConversationChanges, SyncResult } from '../../../src/protocol/conversations.ts';
import { rowsWithinBudget, withinBudget } from '../../../src/server/services/sync-budget.ts';
import { buildConversation, buildMessages } from '../../../src/testing/builders.ts';

const BYTES = 4_000;
const sizes = fc.array(fc.record({ rows: fc.nat(12), length: fc.nat(6_000) }), { maxLength: 6 });

function changesOf(id: string, { rows, length }: { rows: number; length: number }): ConversationChanges {
  const head = { seq: rows, rev: rows };
  const changes = buildMessages(rows, () => ({ conversationId: id, content: 'x'.repeat(length) }));
  return { conversationId: id, changes, conversation: buildConversation({ id }), head, hasMore: false, tooLong: false };
}

const answers = fc.tuple(sizes, sizes).map(([conversations, gained]): SyncResult => ({
  inboxRev: 1,
  conversations: conversations.map((each, at) => changesOf(`conversation ${at}`, each)),
  gained: gained.map((each, at) =>
    buildConversation({ id: `gained ${at}`, name: 'x'.repeat(each.length), head: { seq: 0, rev: 0 } }),
  ),
  heads: { other: { seq: 5, rev: 6 } },
  lost: [],
  reads: [],
}));

test('each conversation is told of or stands in the heads, and the first one gets on', () => {
  fc.assert(
    fc.property(answers, (found) => {
      const cut = withinBudget(found, BYTES);
      const told = [
        ...cut.conversations.map(({ conversationId }) => conversationId),
        ...cut.gained.map(({ id }) => id),
      ];
      const all = [
        ...found.conversations.map(({ conversationId }) => conversationId),
        ...found.gained.map(({ id }) => id),
      ];
      expect([...told, ...Object.keys(cut.heads)].toSorted()).toEqual([...all, 'other'].toSorted());
      const [first, whole] = [cut.conversations[0], found.conversations[0]];
      expect(first?.conversationId).toBe(whole?.conversationId);
      expect((first?.changes.length ?? 0) > 0).toBe((whole?.changes.length ?? 0) > 0);
      expect(first?.hasMore ?? false).toBe(first?.changes.length !== whole?.changes.length);
      // All but the first one come whole.
      expect(cut.conversations.slice(1)).toEqual(found.conversations.slice(1, cut.conversations.length));
    }),
  );
});

test('nothing is longer than the budget but what can not be cut any more', () => {
  fc.assert(
    fc.property(answers, (found) => {
      const { conversations, gained } = withinBudget(found, BYTES);
      const isLeast = conversations.length + gained.length <= 1 && (conversations[0]?.changes.length ?? 0) <= 1;
      const bytes = [...conversations, ...gained].reduce((sum, each) => sum + JSON.stringify(each).length, 0);
      expect(isLeast || bytes <= BYTES).toBe(true);
    }),
  );
});

test('rows are counted in bytes, not in letters', () => {
  const rows = buildMessages(10, () => ({ content: '…'.repeat(300) }));
  expect(rowsWithinBudget(rows, 10 * JSON.stringify(rows[0]).length).length).toBeLessThan(10);
});
