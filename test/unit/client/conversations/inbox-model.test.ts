import { expect, test } from 'vitest';
import type { InboxSnapshot } from '../../../../src/client/conversations/inbox.ts';
import { LiveInbox } from '../../../../src/client/conversations/live-inbox.ts';
import type { InboxEvent } from '../../../../src/client/conversations/inbox-reducer.ts';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import type { Conversation, ConversationPage } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { fakeContext } from '../../../helpers/client/context.ts';
import { conversation, message, timeOf } from '../../../helpers/client/messages.ts';
import { fc } from '../../../helpers/property.ts';

const conversationId = 'conversation';

/** A conversation of alice and bob on a server, and what it pushes to alice, in order. */
class Server {
  readonly pushes: InboxEvent[] = [];
  readonly #rows: Message[] = [];
  #rev = 0;
  #name = 'name';
  #readSeq = 0;

  send(senderId: string): void {
    const row = message(this.#rows.length + 1, { rev: ++this.#rev, senderId });
    this.#rows.push(row);
    this.pushes.push({ kind: 'created', conversationId, message: row, rev: this.#rev });
  }

  change(at: number, values: Partial<Message>): void {
    const held = this.#rows[at % Math.max(this.#rows.length, 1)];
    if (held?.seq === undefined || held.deletedAt !== undefined) return;
    const row = { ...held, ...values, rev: ++this.#rev };
    this.#rows[held.seq - 1] = row;
    this.pushes.push({ kind: 'updated', conversationId, message: row, rev: this.#rev });
  }

  rename(): void {
    this.#name = `name ${++this.#rev}`;
    const { id, name, participants, head } = this.view();
    const update = { id, name, participants, head };
    this.pushes.push({ kind: 'conversation', conversationId, update, rev: this.#rev });
  }

  /** Alice reads on another device. */
  read(at: number): void {
    const seq = (at % Math.max(this.#rows.length, 1)) + 1;
    if (seq <= this.#readSeq || seq > this.#rows.length) return;
    this.#readSeq = seq;
    this.pushes.push({
      kind: 'read',
      conversationId,
      userId: 'alice',
      readAt: timeOf(seq),
      messageId: String(seq),
      seq,
    });
    const { id, unreadCount, head } = this.view();
    this.pushes.push({ kind: 'conversation', conversationId, update: { id, unreadCount, head } });
  }

  view(): Conversation {
    const participant = (userId: string, lastReadSeq: number) =>
      ({ userId, displayName: userId, joinedAt: timeOf(0), presence: 'offline', lastReadSeq }) as const;
    const unread = this.#rows.filter(
      ({ seq = 0, senderId, deletedAt }) => seq > this.#readSeq && senderId !== 'alice' && deletedAt === undefined,
    );
    const last = this.#rows.at(-1);
    return conversation({
      id: conversationId,
      name: this.#name,
      participants: [participant('alice', this.#readSeq), participant('bob', 0)],
      unreadCount: unread.length,
      updatedAt: timeOf(this.#rows.length),
      head: { seq: this.#rows.length, rev: this.#rev },
      ...(last !== undefined && { lastMessage: last }),
    });
  }
}

interface Ask {
  readonly answer: Deferred<Conversation>;
  read?: Conversation;
}

/**
 * Alice's inbox, behind a line that keeps the order of pushes, and answers of REST that come whenever they do. It was
 * loaded before there was the conversation, which began while she was away.
 */
class Client {
  readonly server = new Server();
  readonly asks: Ask[] = [];
  readonly inbox: LiveInbox;
  shown: InboxSnapshot | undefined;
  /** How far pushes have been taken, as the feed does it. */
  #cursor: number | undefined;
  /** What is under way to the client: pushes, and the answer to `sync`. */
  readonly #line: (InboxEvent | { kind: 'synced'; conversation: Conversation })[] = [];
  #synced: Conversation | undefined;
  #isAnswered = false;
  #isAway = true;

  constructor() {
    const ask = (): Promise<Conversation> => {
      const each: Ask = { answer: deferred() };
      this.asks.push(each);
      return each.answer.promise;
    };
    const page = async (): Promise<ConversationPage> => ({
      conversations: this.#isAway ? [] : [await ask()],
      hasMore: false,
    });
    this.inbox = new LiveInbox(fakeContext(), { get: ask, page });
    this.inbox.show((snapshot) => (this.shown = snapshot));
  }

  /** What was pushed until now went nowhere. */
  async connect(): Promise<void> {
    if (!this.#isAway) return;
    await settled();
    this.#isAway = false;
    this.server.pushes.length = 0;
  }

  /** The server reads for `sync`, and later answers: behind what it has pushed in between. */
  sync(): void {
    if (this.#isAway) return;
    this.#flush();
    if (this.#synced === undefined) this.#synced = this.server.view();
    else if (!this.#isAnswered) {
      this.#isAnswered = true;
      this.#line.push({ kind: 'synced', conversation: this.#synced });
    }
  }

  deliver(): boolean {
    if (this.#isAway) return false;
    this.#flush();
    const event = this.#line.shift();
    if (event === undefined) return false;
    if (event.kind === 'synced') {
      this.#cursor ??= event.conversation.head?.rev;
      this.inbox.apply({ kind: 'known', conversation: event.conversation });
      this.inbox.reload();
    } else this.#take(event);
    return true;
  }

  /** The server reads what was asked for. */
  read(at: number): void {
    const waiting = this.asks.filter(({ read }) => read === undefined);
    const ask = waiting[at % Math.max(waiting.length, 1)];
    if (ask !== undefined) ask.read = this.server.view();
  }

  async answer(at: number): Promise<void> {
    const ready = this.asks.filter(({ read }) => read !== undefined);
    const ask = ready[at % Math.max(ready.length, 1)];
    if (ask?.read === undefined) return;
    this.asks.splice(this.asks.indexOf(ask), 1);
    ask.answer.resolve(ask.read);
    await settled();
  }

  #flush(): void {
    this.#line.push(...this.server.pushes.splice(0));
  }

  #take(event: InboxEvent): void {
    const rev = 'rev' in event ? event.rev : undefined;
    if (rev === undefined) return this.inbox.apply(event);
    if (event.kind === 'created') this.#cursor ??= rev - 1;
    if (this.#cursor === undefined || rev <= this.#cursor) return;
    if (rev === this.#cursor + 1) {
      this.#cursor = rev;
      return this.inbox.apply(event);
    }
    // A gap: what is missing is fetched, and the conversation as it stands comes along.
    const update = this.server.view();
    this.#cursor = update.head?.rev;
    this.inbox.apply({ kind: 'conversation', conversationId, update, rev: this.#cursor });
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('send' as const), by: fc.constantFrom('bob', 'bob', 'alice') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('edit' as const, 'delete' as const, 'mark' as const, 'rename' as const),
      at: fc.nat(9),
    }),
  },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('connect' as const, 'sync' as const, 'read' as const, 'answer' as const, 'look' as const),
      at: fc.nat(9),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(client: Client, event: Step): Promise<void> {
  switch (event.do) {
    case 'send':
      return client.server.send(event.by);
    case 'edit':
      return client.server.change(event.at, { content: `edited ${event.at}` });
    case 'delete':
      return client.server.change(event.at, { content: '', deletedAt: 'now' });
    case 'mark':
      return client.server.read(event.at);
    case 'rename':
      return client.server.rename();
    case 'deliver':
      return void client.deliver();
    case 'connect':
      return await client.connect();
    case 'sync':
      return client.sync();
    case 'read':
      return client.read(event.at);
    case 'answer':
      return await client.answer(event.at);
    case 'look':
      return client.inbox.reload();
  }
}

test('events in any order leave the list as the server has it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const client = new Client();
      for (const each of steps) await take(client, each);
      await client.connect();
      for (let twice = 0; twice < 2; twice += 1) client.sync();
      while (client.deliver());
      while (client.asks.length > 0) {
        client.read(0);
        await client.answer(0);
      }
      const { name, unreadCount, head, lastMessage, participants } = client.server.view();
      const shown = client.shown?.conversations ?? [];
      expect(shown).toHaveLength(1);
      expect({ ...shown[0], lastMessage: shown[0]?.lastMessage?.content }).toMatchObject({
        name,
        unreadCount,
        head,
        participants,
        lastMessage: lastMessage?.content,
      });
    }),
    { numRuns: 500 },
  );
});
