import type { Outgoing } from '../../src/client/cipher.ts';
import type { ClientContext } from '../../src/client/context.ts';
import { Engine } from '../../src/client/encryption/engine.ts';
import type { BacklogQuery } from '../../src/client/encryption/messages/backlog.ts';
import type { CommEvents } from '../../src/client/events.ts';
import type { Conversation } from '../../src/protocol/conversations.ts';
import type { KeyBundle, KeyExchangeResponse, SessionInit, UploadKeys } from '../../src/protocol/encryption.ts';
import { CommError } from '../../src/protocol/errors.ts';
import type {
  DeleteMessage,
  Message,
  ReactionUpdate,
  ReactToMessage,
  SendMessage,
} from '../../src/protocol/messages.ts';
import { Emitter } from '../../src/lib/emitter.ts';
import { uuidv7Generator } from '../../src/lib/ids.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import type { CommStorage, Storable } from '../../src/storage/comm-storage.ts';
import { resilientStorage } from '../../src/storage/resilient-storage.ts';
import type { ParsedPush } from '../../src/transport/parse-push.ts';
import * as rows from '../../src/transport/parse-rows.ts';
import { failingStorage, type FailingStorage } from '../helpers/failing-storage.ts';
import { randomOf } from '../unit/client/encryption/nkc1/parties.ts';
import { manualClock, type ManualClock } from '../helpers/manual-clock.ts';

/** The reaction that users of the simulation choose. */
const EMOJI = '👍';

/** A row of the server's message table, as it is delivered. */
export type Row = Message & { readonly envelope?: Message['envelope'] };

/** A push that the server has not delivered yet. */
export interface Frame {
  event: string;
  data: unknown;
}

/** All parties share one time. */
export interface World {
  readonly clock: ManualClock;
  readonly server: SimulatedServer;
  readonly users: readonly SimulatedUser[];
  readonly conversationId: string;
}

/** Creates connected users of one conversation: direct for two, a group for three. */
export async function startSimulation(names: readonly string[], seed: string): Promise<World> {
  const clock = manualClock();
  const server = new SimulatedServer(names);
  const users = names.map((name) => new SimulatedUser(name, server, clock, seed));
  for (const user of users) await user.start();
  await settle(users);
  return { clock, server, users, conversationId: server.conversation.id };
}

/** Waits until no user has anything left to do. */
export async function settle(users: readonly SimulatedUser[]): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    for (const user of users) await user.idle();
    for (let at = 0; at < 4; at += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The state of a server without a network: what it has stored, and the pushes to each user. */
export class SimulatedServer {
  readonly conversation: Conversation;
  readonly history: Row[] = [];
  readonly queues = new Map<string, Frame[]>();
  /** Everything that users have sent, as text. */
  readonly received: string[] = [];
  readonly #bundles = new Map<string, KeyBundle>();
  #mailboxId = 0;

  constructor(names: readonly string[]) {
    const at = new Date(0).toISOString();
    this.conversation = {
      id: 'room',
      type: names.length === 2 ? 'direct' : 'group',
      participants: names.map((userId) => ({ userId, role: 'member', joinedAt: at })),
      createdAt: at,
      updatedAt: at,
    } as unknown as Conversation;
    for (const name of names) this.queues.set(name, []);
  }

  /** Answers a request of a user. */
  answer(from: string, name: string, payload: unknown): unknown {
    this.received.push(JSON.stringify(payload));
    switch (name) {
      case 'encryption:upload-keys':
        this.#bundles.set(from, { ...(payload as UploadKeys) });
        return { userId: from, keyCount: 100 };
      case 'encryption:request-keys':
        return this.#keysOf((payload as { recipientId: string }).recipientId, from);
      case 'encryption:session-init': {
        const { recipientId, sessionId, envelope } = payload as SessionInit;
        this.#mailboxId += 1;
        const data = { senderId: from, sessionId, envelope, mailboxId: String(this.#mailboxId) };
        this.queues.get(recipientId)?.push({ event: 'encryption:session-init', data });
        return {};
      }
      default:
        return {};
    }
  }

  /** Stores a sent message and pushes it to all members. */
  store(from: string, payload: SendMessage): void {
    this.received.push(JSON.stringify(payload));
    const seq = this.history.length + 1;
    const { clientId, envelope } = payload;
    const row = {
      id: String(seq),
      conversationId: payload.conversationId,
      senderId: from,
      content: payload.content,
      type: 'text',
      createdAt: new Date(seq).toISOString(),
      seq,
      rev: seq,
      status: 'sent',
      readBy: [],
      encrypted: true,
      clientId,
      envelope,
    } as unknown as Row;
    this.history.push(row);
    for (const queue of this.queues.values()) queue.push({ event: 'message:new', data: row });
  }

  /** Stores a deletion or reaction and pushes it to all members. */
  change(from: string, payload: DeleteMessage | ReactToMessage): void {
    this.received.push(JSON.stringify(payload));
    const { messageId, conversationId, envelope } = payload;
    const at = Number(messageId) - 1;
    const row = this.history[at];
    if (row === undefined || row.deletedAt !== undefined) return;
    if (!('emoji' in payload)) {
      const tombstone = { ...row, content: '', type: 'system', deletedAt: row.createdAt, envelope } as unknown as Row;
      this.history[at] = tombstone;
      for (const queue of this.queues.values()) queue.push({ event: 'message:updated', data: tombstone });
      return;
    }
    const { emoji, on } = payload;
    const others = (row.reactions ?? []).flatMap(({ users }) => users).filter((each) => each !== from);
    const users = on === true ? [...others, from] : others;
    const reactions = users.length === 0 ? [] : [{ emoji, count: users.length, users }];
    const kept = (row.reactionEnvelopes ?? []).filter(({ senderId }) => senderId !== from);
    this.history[at] = { ...row, reactions, reactionEnvelopes: envelope === undefined ? kept : [...kept, envelope] };
    const data = { messageId, conversationId, reactions, envelope };
    for (const queue of this.queues.values()) queue.push({ event: 'message:reaction-update', data });
  }

  /** Returns a page of history. */
  page({ limit, before, after }: BacklogQuery): { rows: Row[]; hasOlder: boolean; hasNewer: boolean } {
    const end = before === undefined ? this.history.length : Number(before) - 1;
    const from = after === undefined ? Math.max(0, end - limit) : Number(after);
    const to = after === undefined ? end : Math.min(this.history.length, from + limit);
    return { rows: this.history.slice(from, to), hasOlder: from > 0, hasNewer: to < this.history.length };
  }

  #keysOf(userId: string, caller: string): KeyExchangeResponse {
    const bundle = this.#bundles.get(userId);
    if (bundle === undefined) throw new CommError('NOT_FOUND', 'No keys found');
    const { identityKey, signedPreKey, signedPreKeySignature } = bundle;
    const oneTimePreKey = caller === userId ? undefined : bundle.oneTimePreKeys.shift();
    const keys = { recipientId: userId, identityKey, signedPreKey, signedPreKeySignature };
    return { ...keys, ...(oneTimePreKey !== undefined && { oneTimePreKey }) };
  }
}

/** A user with the real encryption on a storage that can fail and be rolled back. */
export class SimulatedUser {
  readonly name: string;
  /** What the user has written, by client id. */
  readonly written = new Map<string, string>();
  /** Ids of the messages that the user has deleted. */
  readonly deleted = new Set<string>();
  /** Ids of the messages to which the user has reacted at some time. */
  readonly reacted = new Set<string>();
  /** The latest state of each message that was shown, by message id. */
  readonly shown = new Map<string, Message>();
  readonly errors: unknown[] = [];
  /** Ids of the encrypted messages that were shown since the client was started. */
  readonly seen = new Set<string>();
  #changes = 0;
  /** Called with each state of a message that is shown. */
  showing: (message: Message) => void = () => undefined;
  storage: FailingStorage = failingStorage();
  readonly #server: SimulatedServer;
  readonly #clock: ManualClock;
  readonly #random: { bytes(length: number): Uint8Array<ArrayBuffer>; number(): number };
  #engine: Engine | undefined;

  constructor(name: string, server: SimulatedServer, clock: ManualClock, seed: string) {
    this.name = name;
    this.#server = server;
    this.#clock = clock;
    const bytes = randomOf(`${seed} ${name}`);
    this.#random = { bytes: (length) => new Uint8Array(bytes(length)), number: () => 0.5 };
  }

  /** Starts the client, or starts it again as after a reload of the page. */
  async start(): Promise<void> {
    this.#engine?.connectionLost();
    this.seen.clear();
    const context = this.#context();
    const storage = resilientStorage(this.storage, () => undefined, this.#clock);
    const options = { encryption: { atRest: { key: new Uint8Array(32) } }, storage: this.storage, restPath: '/rest' };
    const engine: Engine = new Engine(context, storage, options, {
      userId: () => this.name,
      conversation: () => Promise.resolve(this.#server.conversation),
      rest: () => Promise.reject(new Error('The conversation lists all members')),
      find: async (id) => (await engine.open(this.#server.history[Number(id) - 1], false)) as Message,
      page: async (query) => {
        const { rows: page, ...rest } = this.#server.page(query);
        return { messages: (await engine.open(page, false)) as Message[], ...rest };
      },
      amend: (message) => this.#show(message),
    });
    this.#engine = engine;
    await engine.connected(this.name);
    await engine.api.ready.catch((error: unknown) => this.errors.push(error));
  }

  /** Copies the storage, to be restored later. */
  async snapshot(): Promise<[string, Storable][]> {
    return this.storage.list('');
  }

  /** Replaces the storage by an earlier copy and starts the client again. */
  async rollBack(entries: readonly [string, Storable][]): Promise<void> {
    this.storage = failingStorage();
    const writes = new Map(entries);
    await (this.storage as CommStorage).transact([], () => ({ writes, result: undefined }));
    await this.start();
  }

  /** Encrypts and sends a text. Returns whether it was sent. */
  async send(text: string): Promise<boolean> {
    const engine = this.#current();
    const { id: conversationId } = this.#server.conversation;
    const clientId = `${this.name} ${this.written.size}`;
    this.written.set(clientId, text);
    const draft = await engine.draft({ conversationId, content: text, clientId, type: 'text' } as never, true);
    const item = { clientId, lane: conversationId, operation: { name: 'message:send', payload: draft } } as Outgoing;
    try {
      await engine.keep(item);
      const payload = (await engine.seal(item)) as SendMessage;
      this.#server.store(this.name, { ...payload, clientId });
      engine.settled(item, true);
      return true;
    } catch (error) {
      this.errors.push(error);
      engine.settled(item, false);
      return false;
    }
  }

  /** Deletes an own message. Returns whether it was sent. */
  async delete(messageId: string): Promise<boolean> {
    this.deleted.add(messageId);
    const { id: conversationId } = this.#server.conversation;
    return this.#change({ name: 'message:delete', payload: { conversationId, messageId } });
  }

  /** Sets or removes a reaction. Returns whether it was sent. */
  async react(messageId: string, on: boolean): Promise<boolean> {
    if (on) this.reacted.add(messageId);
    const { id: conversationId } = this.#server.conversation;
    return this.#change({ name: 'message:react', payload: { conversationId, messageId, emoji: EMOJI, on } });
  }

  /** Returns a message that only the server says was deleted, if it is stored. */
  async keptMessage(messageId: string): Promise<Message | undefined> {
    return this.#current().api.keptMessage(messageId);
  }

  /** Delivers a push. */
  receive({ event, data }: Frame): void {
    this.#current().pushed({ event, data } as ParsedPush, (push) => {
      if (push.event === 'message:new' || push.event === 'message:updated') this.#show(push.data as Message);
      if (push.event === 'message:reaction-update') this.#showReactions(push.data);
    });
  }

  /** Resolves when the pushes before were processed. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#current().pushed({ event: 'idle', data: {} } as unknown as ParsedPush, () => resolve());
    });
  }

  #current(): Engine {
    if (this.#engine === undefined) throw new Error('The user is not started');
    return this.#engine;
  }

  async #change(operation: Outgoing['operation']): Promise<boolean> {
    const engine = this.#current();
    this.#changes += 1;
    const item: Outgoing = { clientId: `${this.name} change ${this.#changes}`, lane: 'changes', operation };
    try {
      this.#server.change(this.name, (await engine.seal(item)) as DeleteMessage | ReactToMessage);
      engine.settled(item, true);
      return true;
    } catch (error) {
      this.errors.push(error);
      engine.settled(item, false);
      return false;
    }
  }

  #showReactions({ messageId, reactions }: Pick<ReactionUpdate, 'messageId' | 'reactions'>): void {
    const held = this.shown.get(messageId);
    if (held !== undefined && held.deletedAt === undefined && this.seen.has(messageId))
      this.#show({ ...held, reactions });
  }

  #show(message: Message): void {
    this.shown.set(message.id, message);
    if (message.encrypted === true) this.seen.add(message.id);
    this.showing(message);
  }

  #context(): ClientContext {
    const emitter = new Emitter<CommEvents>((error) => {
      throw error;
    });
    return {
      clock: this.#clock,
      random: this.#random,
      newId: uuidv7Generator(() => this.#clock.now(), this.#random),
      cipher: undefined,
      rows: Object.assign(() => Promise.resolve(rows), { current: rows }),
      emitter,
      logger: silentLogger,
      userId: () => this.name,
      has: () => true,
      online: () => true,
      whenConnected: () => Promise.resolve(),
      untilConnected: () => Promise.resolve(),
      report: (error) => this.errors.push(error),
      // Async, so that an error rejects.
      requester: { request: async (name, payload) => this.#server.answer(this.name, name, payload) as never },
    };
  }
}
