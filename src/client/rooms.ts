import type { Lazy } from '../lib/lazy.ts';
import type { Conversation } from '../protocol/conversations.ts';
import { isCommError } from '../protocol/errors.ts';
import { fields } from '../transport/fields.ts';
import { readConversation } from '../transport/rows.ts';
import type { ClientContext } from './context.ts';
import type { Reader } from './reader.ts';

/** Joins, and takes in what the server says of the conversation; a base server says nothing. */
export async function enterRoom(
  context: ClientContext,
  reader: Lazy<Reader>,
  id: string,
): Promise<Conversation | undefined> {
  // Loaded first: what is pushed behind the answer must find it taken in.
  const { directory, inbox } = await reader();
  const answer: unknown = await context.requester.request('conversation:join', { conversationId: id });
  const joined = readConversation(fields(answer)?.['conversation']);
  if (joined === undefined && inbox.find(id) !== undefined) return undefined;
  inbox.apply({ kind: 'known', conversation: joined ?? (await directory.get(id)) });
  return joined;
}

/** Joins again after a reconnect; a conversation that is gone is told by `sync`. */
export async function enterAgain(ids: readonly string[], enter: (id: string) => Promise<void>): Promise<void> {
  const attempts = ids.map((id) =>
    enter(id).catch((error: unknown) => {
      if (!isCommError(error) || error.retryable) throw error;
    }),
  );
  await Promise.all(attempts);
}
