import type { History, HistoryPage } from './history.ts';
import { isAfter, touches, type Segment } from './segments.ts';

/** What of a conversation is to be read again, all at once: whoever looks at it stays where they are. */
export interface Rereading {
  readonly history: Pick<History, 'page'>;
  readonly conversationId: string;
  /** As it was held. */
  readonly stretch: Segment;
}

/** The newest page, and with it whatever was held if no hole has come between the two. */
export async function readEnd(of: Rereading): Promise<HistoryPage> {
  const page = await of.history.page({ conversationId: of.conversationId });
  return touches(of.stretch, page) ? readDown(of, page) : page;
}

/** A stretch further up. */
export async function readStretch(of: Rereading, readsForwards: boolean): Promise<HistoryPage> {
  const { history, conversationId, stretch } = of;
  const last = stretch.messages.at(-1);
  if (last === undefined) return history.page({ conversationId });
  const limit = 2 * stretch.messages.length;
  // Who reads backwards only does without the last one: it comes again on the way down.
  const page = readsForwards
    ? await history.page({ conversationId, around: last.id, limit })
    : await history.page({ conversationId, before: last.id, limit }, {}, last);
  return readDown(of, page);
}

/** Reads on backwards until there is again everything that was held, and leaves out what comes in front of it. */
async function readDown(of: Rereading, page: HistoryPage): Promise<HistoryPage> {
  const { history, conversationId, stretch } = of;
  const [first] = page.messages;
  const limit = first === undefined ? 0 : stretch.messages.filter((held) => isAfter(first, held)).length;
  if (first !== undefined && limit > 0 && page.hasOlder) {
    const older = await history.page({ conversationId, before: first.id, limit }, {}, first);
    const messages = [...older.messages, ...page.messages];
    if (older.messages.length > 0) return readDown(of, { ...page, messages, hasOlder: older.hasOlder });
  }
  const [start] = stretch.messages;
  const messages = page.messages.filter((read) => start === undefined || !isAfter(start, read));
  return { ...page, messages, hasOlder: page.hasOlder || messages.length < page.messages.length };
}
