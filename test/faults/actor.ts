import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom, type Random } from '../../src/lib/seeded-random.ts';
import { faultySocket, type FaultySocket } from '../../src/testing/faulty-socket.ts';
import {
  CommClient,
  isCommError,
  socketIoPort,
  type CommError,
  type Conversation,
  type ConversationView,
  type Message,
  type Observable,
  type SocketPort,
  type User,
} from '../../src/index.ts';
import { fileStorage } from '../../src/node/index.ts';
import { patientClock } from '../helpers/client/patient-clock.ts';
import type { ActorPlan, ActorReport, SeenConversation, SeenMessage } from './report.ts';
import { ToldBook } from './told.ts';

/** Maximum number of pending operations per actor. */
const MAX_OUTSTANDING = 40;
const EMOJIS = ['👍', '🎉', '😄', '🚀'];

/** Only every thirtieth message gets replies, so that threads have several. */
const ROOTS_APART = 30;
const EVERYONE = ['ann', 'bob', 'cat', 'dan'];

/**
 * Shortens the client's delays to a tenth, so that a seed takes seconds. On a busy machine the hello of a server can take longer than
 * the second that apps wait for it.
 */
export const fastClock = patientClock({ speed: 10, helloMs: 10_000 });

/** A user with one client that acts at random and records all events. */
export class Actor {
  readonly #plan: ActorPlan;
  readonly #random: Random;
  readonly #client: CommClient;
  readonly #faulty: FaultySocket | undefined;
  readonly #views = new Map<string, ConversationView>();
  readonly #threads = new Map<string, ConversationView>();
  readonly #names: Observable<ReadonlyMap<string, User>>;
  #pins: ActorReport['pins'] = {};
  readonly #told: ToldBook;
  readonly #acked: ActorReport['acked'] = [];
  readonly #read: Record<string, number> = {};
  readonly #failures: string[] = [];
  readonly #outstanding = new Set<Promise<void>>();
  readonly #figures = { sends: 0, messages: 0, changes: 0, connections: 0 };
  /** Number of completed actions, by kind. */
  readonly #done: Record<string, number> = {};
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
    this.#names = this.#client.users.watch(EVERYONE);
    this.#listen();
  }

  async start(): Promise<void> {
    this.#client.conversations.inbox.subscribe(() => this.#openAll());
    this.#names.subscribe(() => undefined);
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

  /**
   * Performs one action of each kind whose effect a reconnect would bring as well, in every conversation. Called after the
   * faults, so that only pushes can bring it to other devices.
   */
  async finish(): Promise<void> {
    const { messages, conversations, users } = this.#client;
    for (const conversationId of this.#views.keys()) {
      const root = this.#root(conversationId);
      const others = this.#plan.mentionable[conversationId]?.filter((name) => name !== this.#plan.userId) ?? [];
      const [mentioned] = others;
      if (root === undefined || mentioned === undefined) continue;
      const reply = { conversationId, content: this.#nextText(), threadId: root.id, mentions: [mentioned] };
      this.#ack(await messages.send(reply));
      await messages.pin({ conversationId, messageId: root.id }, root.pinned === undefined);
      await this.#persist(() => conversations.markUnread(conversationId, root.id));
    }
    await this.#persist(() => users.update({ displayName: `${this.#plan.userId} at last` }));
  }

  /** Loads every conversation up to its first message. The quick clock lets a request time out if the machine stalls. */
  async readAll(): Promise<void> {
    for (const view of this.#views.values()) {
      while (view.getSnapshot().hasOlder) await this.#persist(() => view.loadOlder());
      for (const { id, thread } of view.getSnapshot().messages) if (thread !== undefined) this.#openThread(view.id, id);
    }
    for (const view of this.#threads.values()) {
      // Rejected if the user was away when it was opened. It opens again when they are back.
      await view.ready.catch(() => undefined);
      while (view.getSnapshot().hasOlder) await this.#persist(() => view.loadOlder());
    }
    this.#pins = {};
    for (const id of this.#views.keys()) {
      await this.#persist(async () => {
        this.#pins[id] = (await this.#client.messages.pinned(id)).map((message) => message.id);
      });
    }
  }

  /** Removes a user from the club, or bans them. */
  async expel(userId: string, ban: boolean): Promise<void> {
    const { conversations } = this.#client;
    const { club } = this.#plan;
    await this.#persist(
      () => (ban ? conversations.ban(club, userId, true) : conversations.removeParticipant(club, userId)),
      ['NOT_FOUND'],
    );
  }

  async readmit(userId: string, ban: boolean): Promise<void> {
    const { conversations } = this.#client;
    const { club } = this.#plan;
    if (ban) await this.#persist(() => conversations.ban(club, userId, false));
    await this.#persist(() => conversations.addParticipants(club, [userId]));
  }

  /** Sends a message to the club and returns its id. */
  async tellClub(): Promise<string> {
    const content = this.#nextText();
    const message = await this.#client.messages.send({ conversationId: this.#plan.club, content });
    this.#ack(message);
    return message.id;
  }

  /** Returns whether a `message:new` of this message was emitted. */
  hasToldOf(id: string): boolean {
    return this.#told.hasCreated(id);
  }

  report(): ActorReport {
    const inbox = this.#client.conversations.inbox.getSnapshot();
    return {
      views: Object.fromEntries([...this.#views].map(([id, view]) => [id, seen(view)])),
      threads: Object.fromEntries([...this.#threads].map(([id, view]) => [id, seen(view)])),
      pins: this.#pins,
      names: Object.fromEntries([...this.#names.getSnapshot()].map(([id, user]) => [id, user.displayName])),
      inbox: inbox.conversations.map((each) => ({ id: each.id, text: inboxText(each) })),
      inboxLoad: { loading: inbox.loading, error: inbox.error?.code },
      told: this.#told.told,
      acked: this.#acked,
      read: this.#read,
      failures: this.#failures,
      outbox: this.#client.messages.outbox().length,
      status: this.#client.status,
      nextNumber: this.#number,
      figures: {
        ...this.#figures,
        done: { ...this.#done },
        ...(this.#faulty && { frames: { ...this.#faulty.figures } }),
      },
    };
  }

  async stop(): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  #act(): void {
    if (this.#random.chance(0.02)) return this.#administer();
    const conversationId = this.#random.pick([...this.#views.keys()]);
    if (this.#random.chance(0.06)) return this.#tend(conversationId);
    const dice = this.#random.next();
    if (dice < 0.72) return this.#send(conversationId);
    const message = this.#anyMessage(conversationId, dice < 0.86);
    if (message === undefined) return this.#send(conversationId);
    const ref = { conversationId, messageId: message.id };
    if (dice < 0.82) {
      const content = `${message.content.split(' edited ')[0] ?? ''} edited ${this.#random.between(1, 1_000)}`;
      return this.#track('edit', conversationId, async () =>
        this.#ack(await this.#client.messages.edit({ ...ref, content })),
      );
    }
    if (dice < 0.86 && !isRoot(message)) {
      return this.#track('delete', conversationId, async () => {
        await this.#client.messages.delete(ref);
        this.#acked.push({ id: message.id, deleted: true });
      });
    }
    if (dice < 0.93) {
      const emoji = this.#random.pick(EMOJIS);
      return this.#track('react', conversationId, () => this.#client.messages.react({ ...ref, emoji }));
    }
    this.#track('read', conversationId, async () => {
      await this.#client.messages.markRead(ref);
      this.#read[conversationId] = Math.max(this.#read[conversationId] ?? 0, message.seq ?? 0);
    });
  }

  /** Pins a message, moves a read position back, reads a thread, or changes the own name. */
  #tend(conversationId: string): void {
    const { messages, conversations, users } = this.#client;
    const [dice, on, number] = [this.#random.next(), this.#random.chance(0.6), this.#random.between(1, 1_000)];
    if (dice < 0.2) {
      const displayName = `${this.#plan.userId} the ${number}`;
      return this.#track('profile', conversationId, () => this.#persist(() => users.update({ displayName })));
    }
    const message = this.#anyMessage(conversationId, false);
    if (message === undefined) return;
    const ref = { conversationId, messageId: message.id };
    if (dice < 0.5) return this.#track('pin', conversationId, () => messages.pin(ref, on));
    if (dice < 0.75) {
      return this.#track('unread', conversationId, () =>
        this.#persist(() => conversations.markUnread(conversationId, message.id)),
      );
    }
    const [threadId, view] = this.#random.pick([...this.#threads, ['', undefined] as const]);
    const last = view?.getSnapshot().messages.findLast(({ seq }) => seq !== undefined);
    if (view === undefined || last === undefined) return;
    this.#track('read thread', view.id, () =>
      messages.markRead({ conversationId: view.id, threadId, messageId: last.id }),
    );
  }

  /** Repeats a request that the outbox doesn't queue (names, members, flags) until it is answered. */
  #administer(): void {
    const { conversations } = this.#client;
    const { userId, ownedGroups = [] } = this.#plan;
    const id = this.#random.pick(this.#plan.conversationIds);
    const [dice, on, number] = [this.#random.next(), this.#random.chance(0.5), this.#random.between(1, 1_000)];
    if (dice < 0.4) return this.#track('flag', id, () => this.#persist(() => conversations.mute(id, on)));
    if (dice < 0.5) return this.#track('flag', id, () => this.#persist(() => conversations.pin(id, on)));
    const [group] = ownedGroups;
    if (group === undefined || dice < 0.6) {
      const participantIds = EVERYONE.filter((name) => name !== userId);
      const create = { type: 'group', name: `${userId} ${number}`, participantIds } as const;
      return this.#track('create', id, () => this.#persist(() => conversations.create(create)));
    }
    if (dice < 0.75)
      return this.#track('add', id, () => this.#persist(() => conversations.addParticipants(group, ['dan'])));
    this.#track('rename', id, () => this.#persist(() => conversations.update(group, { name: `named ${number}` })));
  }

  async #persist(attempt: () => Promise<unknown>, done: readonly string[] = []): Promise<void> {
    for (;;) {
      try {
        return void (await attempt());
      } catch (error) {
        if (isCommError(error) && done.includes(error.code)) return;
        if (!isCommError(error) || !error.retryable) throw error;
        await pause(20);
      }
    }
  }

  #send(conversationId: string): void {
    const content = this.#nextText();
    const root = this.#random.chance(0.15) ? this.#root(conversationId) : undefined;
    const others = this.#plan.mentionable[conversationId] ?? [];
    const mentioned = this.#random.chance(0.15) && others.length > 0 ? this.#random.pick(others) : undefined;
    if (root !== undefined && this.#random.chance(0.5)) this.#openThread(conversationId, root.id);
    const message = {
      conversationId,
      content,
      ...(root && { threadId: root.id, alsoInConversation: this.#random.chance(0.3) }),
      ...(mentioned !== undefined && { mentions: [mentioned] }),
    };
    this.#track('send', conversationId, async () => {
      this.#ack(await this.#client.messages.send(message));
      if (root !== undefined) this.#count('reply');
      if (mentioned !== undefined) this.#count('mention');
    });
  }

  #count(what: string): void {
    this.#done[what] = (this.#done[what] ?? 0) + 1;
  }

  #nextText(): string {
    const text = `${this.#plan.userId} ${this.#number}`;
    this.#number += 1;
    this.#figures.messages += 1;
    return text;
  }

  /** A late message that may have replies. Roots are not deleted, so that no reply is refused. */
  #root(conversationId: string): Message | undefined {
    const messages = this.#views.get(conversationId)?.getSnapshot().messages ?? [];
    const roots = messages.slice(-2 * ROOTS_APART).filter(isRoot);
    return roots.length === 0 ? undefined : this.#random.pick(roots);
  }

  #openThread(conversationId: string, rootId: string): void {
    if (!this.#threads.has(rootId)) {
      this.#threads.set(rootId, this.#client.conversations.openThread(conversationId, rootId));
    }
  }

  #ack(message: Message | undefined): void {
    if (message !== undefined) this.#acked.push({ id: message.id, rev: message.rev ?? 0 });
  }

  #track(what: string, conversationId: string, run: () => Promise<void>): void {
    if (what !== 'send') this.#figures.changes += 1;
    const task = run()
      .then(() => this.#count(what))
      .catch((error: unknown) => {
        // The message was deleted meanwhile.
        if (isCommError(error) && error.code === 'CONFLICT' && what !== 'send' && what !== 'delete') return;
        // The user has been removed from the club meanwhile.
        if (isCommError(error) && this.#isAway(conversationId, error)) return;
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
    this.#client.on('message:failed', ({ message, error }) => {
      if (!this.#isAway(message.conversationId, error)) this.#failures.push(`failed: ${error.code}`);
      else if (message.clientId !== undefined) this.#client.messages.discard(message.clientId);
    });
  }

  #isAway(conversationId: string, { code }: CommError): boolean {
    return conversationId === this.#plan.club && ['NOT_FOUND', 'FORBIDDEN', 'CANCELLED'].includes(code);
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
  unreadMentions,
  unreadThreads,
  followedThreads,
  firstUnreadId,
  readSeq,
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
  const threads = (followedThreads ?? []).map(({ id, unread }) => `${id} ${unread}`).toSorted();
  const unread = { unreadCount, unreadMentions, unreadThreads, threads, firstUnreadId: firstUnreadId ?? null, readSeq };
  return JSON.stringify({ name, last, unread, muted, pinned, archived, people: people.toSorted(), head });
}

function isRoot({ seq, deletedAt, threadId }: Message): boolean {
  return seq !== undefined && seq % ROOTS_APART === 1 && deletedAt === undefined && threadId === undefined;
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
    threadId: message.threadId ?? '',
    thread: message.thread ? `${message.thread.replyCount} ${message.thread.participantIds.join(',')}` : '',
    mentions: (message.mentions ?? []).join(','),
    pinned: message.pinned ? `${message.pinned.by} ${message.pinned.at}` : '',
  };
}
