import { sql } from 'kysely';
import { MESSAGE_COLUMNS } from '../messages.ts';
import type { MessageRow } from '../rows.ts';
import { deleter, scanner, type ScanKey, type UserRows } from './scan.ts';
import { statement, type Params } from '../../engine/statement.ts';
import { all, first, run, type Work } from '../../engine/work.ts';

/** Deletes rows of a user in one window of a table. */
export interface RowEraser {
  readonly start: ScanKey;
  /** @returns where to continue */
  readonly erase: (userId: string, after: ScanKey) => Work<ScanKey | undefined>;
}

const rows = (of: Omit<UserRows, 'columns'>): RowEraser => ({ start: of.start, erase: deleter(of) });
const ofUser = (table: string, key = 'user_id', start: ScanKey = ''): RowEraser =>
  rows({ table, owner: 'user_id', key, start });

/**
 * The tables whose rows of a user are deleted. Bans stay, so that erasing a user doesn't lift them. The state of the user comes
 * last, because deleting others writes it.
 */
export const ROW_ERASERS: readonly RowEraser[] = [
  ofUser('encryption_prekeys', 'key_id', -1),
  ofUser('comm_taken_prekeys', 'key_id', -1),
  ofUser('encryption_keys'),
  ofUser('comm_applied', 'place', -1),
  rows({ table: 'comm_mailbox', key: 'id', start: 0, where: 'recipient_id = ? or sender_id = ?' }),
  rows({ table: 'read_receipts', key: 'message_id', start: 0, where: 'user_id = ?' }),
  rows({ table: 'comm_reports', key: 'id', start: 0, where: 'reporter_id = ? or sender_id = ?' }),
  ofUser('comm_thread_follows', 'conversation_id'),
  ofUser('comm_mentions', 'conversation_id'),
  rows({ table: 'comm_blocks', owner: 'blocker_id', key: 'blocked_id', start: '' }),
  rows({ table: 'comm_blocks', owner: 'blocked_id', key: 'blocker_id', start: '' }),
  ofUser('comm_profile_words', 'word'),
  ofUser('comm_profiles'),
  ofUser('comm_departures', 'conversation_id'),
  ofUser('comm_users'),
];

/** Messages of a user that are not deleted, in one window of all messages. */
export const scanMessages = scanner({
  table: 'messages',
  key: 'messages.id',
  start: 0,
  where: 'messages.sender_id = ? and messages.deleted_at is null',
  columns: 'messages.id, messages.public_id, messages.conversation_id',
});

/** Messages to which a user has reacted, in one window of all reactions. */
export const scanReactions = scanner({
  table: 'message_reactions',
  key: 'message_id',
  start: 0,
  where: 'user_id = ?',
  columns: 'distinct message_id',
});

/**
 * Messages with an encrypted reaction of a user, in one window of all messages. The envelope in which a user has removed a reaction
 * stays after the reaction.
 */
export const scanReactionEnvelopes = scanner({
  table: 'messages',
  key: 'messages.id',
  start: 0,
  where: `reaction_envelopes is not null and exists (
    select 1 from json_each(iif(json_valid(reaction_envelopes), reaction_envelopes, '[]')) where value ->> 'senderId' = ?
  )`,
  columns: 'messages.id as message_id',
});

const selectMessage = statement(
  (p: Params<{ id: number }>) => sql<MessageRow>`
    select ${sql.raw(MESSAGE_COLUMNS.join(', '))} from messages where messages.id = ${p.id}`,
);
const deleteReactions = statement(
  (p: Params<{ id: number; userId: string }>) => sql<never>`
    delete from message_reactions where message_id = ${p.id} and user_id = ${p.userId}`,
);

/** Deletes the reactions of a user to a message. @returns the message; `undefined` if it is gone */
export function* removeReactions(id: number, userId: string): Work<MessageRow | undefined> {
  yield* run(deleteReactions({ id, userId }));
  return yield* first(selectMessage({ id }));
}

/** Files of a user that no message refers to, in one window of all files. */
const scanFiles = scanner({
  table: 'comm_files',
  key: 'id',
  start: '',
  where: `uploader_id = ? and state <> 'removing'
    and not exists (select 1 from comm_file_references where file_id = comm_files.id)`,
  columns: 'id',
});
const updateFiles = statement(
  (p: Params<{ ids: string }>) => sql<never>`
    update comm_files set state = 'removing', expires_at = '' where id in (select value from json_each(${p.ids}))`,
);

/** Releases the files of a user that no message refers to: the next sweep deletes their bytes. */
export const FILE_RELEASER: RowEraser = {
  start: '',
  *erase(userId, after) {
    const { rows: found, next } = yield* scanFiles(userId, after);
    if (found.length > 0) yield* run(updateFiles({ ids: JSON.stringify(found.map(({ id }) => id)) }));
    return next;
  },
};

const selectType = statement(
  (p: Params<{ id: string }>) => sql<{ type: string }>`select type from conversations where id = ${p.id}`,
);

/** Returns the type of a conversation; `undefined` if there is none. */
export function* typeOfConversation(id: string): Work<string | undefined> {
  return (yield* first(selectType({ id })))?.type;
}

const deleteSomeMessages = statement(
  (p: Params<{ id: string; limit: number }>) => sql<{ id: number }>`
    delete from messages where id in (
      select id from messages where conversation_id = ${p.id} order by seq limit ${p.limit}
    ) returning id`,
);
const ofConversation = (table: string): RowEraser =>
  rows({ table, key: 'user_id', start: '', where: 'conversation_id = ?' });
/** As {@link ROW_ERASERS}, for what members and former members of a conversation have of it, by the id of the conversation. */
export const CONVERSATION_ERASERS: readonly RowEraser[] = [
  ofConversation('comm_mentions'),
  ofConversation('comm_thread_follows'),
];

const deleteEmpty = statement(
  (p: Params<{ id: string }>) => sql<never>`
    delete from conversations where id = ${p.id}
      and not exists (select 1 from conversation_participants where conversation_id = ${p.id})`,
);

/** Deletes messages of a conversation. @returns how many */
export function* deleteMessages(id: string, limit: number): Work<number> {
  return (yield* all(deleteSomeMessages({ id, limit }))).length;
}

/** Deletes a conversation without members. */
export function* deleteConversation(id: string): Work<void> {
  yield* run(deleteEmpty({ id }));
}
