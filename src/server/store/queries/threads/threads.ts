import { sql } from 'kysely';
import { LIMITS } from '../../../../protocol/limits.ts';
import type { ThreadSummary } from '../../../../protocol/threads.ts';
import { isoTime, wireId, type MessageRow } from '../rows.ts';
import { statement, type Params } from '../../engine/statement.ts';
import { all, first, run, type Work } from '../../engine/work.ts';
import { mentionsOf } from './mentions.ts';

interface Followed {
  conversationId: string;
  rootId: number;
}

/** The state of a thread. */
export interface Thread {
  readonly root: MessageRow;
  /** Number of replies, including deleted ones: the position of the last one. */
  readonly total: number;
  /** Number of replies that are not deleted. */
  readonly live: number;
  /** `seq` of the newest reply that is not deleted; 0 if there is none. */
  readonly lastSeq: number;
}

/** Replies among which the users are searched whom a thread names after a deletion. */
const MAX_SEARCHED = 200;
/** Mentions that are forgotten at once when a thread is read. */
const MAX_FORGOTTEN = 1_000;

const selectThread = statement(
  (p: Params<{ rootId: number }>) => sql<{ total: number; live: number; last_seq: number }>`
    select total, live, last_seq from comm_threads where root_id = ${p.rootId}`,
);
const upsertThread = statement(
  (p: Params<Followed & { total: number; live: number; lastSeq: number }>) => sql<never>`
    insert into comm_threads (root_id, conversation_id, total, live, last_seq)
    values (${p.rootId}, ${p.conversationId}, ${p.total}, ${p.live}, ${p.lastSeq})
    on conflict (root_id) do update set total = excluded.total, live = excluded.live, last_seq = excluded.last_seq`,
);
const updateRoot = statement(
  (p: Params<{ id: number; rev: number; thread: string }>) => sql<never>`
    update messages set thread = ${p.thread}, rev = ${p.rev} where id = ${p.id}`,
);
/** A sender who had read the thread has also read up to the own reply. */
const followAsSender = statement(
  (p: Params<Followed & { userId: string; seq: number; before: number }>) => sql<never>`
    insert into comm_thread_follows (user_id, conversation_id, root_id, read_seq)
    values (${p.userId}, ${p.conversationId}, ${p.rootId}, ${p.seq})
    on conflict (user_id, conversation_id, root_id) do update set
      read_seq = iif(comm_thread_follows.read_seq >= ${p.before}, excluded.read_seq, comm_thread_follows.read_seq)`,
);
const insertFollows = statement(
  (p: Params<Followed & { userIds: string; readSeq: number }>) => sql<never>`
    insert into comm_thread_follows (user_id, conversation_id, root_id, read_seq)
    select value, ${p.conversationId}, ${p.rootId}, ${p.readSeq} from json_each(${p.userIds}) where true
    on conflict do nothing`,
);
const advanceFollow = statement(
  (p: Params<Followed & { userId: string; seq: number }>) => sql<{ read_seq: number }>`
    update comm_thread_follows set read_seq = ${p.seq}
    where user_id = ${p.userId} and conversation_id = ${p.conversationId} and root_id = ${p.rootId} and read_seq < ${p.seq}
    returning read_seq`,
);
const forgetMentions = statement(
  (p: Params<Followed & { userId: string; seq: number }>) => sql<{ seq: number }>`
    delete from comm_mentions
    where user_id = ${p.userId} and conversation_id = ${p.conversationId} and root_id = ${p.rootId} and seq in (
      select seq from comm_mentions where user_id = ${p.userId} and conversation_id = ${p.conversationId}
        and root_id = ${p.rootId} and seq <= ${p.seq} order by seq limit ${sql.lit(MAX_FORGOTTEN)}
    ) returning seq`,
);
const selectNewest = statement(
  (p: Params<{ threadId: string; limit: number }>) => sql<{ seq: number; sender_id: string }>`
    select seq, sender_id from messages
    where thread_id = ${p.threadId} and deleted_at is null order by seq desc limit ${p.limit}`,
);
const selectTime = statement(
  (p: Params<{ conversationId: string; seq: number }>) => sql<{ created_at: string }>`
    select created_at from messages where conversation_id = ${p.conversationId} and seq = ${p.seq}`,
);

const countFollowed = statement(
  (p: Params<{ userId: string; limit: number }>) => sql<{ followed: number }>`
    select count(*) as followed from (select 1 from comm_thread_follows where user_id = ${p.userId} limit ${p.limit})`,
);

/** Returns the number of threads that a user follows, at most `limit`. */
export function* followedCountOf(userId: string, limit: number): Work<number> {
  return (yield* first(countFollowed({ userId, limit })))?.followed ?? 0;
}

/** Returns the thread of a root message; one without replies if there is none yet. */
export function* threadOf(root: MessageRow): Work<Thread> {
  const row = yield* first(selectThread({ rootId: root.id }));
  return { root, total: row?.total ?? 0, live: row?.live ?? 0, lastSeq: row?.last_seq ?? 0 };
}

/**
 * Adds a stored reply to its thread, and its sender and the users it mentions to those who follow the thread. The first reply
 * makes the author of the root and the users it mentions follow it. Writes no row per follower of a reply.
 */
export function* addReply({ root, total, live, lastSeq }: Thread, reply: MessageRow): Work<Thread> {
  const place = { conversationId: root.conversation_id, rootId: root.id };
  yield* run(followAsSender({ ...place, userId: reply.sender_id, seq: reply.seq, before: lastSeq }));
  const followers = [...mentionsOf(reply), ...(total === 0 ? [root.sender_id, ...mentionsOf(root)] : [])];
  if (followers.length > 0) yield* follow(place, followers, reply.seq - 1);
  const { participantIds } = summaryOf(root);
  const summary = {
    replyCount: live + 1,
    lastReplyAt: isoTime(reply.created_at),
    participantIds: [reply.sender_id, ...participantIds.filter((id) => id !== reply.sender_id)].slice(
      0,
      LIMITS.threadParticipants,
    ),
  };
  return {
    root: { ...root, thread: JSON.stringify(summary) },
    total: total + 1,
    live: live + 1,
    lastSeq: reply.seq,
  };
}

/** Makes users follow a thread whose replies up to `readSeq` count as read for those who don't follow it yet. */
export function* follow(place: Followed, userIds: readonly string[], readSeq: number): Work<void> {
  yield* run(insertFollows({ ...place, userIds: JSON.stringify(userIds), readSeq }));
}

/** Returns the thread after one of its replies has become a tombstone. */
export function* removeReply({ root, total, live }: Thread): Work<Thread> {
  const replies = yield* all(selectNewest({ threadId: wireId(root), limit: MAX_SEARCHED }));
  const lastSeq = replies[0]?.seq ?? 0;
  const last = yield* first(selectTime({ conversationId: root.conversation_id, seq: lastSeq }));
  const senders = new Set(replies.map((reply) => reply.sender_id));
  const summary = {
    replyCount: live - 1,
    lastReplyAt: last === undefined ? summaryOf(root).lastReplyAt : isoTime(last.created_at),
    participantIds: [...senders].slice(0, LIMITS.threadParticipants),
  };
  return { root: { ...root, thread: JSON.stringify(summary) }, total, live: live - 1, lastSeq };
}

/** Stores a thread with the next revision of its root. @returns the row of the root */
export function* storeThread({ root, total, live, lastSeq }: Thread, rev: number): Work<MessageRow> {
  yield* run(upsertThread({ rootId: root.id, conversationId: root.conversation_id, total, live, lastSeq }));
  yield* run(updateRoot({ id: root.id, rev, thread: root.thread ?? '' }));
  return { ...root, rev };
}

/** Marks the replies up to `seq` as read by a user who follows the thread. @returns whether anything changed */
export function* readThread(place: Followed, userId: string, seq: number): Work<boolean> {
  const moved = yield* all(advanceFollow({ ...place, userId, seq }));
  const forgotten = yield* all(forgetMentions({ ...place, userId, seq }));
  return moved.length + forgotten.length > 0;
}

function summaryOf({ thread, created_at: createdAt }: MessageRow): ThreadSummary {
  if (thread === null) return { replyCount: 0, lastReplyAt: isoTime(createdAt), participantIds: [] };
  return JSON.parse(thread) as ThreadSummary;
}
