import { expect, test } from 'vitest';
import { caller, startChat } from '../../helpers/server/chat.ts';
import { untilSettled } from '../../helpers/server/until-settled.ts';
import { fc } from '../../helpers/property.ts';

const PEOPLE = ['ada', 'bob', 'cleo'] as const;
const person = fc.constantFrom(...PEOPLE);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('say' as const), who: person }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('read' as const), who: person, which: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('delivered' as const), who: person, which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), which: fc.nat(30) }) },
);

interface Modelled {
  readonly id: string;
  readonly sender: string;
  deleted: boolean;
}

test('unread counts, statuses and readers are exact after any sequence of changes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const chat = await startChat();
      const { id: conversationId } = await chat.group(...PEOPLE);
      const messages: Modelled[] = [];
      const read = new Map<string, number>(PEOPLE.map((who) => [who, 0]));
      const received = new Map(read);
      // Receipts wait for the next change, so that several are written together.
      let receipts: Promise<unknown>[] = [];
      const settle = async (): Promise<void> => {
        await untilSettled(chat.clock, ...receipts);
        receipts = [];
      };
      for (const each of steps) {
        if (each.type === 'say' || each.type === 'delete') await settle();
        if (each.type === 'say') {
          const { id } = await chat.say(each.who, conversationId, 'hi');
          messages.push({ id, sender: each.who, deleted: false });
          continue;
        }
        const index = messages.length === 0 ? -1 : each.which % messages.length;
        const message = messages[index];
        if (message === undefined) continue;
        const ref = { conversationId, messageId: message.id };
        if (each.type === 'delete') {
          await chat.messages.delete(caller(message.sender), ref);
          message.deleted = true;
          continue;
        }
        const raise = (marks: Map<string, number>) =>
          marks.set(each.who, Math.max(marks.get(each.who) ?? 0, index + 1));
        raise(received);
        if (each.type === 'read') {
          raise(read);
          receipts.push(chat.receipts.read(caller(each.who), ref));
        } else receipts.push(chat.receipts.delivered(caller(each.who), { conversationId, seq: index + 1 }));
      }
      await settle();

      for (const who of PEOPLE) {
        const unread = messages.filter(
          ({ sender, deleted }, index) => index + 1 > (read.get(who) ?? 0) && sender !== who && !deleted,
        );
        expect((await chat.conversations.get(caller(who), conversationId)).unreadCount).toBe(unread.length);
      }
      const list = (await chat.history.list('ada', conversationId)).toReversed();
      for (const [index, { sender }] of messages.entries()) {
        const others = PEOPLE.filter((who) => who !== sender);
        const all = (marks: Map<string, number>) => others.every((who) => (marks.get(who) ?? 0) > index);
        expect(list[index]?.status).toBe(all(read) ? 'read' : all(received) ? 'delivered' : 'sent');
        expect(list[index]?.readBy.map(({ userId }) => userId)).toEqual(
          others.filter((who) => (read.get(who) ?? 0) > index),
        );
      }
      // What senders were told adds up to what is so, tombstones aside.
      const told = new Map(
        chat.broadcaster.payloads('message:status').map(({ messageId, status }) => [messageId, status]),
      );
      const alive = [...messages.entries()].filter(([, { deleted }]) => !deleted);
      expect(alive.map(([, { id }]) => told.get(id) ?? 'sent')).toEqual(alive.map(([index]) => list[index]?.status));
      chat.sqlite.close();
    }),
    { numRuns: 60 },
  );
});
