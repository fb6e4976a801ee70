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

/** Reads on backwards until there is again everything that was held, and nothing in front of it. */
async function readDown({ history, conversationId, stretch }: Rereading, page: HistoryPage): Promise<HistoryPage> {
  let { messages, hasOlder } = page;
  for (let [first] = messages; first !== undefined && hasOlder; [first] = messages) {
    const anchor = first;
    const limit = stretch.messages.filter((held) => isAfter(anchor, held)).length;
    if (limit === 0) break;
    const older = await history.page({ conversationId, before: anchor.id, limit }, {}, anchor);
    if (older.messages.length === 0) break;
    messages = [...older.messages, ...messages];
    hasOlder = older.hasOlder;
  }
  const [start] = stretch.messages;
  const kept = start === undefined ? messages : messages.filter((read) => !isAfter(start, read));
  return { ...page, messages: kept, hasOlder: hasOlder || kept.length < messages.length };
}
