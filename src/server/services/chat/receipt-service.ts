import type { Head } from '../../../protocol/conversations.ts';
import type { DeliveryMarker, ReadMarker, ReceiptGroup } from '../../../protocol/receipts.ts';
import type { MessageRef, ReadReceiptUpdate } from '../../../protocol/messages.ts';
import type { Push } from '../../../protocol/events.ts';
import { KeyedWindow } from '../../../lib/keyed-window.ts';
import {
  advanceDeliveryMarkers,
  advanceReadMarkers,
  markersOf,
  namedMessages,
  slowestMarkers,
  slowestOther,
  storeReceipts,
  setOwnPositions,
  unreadStatesOf,
  type NamedRow,
} from '../../store/queries/receipts.ts';
import { statusChanges, type StatusChange } from '../../store/queries/status-changes.ts';
import { findMessage } from '../../store/queries/messages.ts';
import { rowIdOf, wireId } from '../../store/queries/rows.ts';
import type { Work } from '../../store/engine/work.ts';
import { conversationKey, userKey } from '../../store/write-keys.ts';
import { isoNow, type ServiceDeps } from '../service-deps.ts';
import type { Caller } from '../ports.ts';
import { notFound } from '../errors.ts';
import { JoinedWrites, type Outcome } from './joined-writes.ts';
import { pushStatuses } from './push-statuses.ts';
import { toUnreadUpdate } from './threads/thread-service.ts';

/** Time in ms in which the receipts of a conversation are collected, after the first one. */
const COLLECT_MS = 250;
/**
 * Maximum number of readers of a conversation whose receipts clients without `batch` receive at once in this time, and at
 * its end. It is the number of readers that a message lists.
 */
const MAX_SINGLE = 50;
/** Maximum number of readers in one push. */
const MAX_READERS = 1_000;

type Receipt = ReadReceiptUpdate & { readonly seq: number };
interface Read {
  readonly userId: string;
  readonly messageId: string;
}
interface Statuses {
  readonly read: readonly StatusChange[];
  readonly delivered: readonly StatusChange[];
}
interface ReadsWritten extends Statuses {
  readonly outcomes: readonly Outcome<ReadMarker>[];
  readonly receipts: readonly Receipt[];
  /** The new state of each user whose marker moved, for the user's devices. */
  readonly own: readonly { readonly userId: string; readonly mark: ReadMarker; readonly head: Head }[];
}
interface Delivery {
  readonly userId: string;
  readonly seq: number;
}
interface DeliveriesWritten extends Pick<Statuses, 'delivered'> {
  readonly outcomes: readonly Outcome<null>[];
}

/** The receipts of an interval for clients without `batch`. */
interface Singles {
  /** Users whose receipts were pushed, and are pushed at once. */
  readonly readers: Set<string>;
  /** The furthest receipt of other users, pushed at the end. */
  readonly later: Map<string, Receipt>;
}

/**
 * Maintains read and delivery markers. Markers only move forward; message statuses and unread counts are derived from
 * them.
 *
 * In a large group every member confirms and reads the same message. So what waits for the same transaction is written
 * together, and the receipts and delivery confirmations of a conversation are collected, except for the first of an
 * interval. Receipts are written at once and pushed together; delivery confirmations, which no user waits for, are written
 * together too.
 */
export class ReceiptService {
  readonly #deps: ServiceDeps;
  readonly #reads: JoinedWrites<Read, ReadMarker, ReadsWritten>;
  readonly #deliveries: JoinedWrites<Delivery, null, DeliveriesWritten>;
  readonly #receipts: KeyedWindow<Receipt>;
  /** By conversation with a running interval of {@link ReceiptService.#receipts}. */
  readonly #singles = new Map<string, Singles>();
  /** Each calls back when the confirmation may be written. */
  readonly #confirmations: KeyedWindow<() => void>;

  constructor(deps: ServiceDeps) {
    const { store, clock } = deps;
    this.#deps = deps;
    this.#reads = new JoinedWrites(store, {
      write: (conversationId, reads) => writeReads(conversationId, reads, isoNow(clock)),
      committed: (conversationId, written) => this.#pushReads(conversationId, written),
      // A read marker advances the revision of its user's inbox.
      keys: (conversationId, reads) => [conversationKey(conversationId), ...userIdsOf(reads).map(userKey)],
    });
    this.#deliveries = new JoinedWrites(store, {
      write: writeDeliveries,
      committed: (conversationId, { delivered }) => this.#pushStatuses(conversationId, { delivered, read: [] }),
      keys: (conversationId) => [conversationKey(conversationId)],
    });
    const pass = (conversationId: string, receipts: readonly Receipt[]): void => {
      for (const push of collected(conversationId, receipts)) {
        this.#deps.broadcaster.toConversation(conversationId, push, { batch: true });
      }
    };
    this.#receipts = new KeyedWindow(clock, COLLECT_MS, pass, (conversationId) => this.#endSingles(conversationId));
    this.#confirmations = new KeyedWindow(clock, COLLECT_MS, (_, writes) => {
      for (const write of writes) write();
    });
  }

  /**
   * Marks a message and all earlier ones as read. Nothing is pushed if the marker is already further.
   *
   * @throws CommError `NOT_FOUND`
   */
  read({ userId }: Caller, { conversationId, messageId }: MessageRef): Promise<ReadMarker> {
    return this.#reads.write(conversationId, { userId, messageId });
  }

  /**
   * Records that a device of the caller has received all messages up to `seq`. Resolves when it is stored, which can take
   * {@link COLLECT_MS}.
   *
   * @param isAwaited - other requests wait for the answer, so that the confirmation isn't collected
   * @throws CommError `NOT_FOUND`
   */
  async delivered(
    { userId }: Caller,
    { conversationId, seq }: DeliveryMarker,
    { isAwaited = false } = {},
  ): Promise<null> {
    if (!isAwaited) {
      // Checked before: whether others confirm is nothing that a user who isn't a member may find out by the delay.
      const members = await this.#deps.store.read(() => markersOf(conversationId, [userId]));
      if (!members.has(userId)) throw notFound();
      await new Promise<void>((resolve) => this.#confirmations.add(conversationId, [resolve]));
    }
    return await this.#deliveries.write(conversationId, { userId, seq });
  }

  /** Stops collecting. What waits is dropped: its senders are disconnected. */
  close(): void {
    this.#receipts.clear();
    this.#singles.clear();
    this.#confirmations.clear();
  }

  #pushReads(conversationId: string, { receipts, own, ...statuses }: ReadsWritten): void {
    const { broadcaster } = this.#deps;
    this.#pushSingles(conversationId, receipts);
    this.#receipts.add(conversationId, receipts);
    this.#pushStatuses(conversationId, statuses);
    for (const { userId, mark, head } of own) {
      // Pushed to the requesting device too, because its reply may arrive after newer messages. The head states which
      // messages the count includes.
      broadcaster.toUser(userId, { event: 'conversation:updated', data: toUnreadUpdate(mark, head) });
    }
  }

  /** Pushes receipts to clients without `batch`: those of a reader one by one, as far as the number of readers allows. */
  #pushSingles(conversationId: string, receipts: readonly Receipt[]): void {
    if (receipts.length === 0) return;
    const singles = this.#singles.get(conversationId) ?? { readers: new Set(), later: new Map() };
    this.#singles.set(conversationId, singles);
    const { readers, later } = singles;
    for (const receipt of receipts) {
      const { userId } = receipt.readBy;
      if (readers.size < MAX_SINGLE) readers.add(userId);
      if (readers.has(userId)) this.#pushSingle(conversationId, receipt);
      else if (later.size < MAX_SINGLE || later.has(userId)) later.set(userId, receipt);
    }
  }

  #endSingles(conversationId: string): void {
    const singles = this.#singles.get(conversationId);
    this.#singles.delete(conversationId);
    for (const receipt of singles?.later.values() ?? []) this.#pushSingle(conversationId, receipt);
  }

  #pushSingle(conversationId: string, data: Receipt): void {
    const push: Push = { event: 'read-receipt:update', data };
    this.#deps.broadcaster.toConversation(conversationId, push, { batch: false });
  }

  #pushStatuses(conversationId: string, { delivered, read }: Statuses): void {
    pushStatuses(this.#deps.broadcaster, conversationId, 'delivered', delivered);
    pushStatuses(this.#deps.broadcaster, conversationId, 'read', read);
  }
}

/** Moves read markers in a conversation. */
function* writeReads(conversationId: string, reads: readonly Read[], readAt: string): Work<ReadsWritten> {
  const members = yield* markersOf(conversationId, userIdsOf(reads));
  const messages = yield* messagesOf(
    conversationId,
    reads.map((read) => (members.has(read.userId) ? read : undefined)),
  );
  const marks = new Map<string, number>();
  const rows: [messageId: number, userId: string][] = [];
  const receipts: Receipt[] = [];
  const readers = new Set<string>();
  /** New positions of users who had moved theirs back. */
  const own = new Map<string, number>();
  for (const [place, { userId }] of reads.entries()) {
    const member = members.get(userId);
    const row = messages[place];
    if (member === undefined || row === undefined) continue;
    readers.add(userId);
    if (row.sender_id !== userId) rows.push([row.id, userId]);
    const position = own.get(userId) ?? marks.get(userId) ?? member.read_seq;
    if (row.seq <= position) continue;
    if (row.seq <= member.last_read_seq) {
      // Read again after `mark-unread`: others know it as read.
      own.set(userId, row.seq);
      continue;
    }
    own.delete(userId);
    marks.set(userId, row.seq);
    receipts.push({ conversationId, messageId: wireId(row), readBy: { userId, readAt }, seq: row.seq });
  }
  const moves = receipts.map(({ seq }) => seq);
  const statuses = yield* changedStatuses(conversationId, moves, () =>
    advanceReadMarkers(conversationId, marks, readAt),
  );
  if (own.size > 0) yield* setOwnPositions(conversationId, own);
  yield* storeReceipts(rows, readAt);
  const unread = yield* unreadStatesOf(conversationId, [...readers]);
  const markOf = (userId: string): ReadMarker => ({
    conversationId,
    lastReadSeq: marks.get(userId) ?? members.get(userId)?.last_read_seq ?? 0,
    ...(unread.get(userId) ?? { unreadCount: 0 }),
  });
  const outcomes = reads.map(({ userId }, place) =>
    messages[place] !== undefined ? { value: markOf(userId) } : { rejection: notFound() },
  );
  const moved = Array.from(new Set([...marks.keys(), ...own.keys()]), (userId) => {
    const { seq = 0, rev = 0 } = members.get(userId) ?? {};
    return { userId, mark: markOf(userId), head: { seq, rev } };
  });
  return { outcomes, receipts, own: moved, ...statuses };
}

/** Moves delivery markers in a conversation. A marker never exceeds the newest message. */
function* writeDeliveries(conversationId: string, deliveries: readonly Delivery[]): Work<DeliveriesWritten> {
  const members = yield* markersOf(conversationId, userIdsOf(deliveries));
  const marks = new Map<string, number>();
  const moves: number[] = [];
  for (const delivery of deliveries) {
    const { userId } = delivery;
    const member = members.get(userId);
    if (member === undefined) continue;
    const seq = Math.min(delivery.seq, member.seq);
    if (seq <= (marks.get(userId) ?? member.last_delivered_seq)) continue;
    marks.set(userId, seq);
    moves.push(seq);
  }
  const { delivered } = yield* changedStatuses(conversationId, moves, () =>
    advanceDeliveryMarkers(conversationId, marks),
  );
  const outcomes = deliveries.map(({ userId }) => (members.has(userId) ? { value: null } : { rejection: notFound() }));
  return { outcomes, delivered };
}

/** Returns the messages that members read, by place; `undefined` for those that aren't in the conversation. */
function* messagesOf(conversationId: string, reads: readonly (Read | undefined)[]): Work<(NamedRow | undefined)[]> {
  const ids = reads.map((read) => read && rowIdOf(read.messageId)).filter((id) => id !== undefined);
  const named = yield* namedMessages(conversationId, [...new Set(ids)]);
  const rows: (NamedRow | undefined)[] = [];
  for (const read of reads) {
    const id = read && rowIdOf(read.messageId);
    // Ids that aren't decimal are rare: those of call logs, and client ids of the reader's own messages.
    const found = read && id === undefined ? yield* findMessage(read.messageId, read.userId) : undefined;
    if (found !== undefined) rows.push(found.conversation_id === conversationId ? found : undefined);
    else rows.push(id === undefined ? undefined : named.get(id));
  }
  return rows;
}

/** Moves markers and returns the statuses that change with them. @param moves - the new markers, also intermediate ones */
function* changedStatuses(conversationId: string, moves: readonly number[], move: () => Work<unknown>): Work<Statuses> {
  if (moves.length === 0) return { read: [], delivered: [] };
  const ascending = [...new Set(moves)].toSorted((a, b) => a - b);
  const before = yield* slowestMarkers(conversationId);
  yield* move();
  const after = yield* slowestMarkers(conversationId);
  const read = yield* statusChanges(conversationId, before.read, after.read, ascending);
  const delivered = yield* statusChanges(conversationId, before.delivered, after.delivered, ascending);
  return { read, delivered: delivered.filter(({ senderId, seq }) => seq > slowestOther(senderId, after.read)) };
}

function userIdsOf(requests: readonly { readonly userId: string }[]): string[] {
  return [...new Set(requests.map(({ userId }) => userId))];
}

/** Returns the pushes for receipts: of each reader the furthest, since it covers the earlier ones. */
function collected(conversationId: string, receipts: readonly Receipt[]): Push[] {
  const furthest = new Map(receipts.map((receipt) => [receipt.readBy.userId, receipt]));
  const [first, ...others] = furthest.values();
  if (first === undefined) return [];
  if (others.length === 0) return [{ event: 'read-receipt:update', data: first }];
  const all = [first, ...others];
  const pushes: Push[] = [];
  for (let start = 0; start < all.length; start += MAX_READERS) {
    const groups = new Map<string, ReceiptGroup>();
    for (const { messageId, seq, readBy } of all.slice(start, start + MAX_READERS)) {
      const key = `${readBy.readAt} ${messageId}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { messageId, seq, readAt: readBy.readAt, userIds: [readBy.userId] });
      else group.userIds.push(readBy.userId);
    }
    pushes.push({ event: 'read-receipt:collected', data: { conversationId, receipts: [...groups.values()] } });
  }
  return pushes;
}
