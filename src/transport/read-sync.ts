import type { ConversationChanges, Head, SyncResult } from '../protocol/conversations.ts';
import type { ReadMark } from '../protocol/marks.ts';
import { fields } from './fields.ts';
import { readChanges, readConversation, readHead } from './rows.ts';

/** Reads the answer to `sync`. One page of changes that makes no sense is enough to take none of it. */
export function readSync(answer: unknown): SyncResult | undefined {
  const row = fields(answer);
  const inboxRev = row?.['inboxRev'];
  const rows = row?.['conversations'];
  if (row === undefined || typeof inboxRev !== 'number' || !Array.isArray(rows)) return undefined;
  const conversations: ConversationChanges[] = [];
  for (const each of rows as readonly unknown[]) {
    const changes = readChanges(each);
    if (changes === undefined) return undefined;
    conversations.push({ ...changes, conversationId: changes.conversation.id });
  }
  const list = (name: string): readonly unknown[] => (Array.isArray(row[name]) ? row[name] : []);
  return {
    inboxRev,
    conversations,
    gained: list('gained')
      .map(readConversation)
      .filter((each) => each !== undefined),
    heads: readHeads(row['heads']),
    joined: row['joined'] === undefined ? undefined : readHeads(row['joined']),
    lost: list('lost').filter((id) => typeof id === 'string'),
    reads: list('reads').filter(isReadMark),
  };
}

function isReadMark(value: unknown): value is ReadMark {
  const { conversationId, lastReadSeq, unreadCount, readAt } = fields(value) ?? {};
  const isTime = readAt === undefined || typeof readAt === 'string';
  return typeof conversationId === 'string' && Number.isInteger(lastReadSeq) && Number.isInteger(unreadCount) && isTime;
}

function readHeads(value: unknown): Record<string, Head> {
  const heads = Object.create(null) as Record<string, Head>;
  for (const [id, each] of Object.entries(fields(value) ?? {})) {
    const head = readHead(each);
    if (head !== undefined) heads[id] = head;
  }
  return heads;
}
