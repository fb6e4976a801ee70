import type { ConversationChanges, Head, SyncResult } from '../protocol/conversations.ts';
import type { ReadMarker } from '../protocol/receipts.ts';
import { fields } from './fields.ts';
import { parseChanges, parseConversation, parseHead, parseUnread } from './parse-rows.ts';

/** Parses the answer to `sync`. Returns `undefined` if any page of changes is malformed, because skipping it would lose changes. */
export function parseSync(answer: unknown): SyncResult | undefined {
  const row = fields(answer);
  const inboxRev = row?.['inboxRev'];
  const rows = row?.['conversations'];
  if (row === undefined || typeof inboxRev !== 'number' || !Array.isArray(rows)) return undefined;
  const conversations: ConversationChanges[] = [];
  for (const each of rows as readonly unknown[]) {
    const changes = parseChanges(each);
    if (changes === undefined) return undefined;
    conversations.push({ ...changes, conversationId: changes.conversation.id });
  }
  const list = (name: string): readonly unknown[] => (Array.isArray(row[name]) ? row[name] : []);
  const ids = (name: string): string[] => list(name).filter((id) => typeof id === 'string');
  return {
    inboxRev,
    conversations,
    gained: list('gained')
      .map(parseConversation)
      .filter((each) => each !== undefined),
    heads: parseHeads(row['heads']),
    next: typeof row['next'] === 'string' ? row['next'] : undefined,
    stale: row['stale'] === undefined ? undefined : ids('stale'),
    joined: row['joined'] === undefined ? undefined : parseHeads(row['joined']),
    lost: ids('lost'),
    reads: list('reads')
      .filter(isReadMarker)
      .map(({ conversationId, lastReadSeq, unreadCount, readAt, ...rest }) => {
        const mark = { conversationId, lastReadSeq, unreadCount, ...parseUnread(rest) };
        return readAt === undefined ? mark : { ...mark, readAt };
      }),
  };
}

function isReadMarker(value: unknown): value is ReadMarker {
  const { conversationId, lastReadSeq, unreadCount, readAt } = fields(value) ?? {};
  const isTime = readAt === undefined || typeof readAt === 'string';
  return typeof conversationId === 'string' && Number.isInteger(lastReadSeq) && Number.isInteger(unreadCount) && isTime;
}

function parseHeads(value: unknown): Record<string, Head> {
  const heads = Object.create(null) as Record<string, Head>;
  for (const [id, each] of Object.entries(fields(value) ?? {})) {
    const head = parseHead(each);
    if (head !== undefined) heads[id] = head;
  }
  return heads;
}
