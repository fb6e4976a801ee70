import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom, type Random } from '../../src/lib/seeded-random.ts';
import { faultySocket, type FaultySocket } from '../../src/testing/faulty-socket.ts';
import {
  CommClient,
  isCommError,
  socketIoPort,
  type Conversation,
  type ConversationView,
  type Message,
  type SocketPort,
} from '../../src/index.ts';
import { fileStorage } from '../../src/node/index.ts';
import { patientClock } from '../helpers/client/patient-clock.ts';
import type { ActorPlan, ActorReport, SeenConversation, SeenMessage } from './report.ts';
import { ToldBook } from './told.ts';

/** Maximum number of pending operations per actor. */
const MAX_OUTSTANDING = 40;
const EMOJIS = ['👍', '🎉', '😄', '🚀'];

/** Shortens the client's delays to a tenth, so that a seed takes seconds. */
export const fastClock = patientClock({ speed: 10 });

/** A user with one client that acts at random and records all events. */
export class Actor {
  readonly #plan: ActorPlan;
  readonly #random: Random;
  readonly #client: CommClient;
  readonly #faulty: FaultySocket | undefined;
  readonly #views = new Map<string, ConversationView>();
  readonly #told: ToldBook;
  readonly #acked: ActorReport['acked'] = [];
  readonly #read: Record<string, number> = {};
  readonly #failures: string[] = [];
  readonly #outstanding = new Set<Promise<void>>();
  readonly #figures = { sends: 0, messages: 0, changes: 0, connections: 0 };
  #number: number;

  constructor(plan: ActorPlan) {
    this.#plan = plan;
    this.#random = seededRandom(plan.seed);
    this.#told = new ToldBook(plan.toldFile);
    this.#number = plan.firstNumber;
    const { namespace, path } = { namespace: '/nk/messages', path: '/__nk_socketio/' };
    const plain = this.#counted(socketIoPort({ url: plan.url, namespace, path, transports: ['websocket'] }));
    this.#faulty = plan.frameFaults && faultySocket(plain, { ...plan.frameFaults, seed: plan.seed });
    this.#client = new CommClient({
      url: plan.url,
      userId: plan.userId,
      socket: this.#faulty ?? plain,
      clock: fastClock,
      requestTimeoutMs: 15_000,
      ...(plan.database !== undefined && { storage: fileStorage(plan.database) }),
    });
    this.#listen();
  }

  async start(): Promise<void> {
    this.#client.conversations.inbox.subscribe(() => this.#openAll());
    await this.#client.connect();
    for (const id of this.#plan.conversationIds) this.#open(id);
  }

  /** Cursors are stored when a connection ends. A client killed before that would start without cursors and emit no old events. */
  async keep(): Promise<void> {
    await this.#client.disconnect();
    await this.#client.connect();
  }

  #open(id: string): void {
    if (!this.#views.has(id)) this.#views.set(id, this.#client.conversations.open(id));
  }

  /** Opens conversations that others add the user to, and acts in them too. */
  #openAll(): void {
    for (const { id } of this.#client.conversations.inbox.getSnapshot().conversations) this.#open(id);
  }

  /** Performs `count` actions, as fast as the outbox drains. */
  async work(operations: number): Promise<void> {
    for (let done = 0; done < operations; done += 1) {
      while (this.#outstanding.size >= MAX_OUTSTANDING) await Promise.race(this.#outstanding);
      this.#act();
      if (this.#random.chance(0.3)) await pause(this.#random.between(0, 12));
    }
  }

  settled(): Promise<unknown> {
    return Promise.all(this.#outstanding);
  }

  heal(): void {
    this.#faulty?.heal();
    // A dropped push is detected with the next frame, which may never come here.
    this.#faulty?.cut();
  }

  /** Loads every conversation up to its first message. The quick clock lets a request time out if the machine stalls. */
  async readAll(): Promise<void> {
    for (const view of this.#views.values()) {
      while (view.getSnapshot().hasOlder) await this.#persist(() => view.loadOlder());
    }
  }

  report(): ActorReport {
    return {
      views: Object.fromEntries([...this.#views].map(([id, view]) => [id, seen(view)])),
      inbox: this.#client.conversations.inbox.getSnapshot().conversations.map((each) => ({
        id: each.id,
        text: inboxText(each),
      })),
      told: this.#told.told,
      acked: this.#acked,
      read: this.#read,
      failures: this.#failures,
      outbox: this.#client.messages.outbox().length,
      status: this.#client.status,
      nextNumber: this.#number,
      figures: { ...this.#figures, ...(this.#faulty && { frames: { ...this.#faulty.figures } }) },
    };
  }

  async stop(): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  #act(): void {
    if (this.#random.chance(0.02)) return this.#administer();
    const conversationId = this.#random.pick([...this.#views.keys()]);
    const dice = this.#random.next();
    if (dice < 0.72) return this.#send(conversationId);
    const message = this.#anyMessage(conversationId, dice < 0.86);
    if (message === undefined) return this.#send(conversationId);
    const ref = { conversationId, messageId: message.id };
    if (dice < 0.82) {
      const content = `${message.content.split(' edited ')[0] ?? ''} edited ${this.#random.between(1, 1_000)}`;
      return this.#track('edit', async () => this.#ack(await this.#client.messages.edit({ ...ref, content })));
    }
    if (dice < 0.86) {
      return this.#track('delete', async () => {
        await this.#client.messages.delete(ref);
        this.#acked.push({ id: message.id, deleted: true });
      });
    }
    if (dice < 0.93) {
      const emoji = this.#random.pick(EMOJIS);
      return this.#track('react', () => this.#client.messages.react({ ...ref, emoji }));
    }
    this.#track('read', async () => {
      await this.#client.messages.markRead(ref);
      this.#read[conversationId] = Math.max(this.#read[conversationId] ?? 0, message.seq ?? 0);
    });
  }

  /** Repeats a request that the outbox doesn't queue (names, members, flags) until it is answered. */
  #administer(): void {
    const { conversations } = this.#client;
    const { userId, ownedGroups = [] } = this.#plan;
    const id = this.#random.pick(this.#plan.conversationIds);
    const [dice, on, number] = [this.#random.next(), this.#random.chance(0.5), this.#random.between(1, 1_000)];
    if (dice < 0.4) return this.#track('flag', () => this.#persist(() => conversations.mute(id, on)));
    if (dice < 0.5) return this.#track('flag', () => this.#persist(() => conversations.pin(id, on)));
    const [group] = ownedGroups;
    if (group === undefined || dice < 0.6) {
      const participantIds = ['ann', 'bob', 'cat', 'dan'].filter((name) => name !== userId);
      const create = { type: 'group', name: `${userId} ${number}`, participantIds } as const;
      return this.#track('create', () => this.#persist(() => conversations.create(create)));
    }
    if (dice < 0.75)
      return this.#track('add', () => this.#persist(() => conversations.addParticipants(group, ['dan'])));
    this.#track('rename', () => this.#persist(() => conversations.update(group, { name: `named ${number}` })));
  }

  async #persist(attempt: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        return void (await attempt());
      } catch (error) {
        if (!isCommError(error) || !error.retryable) throw error;
        await pause(20);
      }
    }
  }

  #send(conversationId: string): void {
    const content = `${this.#plan.userId} ${this.#number}`;
    this.#number += 1;
    this.#figures.messages += 1;
    this.#track('send', async () => this.#ack(await this.#client.messages.send({ conversationId, content })));
  }

  #ack(message: Message | undefined): void {
    if (message !== undefined) this.#acked.push({ id: message.id, rev: message.rev ?? 0 });
  }

  #track(what: string, run: () => Promise<void>): void {
    if (what !== 'send') this.#figures.changes += 1;
    const task = run()
      .catch((error: unknown) => {
        // The message was deleted meanwhile.
        if (isCommError(error) && error.code === 'CONFLICT' && what !== 'send' && what !== 'delete') return;
        this.#failures.push(`${what}: ${isCommError(error) ? `${error.code} ${error.message}` : String(error)}`);
      })
      .finally(() => this.#outstanding.delete(task));
    this.#outstanding.add(task);
  }

  /** Picks a stored message that isn't deleted, preferring late ones. */
  #anyMessage(conversationId: string, own: boolean): Message | undefined {
    const messages = this.#views.get(conversationId)?.getSnapshot().messages ?? [];
    const fit = messages
      .slice(-40)
      .filter(
        (each) =>
          each.seq !== undefined && each.deletedAt === undefined && (!own || each.senderId === this.#plan.userId),
      );
    return fit.length === 0 ? undefined : this.#random.pick(fit);
  }

  #listen(): void {
    this.#client.on('message:new', ({ id, rev = 0, conversationId, seq = 0 }) =>
      this.#told.write({ what: 'created', id, rev, place: { conversationId, seq } }),
    );
    this.#client.on('message:updated', ({ id, rev = 0 }) => this.#told.write({ what: 'changed', id, rev }));
    this.#client.on('message:deleted', (data) => {
      const rev = 'rev' in data ? (data.rev ?? 0) : 0;
      this.#told.write({ what: 'deleted', id: data.messageId, rev });
    });
    this.#client.on('message:reaction-update', ({ messageId: id, rev = 0 }) =>
      this.#told.write({ what: 'changed', id, rev }),
    );
    this.#client.on('message:failed', ({ error }) => this.#failures.push(`failed: ${error.code}`));
  }

  #counted(port: SocketPort): SocketPort {
    return {
      listen: (listener) => port.listen(listener),
      connect: (handshake) => {
        this.#figures.connections += 1;
        port.connect(handshake);
      },
      disconnect: () => port.disconnect(),
      emit: (event, payload, acknowledge) => {
        if (event === 'nk:message:send') this.#figures.sends += 1;
        port.emit(event, payload, acknowledge);
      },
    };
  }
}

/** The part of a conversation that doesn't depend on presence, for comparison. */
export function inboxText({
  name,
  lastMessage,
  unreadCount,
  muted,
  pinned,
  archived,
  participants,
  head,
}: Conversation): string {
  const people = participants.map(
    ({ userId, role, lastReadSeq }) => `${userId} ${String(role)} ${String(lastReadSeq)}`,
  );
  const last = lastMessage && `${lastMessage.id} ${String(lastMessage.rev)}`;
  return JSON.stringify({ name, last, unreadCount, muted, pinned, archived, people: people.toSorted(), head });
}

function seen(view: ConversationView): SeenConversation {
  const { messages, hasNewer, hasOlder, error, loading } = view.getSnapshot();
  return {
    messages: messages.map(seenMessage),
    hasNewer,
    hasOlder,
    loading,
    error: error && `${error.code} ${error.message}`,
  };
}

export function seenMessage(message: Message): SeenMessage {
  const reactions = (message.reactions ?? []).map(({ emoji, users }) => `${emoji} ${users.toSorted().join(',')}`);
  return {
    id: message.id,
    clientId: message.clientId ?? '',
    seq: message.seq ?? 0,
    rev: message.rev ?? 0,
    senderId: message.senderId,
    content: message.content,
    deleted: message.deletedAt !== undefined,
    reactions: reactions.toSorted().join(' '),
    status: message.status,
    readBy: message.readBy
      .map(({ userId }) => userId)
      .toSorted()
      .join(','),
  };
}
