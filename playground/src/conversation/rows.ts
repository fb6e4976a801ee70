import type { Conversation, Message } from 'lumen-comm';
import { dayLabel, isSameDay } from '../lib/format.ts';

export interface MessageRowData {
  kind: 'message';
  key: string;
  message: Message;
  /** First and last message of a group of consecutive messages by one sender. */
  first: boolean;
  last: boolean;
  /** Members of a group whose read position is this message. */
  readers: readonly string[];
  /** Whether the thread of this message has replies that the user has not read. */
  threadUnread: boolean;
}
export type Row = MessageRowData | { kind: 'day'; key: string; label: string } | { kind: 'unread'; key: string };

const GROUP_MS = 5 * 60_000;

/** The row key of a message: the client id if present, so that the row stays the same once the message is stored. */
function keyOf({ id, clientId, senderId }: Message): string {
  return clientId === undefined ? id : `${senderId} ${clientId}`;
}

export interface RowContext {
  ownId: string;
  conversation: Conversation | undefined;
  /** The read position when the conversation was opened; `undefined` if nothing was unread. */
  readSeq: number | undefined;
  /** The first unread message when the conversation was opened, if the server has named it. */
  unreadId?: string | undefined;
  hasOlder: boolean;
  /** Whether these are the replies of a thread, which have no read positions of others. */
  isThread?: boolean | undefined;
}

/** Messages and the dividers between them. */
export function rowsOf(messages: readonly Message[], context: RowContext): Row[] {
  const rows: Row[] = [];
  const readers = readersOf(messages, context);
  const unreadAt = firstUnread(messages, context);
  const unreadThreads = new Set(
    context.conversation?.followedThreads?.filter(({ unread }) => unread).map(({ id }) => id),
  );
  for (const [at, message] of messages.entries()) {
    const before = messages[at - 1];
    const after = messages[at + 1];
    const startsDay = before === undefined || !isSameDay(before.createdAt, message.createdAt);
    if (startsDay) rows.push({ kind: 'day', key: `day ${keyOf(message)}`, label: dayLabel(message.createdAt) });
    if (at === unreadAt) rows.push({ kind: 'unread', key: 'unread' });
    rows.push({
      kind: 'message',
      key: keyOf(message),
      message,
      first: startsDay || at === unreadAt || !belongs(before, message),
      last: after === undefined || at + 1 === unreadAt || !belongs(message, after),
      readers: readers.get(message.id) ?? [],
      threadUnread: unreadThreads.has(message.id),
    });
  }
  return rows;
}

export function isNotice({ type, deletedAt }: Message): boolean {
  return (type === 'system' || type === 'call') && deletedAt === undefined;
}

function belongs(one: Message | undefined, next: Message): boolean {
  if (one === undefined || one.senderId !== next.senderId || isNotice(one) || isNotice(next)) return false;
  const pause = Date.parse(next.createdAt) - Date.parse(one.createdAt);
  return pause < GROUP_MS && isSameDay(one.createdAt, next.createdAt);
}

/** Without an id, the divider is shown only if the last read message is loaded: otherwise the first unread one is unknown. */
function firstUnread(messages: readonly Message[], { ownId, readSeq, unreadId, hasOlder }: RowContext): number {
  if (unreadId !== undefined) return messages.findIndex(({ id }) => id === unreadId);
  const oldest = messages[0]?.seq;
  if (readSeq === undefined || oldest === undefined || (oldest > readSeq + 1 && hasOlder)) return -1;
  return messages.findIndex(({ seq, senderId }) => seq !== undefined && seq > readSeq && senderId !== ownId);
}

/** Other members by the message that they have read last. Direct chats show this in the status icon instead. */
function readersOf(messages: readonly Message[], { conversation, ownId, isThread }: RowContext): Map<string, string[]> {
  const readers = new Map<string, string[]>();
  if (conversation?.type !== 'group' || isThread === true) return readers;
  for (const { userId, lastReadSeq = 0 } of conversation.participants) {
    if (userId === ownId || lastReadSeq === 0) continue;
    const last = messages.findLast(({ seq }) => seq !== undefined && seq <= lastReadSeq);
    if (last === undefined || last.senderId === userId) continue;
    const held = readers.get(last.id) ?? [];
    readers.set(last.id, [...held, userId]);
  }
  return readers;
}
