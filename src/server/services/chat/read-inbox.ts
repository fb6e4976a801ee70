import { conversationCountOf } from '../../store/queries/users.ts';
import { followedCountOf } from '../../store/queries/threads/threads.ts';
import type { Work } from '../../store/engine/work.ts';
import type { Store } from '../../store/store.ts';

/** A read about more conversations runs beside the event loop, because it takes tens of milliseconds. */
const MANY_CONVERSATIONS = 1_000;
/** So does one about this many followed threads: whether each is unread takes a few microseconds. */
const MANY_FOLLOWED = 1_000;
const DEADLINE_MS = 10_000;

interface InboxRead {
  /** Number of conversations that the request names. */
  readonly asked?: number;
  /** True for a read that takes long for few conversations too. */
  readonly isLong?: boolean;
}

/**
 * Reads something about all conversations of a user, beside the event loop if they are many.
 *
 * @throws CommError `UNAVAILABLE` if it takes too long
 */
export async function readInbox<T>(
  store: Store,
  userId: string,
  work: () => Work<T>,
  { asked = 0, isLong: isAlwaysLong = false }: InboxRead = {},
): Promise<T> {
  const isLong =
    isAlwaysLong ||
    asked > MANY_CONVERSATIONS ||
    (await store.read(function* () {
      if ((yield* conversationCountOf(userId)) > MANY_CONVERSATIONS) return true;
      return (yield* followedCountOf(userId, MANY_FOLLOWED)) >= MANY_FOLLOWED;
    }));
  return isLong ? await store.readLong(work, { userId, deadlineMs: DEADLINE_MS }) : await store.read(work);
}
