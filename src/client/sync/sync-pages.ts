import type { Head, SyncResult } from '../../protocol/conversations.ts';

/**
 * Requests the pages of heads that had no room in the answer to `sync`, adds those of conversations that have to be followed
 * or requested to its `heads`, and followed conversations that are on no page to `lost`.
 *
 * @param followed - the position in each conversation before the resync
 * @param isFirst - nothing is outdated: only unknown conversations are added
 */
export async function addHeads(
  answer: SyncResult,
  request: (after: string) => Promise<SyncResult>,
  followed: ReadonlyMap<string, Head>,
  isFirst: boolean,
): Promise<void> {
  const { heads, gained, conversations } = answer;
  const joined = (answer.joined ??= Object.create(null) as Record<string, Head>);
  const answered = new Set([...gained.map(({ id }) => id), ...conversations.map((each) => each.conversationId)]);
  const gone = new Set(followed.keys());
  for (let after = answer.next; after !== undefined;) {
    const page = await request(after);
    const stale = new Set(page.stale);
    const isUpToDate = (id: string, { rev }: Head): boolean =>
      followed.get(id)?.rev === rev && (isFirst || (page.stale !== undefined && !stale.has(id)));
    for (const [id, head] of Object.entries(page.heads)) {
      gone.delete(id);
      if (!answered.has(id) && !isUpToDate(id, head)) heads[id] ??= head;
    }
    for (const [id, head] of Object.entries(page.joined ?? {})) if (!answered.has(id)) joined[id] ??= head;
    // A page without heads, or one that continues where it began, makes no progress.
    const { next } = page;
    if (next === undefined) for (const id of gone) if (!answered.has(id)) answer.lost.push(id);
    after = Object.keys(page.heads).length > 0 && next !== after ? next : undefined;
  }
}
