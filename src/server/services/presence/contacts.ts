import { conversationCountOf, contactsAmong } from '../../store/queries/users.ts';
import { relatedAmong } from '../../store/queries/people/blocks.ts';
import type { Store } from '../../store/store.ts';

/** Rows that one read may visit. It takes a few milliseconds, so that other work runs between two reads. */
const ROWS_PER_READ = 20_000;
/** Maximum number of users per read. */
const USERS_PER_READ = 250;

/**
 * Determines which of `others` share a conversation with the user, and which of them have blocked the user or are blocked by
 * the user, in reads of bounded size.
 *
 * @param others - each once
 * @param visit - called after each read and in the same turn, so that no change of a membership falls in between
 */
export async function forEachContact(
  store: Store,
  userId: string,
  others: readonly string[],
  visit: (asked: readonly string[], contacts: ReadonlySet<string>, related: ReadonlySet<string>) => void,
): Promise<void> {
  const own = await store.read(() => conversationCountOf(userId));
  const size = Math.min(USERS_PER_READ, Math.max(1, Math.floor(ROWS_PER_READ / (own + 1))));
  for (let at = 0; at < others.length; at += size) {
    if (at > 0) await nextTurn();
    const asked = others.slice(at, at + size);
    const found = await store.read(function* () {
      return { contacts: yield* contactsAmong(userId, asked), related: yield* relatedAmong(userId, asked) };
    });
    visit(asked, found.contacts, found.related);
  }
}

/** Lets events that are ready now run first. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
