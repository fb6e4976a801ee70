import type { Conversation, Head, SyncResult } from '../protocol/conversations.ts';
import { LIMITS } from '../protocol/limits.ts';
import { readSync } from '../transport/read-sync.ts';
import { unreadable, type ClientContext } from './context.ts';
import type { InboxEvent } from './conversations/inbox.ts';
import type { Position } from './cursor-keeper.ts';
import type { Feed } from './messages/feed.ts';
import { SyncRest } from './sync-rest.ts';

export interface CatchUpPorts {
  readonly feed: Feed;
  readonly apply: (event: InboxEvent) => void;
  /** One that is new, or that one is in again. */
  readonly entered: (conversation: Conversation) => void;
  readonly left: (conversationId: string) => void;
  /** What is kept for the next session has changed. */
  readonly moved: () => void;
}

/** Brings whoever was away back into step: one `sync`, then what had no room in its answer, beside the live stream. */
export class CatchUp {
  readonly #context: ClientContext;
  readonly #ports: CatchUpPorts;
  readonly #rest: SyncRest;
  #inboxRev = 0;
  /** Before that everything is new, and nothing is news. */
  #hasSynced = false;

  constructor(context: ClientContext, ports: CatchUpPorts) {
    this.#context = context;
    this.#ports = ports;
    const { feed } = ports;
    this.#rest = new SyncRest({
      clock: context.clock,
      report: context.report,
      cursor: (id) => feed.at(id)?.rev,
      ask: (cursors) => this.#ask(cursors, true),
      take: ({ conversations, lost }) => {
        feed.takeBatch(conversations);
        // One that was pushed meanwhile has been told.
        for (const id of lost) if (feed.at(id) !== undefined) ports.left(id);
        feed.release();
        ports.moved();
      },
      gaveUp: () => feed.release(),
      gained: (conversation, joined) => this.#gain(conversation, joined),
    });
  }

  /** The user's own counter, as far as everything it counts has been told. */
  get inboxRev(): number {
    return this.#inboxRev;
  }

  /** Where an earlier session has left off. */
  resume({ inboxRev, heads }: Position): void {
    this.#inboxRev = inboxRev;
    this.#hasSynced = inboxRev > 0 || heads.size > 0;
    for (const [id, head] of heads) this.#ports.feed.follow(id, head);
  }

  isOwed(conversationId: string): boolean {
    return this.#rest.isOwed(conversationId);
  }

  /** Somebody else is signed in now. */
  forget(): void {
    this.#rest.forget();
  }

  lineLost(): void {
    this.#rest.stop();
  }

  async sync(): Promise<void> {
    const { feed, apply, entered, left, moved } = this.#ports;
    const followed = feed.cursors();
    const cursors: Record<string, number> = {};
    for (const [id, { rev }] of [...followed].slice(-LIMITS.syncCursors)) cursors[id] = rev;
    const result = await this.#ask(cursors);
    const isFirst = !this.#hasSynced;
    this.#hasSynced = true;
    const owed = this.#rest.owedBy(result, followed, cursors, isFirst);
    // The first time, whatever stands there is old.
    const joined = isFirst ? {} : (result.joined ?? {});
    for (const { id } of result.gained) {
      const start = Object.hasOwn(joined, id) ? joined[id] : undefined;
      if (start !== undefined) feed.follow(id, start);
    }
    feed.caughtUp(result, isFirst);
    for (const id of result.lost) if (followed.has(id)) left(id);
    for (const conversation of result.gained) {
      entered(conversation);
      if (!isFirst && !followed.has(conversation.id)) this.#context.emitter.emit('conversation:new', conversation);
    }
    feed.release();
    for (const { conversationId: id, lastReadSeq: seq, readAt, unreadCount } of result.reads) {
      // Those that had changes bring their count and their marks along.
      if (result.conversations.some((each) => each.conversationId === id)) continue;
      const userId = this.#context.userId() ?? '';
      if (readAt !== undefined) apply({ kind: 'read', conversationId: id, userId, readAt, messageId: '', seq });
      // Counted at the cursor that was sent.
      const head = followed.get(id);
      const update = { id, unreadCount, ...(head && { head }) };
      apply({ kind: 'conversation', conversationId: id, update });
      this.#context.emitter.emit('conversation:updated', update);
    }
    moved();
    this.#rest.begin(owed, () => {
      // Not before: what is of this counter alone would not come again.
      this.#inboxRev = result.inboxRev;
      moved();
    });
  }

  /** What was said in it since the user joined comes behind it. */
  #gain(conversation: Conversation, joined: Head | undefined): void {
    const { feed, entered } = this.#ports;
    if (joined !== undefined) feed.follow(conversation.id, joined);
    feed.learn(conversation);
    entered(conversation);
    this.#context.emitter.emit('conversation:new', conversation);
  }

  async #ask(cursors: Record<string, number>, rest = false): Promise<SyncResult> {
    const ask = { cursors, inboxRev: this.#inboxRev, ...(rest && { rest }) };
    const result = readSync(await this.#context.requester.request('sync', ask));
    if (result === undefined) throw unreadable('sync');
    return result;
  }
}
