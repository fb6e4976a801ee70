import { sql } from 'kysely';
import { query, statement, type Params } from '../engine/statement.ts';
import { all, first, run, type Work } from '../engine/work.ts';

/** An uploaded file or an upload in progress. */
export interface FileRow {
  readonly id: string;
  readonly conversation_id: string;
  readonly uploader_id: string;
  readonly file_name: string;
  readonly mime_type: string;
  readonly size: number;
  readonly key_digest: string;
  readonly state: string;
  readonly created_at: string;
  readonly expires_at: string | null;
}

const files = query
  .selectFrom('comm_files')
  .select([
    'comm_files.id',
    'comm_files.conversation_id',
    'comm_files.uploader_id',
    'comm_files.file_name',
    'comm_files.mime_type',
    'comm_files.size',
    'comm_files.key_digest',
    'comm_files.state',
    'comm_files.created_at',
    'comm_files.expires_at',
  ]);

const selectFile = statement((p: Params<{ id: string }>) => files.where('id', '=', p.id));
const countUploads = statement((p: Params<{ uploaderId: string }>) =>
  query
    .selectFrom('comm_files')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('uploader_id', '=', p.uploaderId)
    .where('state', '=', sql.lit('uploading')),
);
const insert = statement((p: Params<FileRow>) =>
  query.insertInto('comm_files').values({
    id: p.id,
    conversation_id: p.conversation_id,
    uploader_id: p.uploader_id,
    file_name: p.file_name,
    mime_type: p.mime_type,
    size: p.size,
    key_digest: p.key_digest,
    state: p.state,
    created_at: p.created_at,
    expires_at: p.expires_at,
  }),
);
const updateStored = statement((p: Params<{ id: string; expiresAt: string }>) =>
  query
    .updateTable('comm_files')
    .set({ state: 'stored', expires_at: p.expiresAt })
    .where('id', '=', p.id)
    .where('state', '=', 'uploading'),
);
const updateRejected = statement((p: Params<{ id: string }>) =>
  query
    .updateTable('comm_files')
    .set({ state: 'removing', expires_at: '' })
    .where('id', '=', p.id)
    .where('state', '=', 'uploading')
    .returning('id'),
);
const updateCancelled = statement((p: Params<{ id: string }>) =>
  query
    .updateTable('comm_files')
    .set({ state: 'removing', expires_at: '' })
    .where('id', '=', p.id)
    .where('expires_at', 'is not', null)
    .returning('id'),
);
const deleteRow = statement((p: Params<{ id: string }>) =>
  query.deleteFrom('comm_files').where('id', '=', p.id).where('state', '=', 'removing'),
);
const updateExpired = statement(
  (p: Params<{ now: string; limit: number }>) =>
    sql<{ id: string }>`
    update comm_files set state = 'removing', expires_at = '' where id in (
      select id from comm_files where expires_at < ${p.now} order by expires_at limit ${p.limit}
    ) returning id`,
);
/** A file without references belongs to its uploader, any other to the members of the conversations that refer to it. */
const selectReadable = statement((p: Params<{ id: string; userId: string }>) =>
  files
    .where('comm_files.id', '=', p.id)
    .where('comm_files.state', '=', 'stored')
    .where(
      sql<boolean>`case when expires_at is not null then uploader_id = ${p.userId} else exists (
        select 1 from comm_file_references as r
        join messages as m on m.id = r.message_id and m.deleted_at is null
        join conversation_participants as p on p.conversation_id = m.conversation_id and p.user_id = ${p.userId}
        where r.file_id = comm_files.id
      ) end`,
    ),
);
const insertReference = statement((p: Params<{ fileId: string; messageId: number }>) =>
  query
    .insertInto('comm_file_references')
    .values({ file_id: p.fileId, message_id: p.messageId })
    .onConflict((conflict) => conflict.doNothing()),
);
const clearExpiry = statement((p: Params<{ id: string }>) =>
  query.updateTable('comm_files').set({ expires_at: null }).where('id', '=', p.id).where('state', '=', 'stored'),
);
const selectSecret = statement(() =>
  query.selectFrom('comm_file_secret').select('secret').where('id', '=', sql.lit(1)),
);

/** Returns a file in any state. */
export function* findFile(id: string): Work<FileRow | undefined> {
  return yield* first(selectFile({ id }));
}

/** Returns the number of uploads that a user has begun and not completed. */
export function* openUploads(uploaderId: string): Work<number> {
  return (yield* first(countUploads({ uploaderId })))?.count ?? 0;
}

/** Inserts an upload. */
export function* insertFile(row: FileRow): Work<void> {
  yield* run(insert(row));
}

/** Marks an upload as stored. @param expiresAt - when the file is removed if no message refers to it */
export function* markStored(id: string, expiresAt: string): Work<void> {
  yield* run(updateStored({ id, expiresAt }));
}

/** Marks an upload as removed. Its row is kept until its bytes are deleted. @returns false if it is stored meanwhile */
export function* markRejected(id: string): Work<boolean> {
  return (yield* first(updateRejected({ id }))) !== undefined;
}

/** Marks an upload or a file as removed, unless a message refers to it. @returns false if one does */
export function* markCancelled(id: string): Work<boolean> {
  return (yield* first(updateCancelled({ id }))) !== undefined;
}

/** Marks files that have expired as removed, those that were marked before included. @returns their ids */
export function* takeExpired(now: string, limit: number): Work<readonly string[]> {
  return (yield* all(updateExpired({ now, limit }))).map(({ id }) => id);
}

/** Deletes the row of a removed file. */
export function* forgetFile(id: string): Work<void> {
  yield* run(deleteRow({ id }));
}

/** Returns a stored file if the user may read it. */
export function* readableFile(id: string, userId: string): Work<FileRow | undefined> {
  return yield* first(selectReadable({ id, userId }));
}

/** Makes a file belong to a message: it is kept as long as a message refers to it. */
export function* referToFile(fileId: string, messageId: number): Work<void> {
  yield* run(insertReference({ fileId, messageId }));
  yield* run(clearExpiry({ id: fileId }));
}

/** Returns the secret that signs the URLs of files. */
export function* fileSecret(): Work<string> {
  const row = yield* first(selectSecret({}));
  if (row === undefined) throw new Error('the table comm_file_secret is empty');
  return row.secret;
}
