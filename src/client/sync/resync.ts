import type { Conversation, Head, Sync, SyncResult } from '../../protocol/conversations.ts';
import { PAGE_LIMITS } from '../../protocol/page-limits.ts';
import { parseSync } from '../../transport/parse-sync.ts';
import { BoundedMap, BoundedSet } from '../../lib/bounded-map.ts';
import { unreadable, type ClientContext } from '../context.ts';
import type { Change, Mark } from '../changes.ts';
import type { Position } from './cursor-store.ts';
import type { ChangeFeed } from './change-feed.ts';
import { ResyncBacklog } from './resync-backlog.ts';

export interface ResyncPorts {
  readonly feed: ChangeFeed;
  /** Applies what changed besides the feed: read markers and flags of conversations. */
  readonly apply: (change: Change | Mark) => void;
  /** A conversation that is new to the user, or that they participate in again. */
  readonly gained: (conversation: Conversation) => void;
  /** A conversation in which the user no longer participates. */
  readonly lost: (conversationId: string) => void;
  /** The position to store has changed. */
  readonly changed: () => void;
  /** The first position of the user on this device is known. Until it is stored, the next session counts nothing as new. */
  readonly started: () => void;
}

/** Conversations that the user has entered, and that they have left, of which a push is remembered. */
const MAX_REMEMBERED = 1_000;

/**
 * Brings a client that was disconnected in step with the server: one `sync` request, then the backlog that had no room in
 * its response.
 */
export class Resync {
  readonly #context: ClientContext;
  readonly #ports: ResyncPorts;
  readonly #backlog: ResyncBacklog;
  /** Conversations of pushes on this connection. Responses that were read before may say that they are lost. */
  readonly #entered = new BoundedMap<string, Conversation>(MAX_REMEMBERED);
  /** Conversations that the user has left on this connection. Responses that were read before may contain them. */
  readonly #left = new BoundedSet<string>(MAX_REMEMBERED);
  #inboxRev = 0;
  /** False on a new device: the first resync loads the state, and reports nothing in it as new. */
  #hasSynced = false;

  constructor(context: ClientContext, ports: ResyncPorts) {
    this.#context = context;
    this.#ports = ports;
    const { feed } = ports;
    this.#backlog = new ResyncBacklog({
      clock: context.clock,
      random: context.random,
      report: context.report,
      cursor: (id) => feed.at(id)?.rev,
      request: (cursors) => this.#request(cursors, { rest: true }),
      apply: ({ conversations, lost }) => {
        feed.applyBatch(conversations);
        // A push may have reported the loss already.
        for (const id of lost) if (feed.at(id) !== undefined && !this.#entered.has(id)) ports.lost(id);
        feed.release();
        ports.changed();
      },
      gaveUp: () => feed.release(),
      gained: (conversation, joinedAt) => this.#gain(conversation, joinedAt),
    });
  }

  /** The user's own change counter, up to which everything has arrived. */
  get inboxRev(): number {
    return this.#inboxRev;
  }

  /** Continues from the stored position of an earlier session. */
  resume({ inboxRev, heads }: Position): void {
    this.#inboxRev = inboxRev;
    this.#hasSynced = inboxRev > 0 || heads.size > 0;
    for (const [id, head] of heads) this.#ports.feed.follow(id, head);
  }

  /** Returns true for a new conversation that the backlog still has to report. */
  isInBacklog(conversationId: string): boolean {
    return this.#backlog.has(conversationId);
  }

  /** The user was added to a conversation, as a push says. */
  entered(conversation: Conversation): void {
    this.#entered.set(conversation.id, conversation);
    this.#left.delete(conversation.id);
    this.#ports.feed.learn(conversation);
  }

  /** The user has left a conversation, as a push says. */
  left(conversationId: string): void {
    this.#entered.delete(conversationId);
    this.#left.add(conversationId);
  }

  /** Returns true if the user has left the conversation since the connection was made. */
  hasLeft(conversationId: string): boolean {
    return this.#left.has(conversationId);
  }

  /** Forgets the state of the user: another one has signed in. */
  clear(): void {
    this.#backlog.clear();
  }

  connectionLost(): void {
    this.#entered.clear();
    this.#left.clear();
    this.#backlog.stop();
  }

  /**
   * Resolves when the response to `sync` has been applied. The backlog arrives in the background.
   *
   * @param isCurrent - returns false once another run replaces this one, which then ends without effect
   */
  async run(isCurrent: () => boolean = () => true): Promise<void> {
    const { feed, gained, lost, changed, started } = this.#ports;
    const followed = feed.cursors();
    const cursors: Record<string, number> = {};
    for (const [id, { rev }] of [...followed].slice(-PAGE_LIMITS.syncCursors)) cursors[id] = rev;
    const result = await this.#request(cursors);
    const isFirst = !this.#hasSynced;
    if (result.next !== undefined) {
      const { addHeads } = await import('./sync-pages.ts');
      await addHeads(result, (after) => this.#request({}, { after }), followed, isFirst);
    }
    if (!isCurrent()) return;
    this.#hasSynced = true;
    result.lost = this.#withoutEntered(result.lost);
    result.gained = result.gained.filter(({ id }) => !this.#left.has(id));
    for (const id of Object.keys(result.heads)) if (this.#left.has(id)) delete result.heads[id];
    const outstanding = this.#backlog.outstandingIn(result, followed, cursors, isFirst);
    // In the first resync no message counts as new.
    const joined = isFirst ? {} : (result.joined ?? {});
    for (const { id } of result.gained) {
      const start = Object.hasOwn(joined, id) ? joined[id] : undefined;
      if (start !== undefined) feed.follow(id, start);
    }
    feed.resynced(result, isFirst);
    for (const id of new Set(result.lost)) if (followed.has(id)) lost(id);
    for (const conversation of result.gained) {
      gained(conversation);
      if (!isFirst && !followed.has(conversation.id)) this.#context.emitter.emit('conversation:new', conversation);
    }
    feed.release();
    this.#applyReadMarkers(result, followed);
    changed();
    this.#backlog.start(outstanding, () => {
      // Only now: until all of the backlog has arrived, the next resync has to return it again.
      this.#inboxRev = result.inboxRev;
      if (isFirst) started();
      else changed();
    });
  }

  /** Removes the conversations that the user was added to again since, and follows them from there. */
  #withoutEntered(lost: readonly string[]): string[] {
    return lost.filter((id) => {
      const conversation = this.#entered.get(id);
      if (conversation !== undefined) this.#ports.feed.followAgain(conversation);
      return conversation === undefined;
    });
  }

  #applyReadMarkers({ reads, conversations }: SyncResult, followed: ReadonlyMap<string, Head>): void {
    const { apply } = this.#ports;
    for (const { conversationId: id, lastReadSeq: seq, readAt, ...unread } of reads) {
      // A conversation with changes came with its counts and markers.
      if (conversations.some((each) => each.conversationId === id)) continue;
      const userId = this.#context.userId() ?? '';
      if (readAt !== undefined) apply({ kind: 'read', conversationId: id, userId, readAt, messageId: '', seq });
      // The server counted unread messages at the cursor that was sent.
      const head = followed.get(id);
      const update = { id, ...unread, ...(head && { head }) };
      apply({ kind: 'conversation', conversationId: id, update });
      this.#context.emitter.emit('conversation:updated', update);
    }
  }

  /** The messages sent since the user joined follow. */
  #gain(conversation: Conversation, joinedAt: Head | undefined): void {
    const { feed, gained } = this.#ports;
    if (this.#left.has(conversation.id)) return;
    if (joinedAt !== undefined) feed.follow(conversation.id, joinedAt);
    feed.learn(conversation);
    gained(conversation);
    this.#context.emitter.emit('conversation:new', conversation);
  }

  async #request(cursors: Sync['cursors'], part: Pick<Sync, 'rest' | 'after'> = {}): Promise<SyncResult> {
    const request = { cursors, inboxRev: this.#inboxRev, ...part };
    const result = parseSync(await this.#context.requester.request('sync', request));
    if (result === undefined) throw unreadable('response to sync');
    return result;
  }
}
