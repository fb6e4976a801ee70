import type { Conversation } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Change } from '../changes.ts';
import type { Segment } from '../timeline/segments.ts';
import { emptyTimeline, reduceTimeline } from '../timeline/timeline-reducer.ts';

/** How much the offline cache keeps. */
export interface CacheLimits {
  /** Conversations in the list, and conversations with messages. */
  readonly conversations: number;
  /** Newest messages of each conversation. */
  readonly messages: number;
  /** Characters of JSON of all entries. */
  readonly size: number;
}

/** What happened to the messages of a conversation since they were last stored. */
export interface PageUpdate {
  /** The end of the conversation as it was shown; contains all changes before it. */
  readonly page?: Segment | undefined;
  /** Changes after `page`, else after what is stored; in their order. */
  readonly changes: readonly Change[];
}

/** What is stored in which entry. Sizes are in characters of JSON. */
export interface CacheIndex {
  /** Conversations of the list. */
  readonly rows: readonly (readonly [id: string, size: number])[];
  /** Conversations with messages, with the time of their last use. */
  readonly pages: readonly (readonly [id: string, size: number, usedAt: number])[];
  /** True if the list has more conversations than `rows`. */
  readonly hasMore: boolean;
}

/** The index of an empty cache. */
export const EMPTY_INDEX: CacheIndex = { rows: [], pages: [], hasMore: true };

/**
 * Returns the newest messages of a conversation after an update, or `undefined` if it is not known what the newest are.
 *
 * @param limits - older messages than these are left out; at least one message is kept
 */
export function updatePage(
  stored: Segment | undefined,
  { page, changes }: PageUpdate,
  limits: { readonly messages: number; readonly size: number },
): Segment | undefined {
  let held = page ?? stored;
  for (const change of changes) held = applyChange(held, change);
  return held && newestOf(held, limits);
}

function applyChange(held: Segment | undefined, change: Change): Segment | undefined {
  const message = change.kind === 'created' || change.kind === 'updated' ? change.message : undefined;
  const isHeld = held?.messages.some(({ id }) => id === message?.id) === true;
  // Without `seq` a gap before the message can't be seen.
  if (change.kind === 'created' && message?.seq === undefined && !isHeld) return undefined;
  const restart =
    change.kind === 'created' ? { messages: [change.message], hasOlder: !isFirst(change.message) } : undefined;
  if (held === undefined) return restart;
  const before = { ...emptyTimeline(change.conversationId, undefined), segments: [held], live: true };
  const after = reduceTimeline(before, change);
  // Messages are missing between the held ones and this one.
  if (after.generation !== before.generation) return restart;
  return after.segments[0] ?? held;
}

/** Returns whether a message is the first of its conversation. */
export function isFirst({ timelineSeq, seq }: Message): boolean {
  return (timelineSeq ?? seq) === 1;
}

/** Returns whether a message is a reply that only its thread shows. */
export function isInThreadOnly({ threadId, alsoInConversation }: Message): boolean {
  return threadId !== undefined && alsoInConversation !== true;
}

function newestOf(page: Segment, limits: { messages: number; size: number }): Segment {
  const { messages } = page;
  let start = messages.length;
  let size = 0;
  for (; start > 0 && messages.length - start < limits.messages; start -= 1) {
    size += JSON.stringify(messages[start - 1]).length;
    if (size > limits.size && start < messages.length) break;
  }
  return start === 0 ? page : { messages: messages.slice(start), hasOlder: true };
}

/** Returns the conversations of the list to store: the first ones that fit. */
export function chooseRows(
  conversations: readonly Conversation[],
  limits: Pick<CacheLimits, 'conversations' | 'size'>,
): Map<string, string> {
  const chosen = new Map<string, string>();
  let left = limits.size;
  for (const conversation of conversations.slice(0, limits.conversations)) {
    const json = JSON.stringify(conversation);
    left -= json.length;
    if (left < 0) break;
    chosen.set(conversation.id, json);
  }
  return chosen;
}

/** Records the use of a page in the index, or its deletion. Returns the index and the ids of the evicted pages. */
export function recordPage(
  index: CacheIndex,
  page: { readonly id: string; readonly size: number; readonly usedAt: number },
  limits: Pick<CacheLimits, 'conversations' | 'size'>,
): { readonly index: CacheIndex; readonly evicted: readonly string[] } {
  const others = index.pages.filter(([id]) => id !== page.id);
  const latest = page.size === 0 ? [] : [[page.id, page.size, page.usedAt] as const];
  // Stable: of two that were used at the same time, the one that is recorded later stays.
  const byUse = [...latest, ...others.toSorted(([, , a], [, , b]) => b - a)];
  let left = limits.size;
  let full = false;
  const kept = byUse.filter(([, size], at) => {
    left -= size;
    full ||= at >= limits.conversations || (left < 0 && at > 0);
    return !full;
  });
  const evicted = byUse.slice(kept.length).map(([id]) => id);
  return { index: { ...index, pages: kept }, evicted };
}

/** Returns the index of a stored value, or `undefined` if it has another format. */
export function parseIndex(value: unknown): CacheIndex | undefined {
  const { rows, pages, hasMore } = (value ?? {}) as Partial<CacheIndex>;
  const isList = (list: unknown, length: number): boolean =>
    Array.isArray(list) && list.every((each) => Array.isArray(each) && each.length === length);
  if (!isList(rows, 2) || !isList(pages, 3)) return undefined;
  return { rows: rows ?? [], pages: pages ?? [], hasMore: hasMore !== false };
}

/** Returns the messages of a stored value, or `undefined` if it has another format. */
export function parsePage(value: unknown): Segment | undefined {
  const { messages, hasOlder } = (value ?? {}) as Partial<Segment>;
  if (!Array.isArray(messages) || !messages.every(isMessage)) return undefined;
  return { messages, hasOlder: hasOlder !== false };
}

/** Returns the conversation of a stored value, or `undefined` if it has another format. */
export function parseRow(value: unknown): Conversation | undefined {
  const row = (value ?? {}) as Partial<Conversation>;
  const isRow =
    typeof row.id === 'string' &&
    typeof row.updatedAt === 'string' &&
    typeof row.unreadCount === 'number' &&
    Array.isArray(row.participants) &&
    (row.lastMessage === undefined || isMessage(row.lastMessage));
  return isRow ? (row as Conversation) : undefined;
}

function isMessage(value: unknown): value is Message {
  const { id, senderId, content, createdAt, readBy } = (value ?? {}) as Partial<Message>;
  return [id, senderId, content, createdAt].every((each) => typeof each === 'string') && Array.isArray(readBy);
}
