import type { AbortOptions } from '../../lib/abort.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import { PAGE_LIMITS } from '../../protocol/page-limits.ts';
import type { ClientContext } from '../context.ts';
import type { History } from '../timeline/history.ts';
import type { Directory } from './directory.ts';

/**
 * Marks everything that is unread as read, conversation by conversation, so that the requests stay below the limits of the
 * server. Reading doesn't change the order of the list.
 */
export async function markConversationsRead(
  context: ClientContext,
  directory: Pick<Directory, 'page'>,
  history: Pick<History, 'page'>,
  options: AbortOptions,
): Promise<void> {
  const limit = PAGE_LIMITS.maxPageSize - 1;
  for (let offset = 0, hasMore = true; hasMore;) {
    const page = await directory.page({ limit, offset }, options);
    for (const conversation of page.conversations) await markRead(context, history, conversation, options);
    offset += page.conversations.length;
    hasMore = page.hasMore && page.conversations.length > 0;
  }
}

async function markRead(
  { requester }: ClientContext,
  history: Pick<History, 'page'>,
  { id: conversationId, unreadCount, lastMessage, followedThreads = [] }: Conversation,
  options: AbortOptions,
): Promise<void> {
  if (unreadCount > 0 && lastMessage !== undefined) {
    await requester.request('message:read', { conversationId, messageId: lastMessage.id }, options);
  }
  for (const { id: threadId, unread } of followedThreads) {
    if (!unread) continue;
    const last = (await history.page({ conversationId, threadId, limit: 1 }, options)).messages.at(-1);
    if (last === undefined) continue;
    await requester.request('thread:read', { conversationId, threadId, messageId: last.id }, options);
  }
}
