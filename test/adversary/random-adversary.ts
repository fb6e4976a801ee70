import type { EncryptedEnvelope } from '../../src/protocol/encryption.ts';
import type { Message } from '../../src/protocol/messages.ts';
import { type Frame, type Row, settle, type SimulatedUser, startSimulation, type World } from './simulation.ts';

/** What a run has found. */
export interface Outcome {
  steps: number;
  sent: number;
  /** Messages that were shown with their text. */
  read: number;
  /** Messages that were shown as failed. */
  failed: number;
  /** How many rounds of messages it took until all users read each other after the adversary had stopped. */
  rounds: number;
}

const MARK = 'secret';
/** One hour apart, because resets and requests for keys are limited to one an hour. */
const MAX_ROUNDS = 16;
const HOUR_MS = 3_600_000;

/** Returns numbers from 0 to below `end`, the same for the same seed (mulberry32). */
function seededNumbers(seed: number): (end: number) => number {
  let state = seed;
  return (end) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  };
}

/**
 * Lets users talk over a server that does random harm: drops, repeats, reorders, replaces and invents frames, while devices are
 * rolled back, reloaded and out of storage. Throws if readable text leaves a client, if a text, deletion or reaction is shown as
 * authentic that its user has not made, or if the users can't talk again after the harm has ended.
 */
export async function runRandomAdversary(names: readonly string[], steps: number, seed: number): Promise<Outcome> {
  const world = await startSimulation(names, String(seed));
  const adversary = new RandomAdversary(world, seededNumbers(seed));
  for (let at = 0; at < steps; at += 1) await adversary.step();
  const rounds = await recover(world);
  adversary.check();
  await adversary.checkKept();
  const shown = world.users.flatMap((user) =>
    [...user.shown.values()].filter(({ senderId }) => senderId !== user.name),
  );
  return {
    steps,
    sent: world.server.history.length,
    read: shown.filter(({ content }) => content !== '').length,
    failed: shown.filter(({ content }) => content === '').length,
    rounds,
  };
}

type Snapshot = Awaited<ReturnType<SimulatedUser['snapshot']>>;

class RandomAdversary {
  readonly #world: World;
  readonly #pick: (end: number) => number;
  readonly #snapshots = new Map<SimulatedUser, Snapshot>();
  #checked = 0;

  constructor(world: World, pick: (end: number) => number) {
    this.#world = world;
    this.#pick = pick;
  }

  async step(): Promise<void> {
    const user = this.#one(this.#world.users);
    const queue = this.#world.server.queues.get(user.name) ?? [];
    const choice = this.#pick(1_000);
    if (choice < 240) await user.send(`${MARK} ${this.#pick(1_000_000)} of ${user.name}`);
    else if (choice < 290) await this.#react(user);
    else if (choice < 320) await this.#delete(user);
    else if (choice < 700) for (const frame of queue.splice(0)) user.receive(frame);
    else if (choice < 740) queue.splice(this.#pick(queue.length + 1), 1);
    else if (choice < 790) this.#duplicate(queue);
    else if (choice < 830) queue.reverse();
    else if (choice < 870) this.#replace(queue);
    else if (choice < 930) queue.push(this.#invent(user));
    else if (choice < 960) this.#world.clock.advance(this.#pick(600_000));
    else if (choice < 966) await user.start();
    else if (choice < 973) this.#snapshots.set(user, await user.snapshot());
    else if (choice < 979) await this.#rollBack(user);
    else if (choice < 982) user.storage.breakDown('writes');
    else await this.#mend(user);
    // Before the next step, which may advance the clock past the timeout of the storage.
    await settle([user]);
    this.check();
  }

  /** Throws if a text has left a client readable, or if a forged one is shown. */
  check(): void {
    const { server, users } = this.#world;
    for (; this.#checked < server.received.length; this.#checked += 1) {
      if (server.received[this.#checked]?.includes(MARK) === true) throw new Error('A text was sent readable');
    }
    for (const reader of users) {
      for (const message of reader.shown.values()) {
        const { content, senderId, id } = message;
        this.#checkChanges(reader, message);
        if (content === '') continue;
        const author = users.find(({ name }) => name === senderId);
        if (author === undefined || ![...author.written.values()].includes(content))
          throw new Error(`Message ${id} is shown to ${reader.name} with a text that ${senderId} has not written`);
      }
    }
  }

  /** Throws if a deletion or reaction that no user has made is shown as authentic. */
  #checkChanges(reader: SimulatedUser, { id, senderId, deletedAt, deletionUnauthenticated, reactions }: Message): void {
    const { users, server } = this.#world;
    const clientId = reader.shown.get(id)?.clientId;
    const author = users.find(({ name }) => name === senderId);
    const isDeleted = deletedAt !== undefined && deletionUnauthenticated !== true && reader.seen.has(id);
    const isForged = isDeleted && author?.deleted.has(id) !== true;
    if (isForged) throw new Error(`The deletion of message ${id} is shown to ${reader.name} as that of ${senderId}`);
    for (const { users: reacting, unauthenticated } of reader.seen.has(id) ? (reactions ?? []) : []) {
      for (const userId of reacting) {
        if (unauthenticated?.includes(userId) === true) continue;
        const known = users.find(({ name }) => name === userId);
        // A message that is repeated under another id has the reactions of the original.
        const isReal =
          known?.reacted.has(id) === true ||
          server.history.some((row) => row.clientId === clientId && known?.reacted.has(row.id) === true);
        if (!isReal) throw new Error(`A reaction to message ${id} is shown to ${reader.name} as that of ${userId}`);
      }
    }
  }

  /** Throws if a hidden message has another text than its sender has written. */
  async checkKept(): Promise<void> {
    const { users } = this.#world;
    for (const reader of users) {
      for (const { id, deletionUnauthenticated } of reader.shown.values()) {
        if (deletionUnauthenticated !== true) continue;
        // Its sender may differ from that of the tombstone, which is the server's word.
        const kept = await reader.keptMessage(id);
        const author = users.find(({ name }) => name === kept?.senderId);
        if (kept !== undefined && ![...(author?.written.values() ?? [])].includes(kept.content))
          throw new Error(`The hidden message ${id} of ${kept.senderId} has a text that its sender has not written`);
      }
    }
  }

  async #react(user: SimulatedUser): Promise<void> {
    const { history } = this.#world.server;
    const row = history[this.#pick(history.length + 1)];
    if (row !== undefined && row.deletedAt === undefined) await user.react(row.id, this.#pick(3) > 0);
  }

  async #delete(user: SimulatedUser): Promise<void> {
    const own = this.#world.server.history.filter((row) => row.senderId === user.name && row.deletedAt === undefined);
    const row = own[this.#pick(own.length + 1)];
    if (row !== undefined) await user.delete(row.id);
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#pick(of.length)] as T;
  }

  #duplicate(queue: Frame[]): void {
    const frame = queue[this.#pick(queue.length + 1)];
    if (frame !== undefined) queue.push(structuredClone(frame));
    const { history } = this.#world.server;
    const old = history[this.#pick(history.length + 1)];
    // An old message under another id.
    if (old !== undefined)
      queue.push({ event: 'message:new', data: { ...old, id: String(1_000_000 + this.#pick(1_000)) } });
  }

  /** Replaces a part of a frame by the same part of another message. */
  #replace(queue: Frame[]): void {
    const { history } = this.#world.server;
    const other = history[this.#pick(history.length + 1)];
    const at = this.#pick(queue.length + 1);
    const frame = queue[at];
    if (frame?.event !== 'message:new' || other === undefined) return;
    const row = frame.data as Row;
    const { senderId, clientId, envelope } = other;
    const parts: object[] = [
      { senderId },
      { clientId },
      { envelope },
      { senderId, envelope },
      { conversationId: 'lie' },
    ];
    queue[at] = { ...frame, data: { ...row, ...this.#one(parts) } };
  }

  #invent(to: SimulatedUser): Frame {
    const { history } = this.#world.server;
    const from = this.#one(this.#world.users).name;
    const real = history[this.#pick(history.length)];
    if (real === undefined) return { event: 'encryption:keys-depleted', data: { userId: to.name } };
    const ciphertext = this.#damage(real.envelope?.ciphertext ?? 'AAAA');
    const envelope = { ...real.envelope, senderId: from, recipientId: to.name, ciphertext } as EncryptedEnvelope;
    const id = String(2_000_000 + this.#pick(1_000));
    const inventions: Frame[] = [
      { event: 'encryption:session-established', data: { sessionId: 'x', senderId: from } },
      { event: 'encryption:keys-depleted', data: { userId: to.name } },
      { event: 'encryption:keys-changed', data: { userId: from, identityKey: 'A'.repeat(43) } },
      { event: 'encryption:session-init', data: { senderId: from, sessionId: 'x', envelope, mailboxId: id } },
      { event: 'message:new', data: { ...real, id, senderId: from, encrypted: true, envelope, content: 'forged' } },
      ...this.#inventChanges(real, from, envelope),
    ];
    return this.#one(inventions);
  }

  /** Deletions and reactions without an envelope, with a damaged one, and with that of another change. */
  #inventChanges(real: Row, from: string, envelope: EncryptedEnvelope): Frame[] {
    const { history } = this.#world.server;
    const envelopes = history.flatMap((row) => [
      ...(row.reactionEnvelopes ?? []),
      ...(row.deletedAt === undefined || row.envelope === undefined ? [] : [row.envelope]),
    ]);
    const other = envelopes[this.#pick(envelopes.length + 1)];
    const used = this.#one([undefined, envelope, other, other && { ...other, senderId: from }]);
    const { id: messageId, conversationId, createdAt } = real;
    const reactions = [{ emoji: '👍', count: 1, users: [from] }];
    const tombstone = { ...real, content: '', type: 'system', deletedAt: createdAt, envelope: used };
    return [
      { event: 'message:deleted', data: { messageId, conversationId, deletedBy: from } },
      { event: 'message:updated', data: tombstone },
      { event: 'message:updated', data: { ...tombstone, encrypted: false } },
      { event: 'message:reaction-update', data: { messageId, conversationId, reactions, envelope: used } },
      { event: 'message:updated', data: { ...real, reactions, reactionEnvelopes: used && [used] } },
    ];
  }

  #damage(ciphertext: string): string {
    const bytes = Buffer.from(ciphertext, 'base64');
    const at = this.#pick(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#pick(8));
    return bytes.toString('base64');
  }

  async #rollBack(user: SimulatedUser): Promise<void> {
    const snapshot = this.#snapshots.get(user);
    if (snapshot !== undefined) await user.rollBack(snapshot);
  }

  async #mend(user: SimulatedUser): Promise<void> {
    user.storage.mend();
    await user.start();
  }
}

/** Ends the harm, and lets all users send until each reads all others. Returns the number of rounds. */
async function recover({ users, server, clock }: World): Promise<number> {
  for (const user of users) {
    user.storage.mend();
    await user.start();
  }
  for (let round = 1; round <= MAX_ROUNDS; round += 1) {
    await settle(users);
    clock.advance(HOUR_MS + 1);
    await settle(users);
    const texts = new Map<string, string>();
    for (const user of users) {
      const text = `${MARK} round ${round} of ${user.name}`;
      texts.set(user.name, text);
      await user.send(text);
    }
    // What is received can cause answers, and requests of sender keys wait for three seconds.
    for (let turn = 0; turn < 4; turn += 1) {
      await settle(users);
      clock.advance(5_000);
      await settle(users);
      for (const user of users) for (const frame of server.queues.get(user.name)?.splice(0) ?? []) user.receive(frame);
    }
    await settle(users);
    const isRead = users.every((reader) =>
      users.every(({ name }) => [...reader.shown.values()].some(({ content }) => content === texts.get(name))),
    );
    if (isRead) return round;
  }
  throw new Error(`The users can not read each other after ${MAX_ROUNDS} rounds of messages`);
}
