import { DatabaseSync } from 'node:sqlite';
import { ensureCommunicationTables } from 'lumen-comm-server';

/** A large database: one large conversation and many small ones. */
export interface Seeded {
  readonly file: string;
  readonly userId: string;
  /** The conversation with all but {@link ELSEWHERE} of the messages. */
  readonly largeId: string;
  /** The message that page 500 (of 50 rows) ends just before. */
  readonly before500: string;
}

export const READER = 'reader';
/** Occurs in three messages of the database. */
export const RARE_WORD = 'zyzzyva';

/** Fills the search index as its migration does; the server would otherwise index row by row. */
const SEARCH_INDEX = `
  BEGIN;
  INSERT INTO comm_messages_search (rowid, scope, content) SELECT id, hex(conversation_id), content FROM messages;
  UPDATE comm_search_state SET indexed_to = (SELECT max(id) FROM messages);
  INSERT INTO comm_messages_search (comm_messages_search) VALUES ('optimize');
  COMMIT;`;

const CONVERSATIONS = 200;
/** Members per group, including the reader. */
const PEOPLE = 5;
/** Messages per conversation, except for the large one. */
const EACH = 100;
const ELSEWHERE = (CONVERSATIONS - 1) * EACH;
const PAGE_SIZE = 50;

/**
 * Inserts `messages` rows into the migrated tables. Drops indexes and triggers first and recreates them from their SQL
 * afterwards, because inserting with them would take minutes.
 */
export async function seed(file: string, messages: number): Promise<Seeded> {
  const db = new DatabaseSync(file);
  await ensureCommunicationTables(db);
  // Durability is not needed.
  db.exec(
    'PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA temp_store = MEMORY',
  );
  const hindrances = db
    .prepare(
      `SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('index', 'trigger')
        AND tbl_name IN ('messages', 'conversations', 'conversation_participants')`,
    )
    .all() as { type: string; name: string; sql: string }[];
  for (const { type, name } of hindrances) db.exec(`DROP ${type} ${name}`);
  db.exec(`BEGIN; ${people(messages)} ${rows(messages)} COMMIT`);
  for (const { sql } of hindrances) db.exec(sql);
  db.exec(SEARCH_INDEX);
  db.exec('ANALYZE');
  const large = messages - ELSEWHERE;
  const row = db
    .prepare('SELECT id FROM messages WHERE conversation_id = ? AND seq = ?')
    .get('conversation-0', large - 499 * PAGE_SIZE + 1) as { id: number };
  db.exec('PRAGMA journal_mode = WAL');
  db.close();
  return { file, userId: READER, largeId: 'conversation-0', before500: String(row.id) };
}

/** The reader is a member of every conversation. A third of them are groups, the others are direct. */
function people(messages: number): string {
  const seqOf = `CASE value WHEN 0 THEN ${messages - ELSEWHERE} ELSE ${EACH} END`;
  return `
    INSERT INTO comm_users (user_id, inbox_rev) SELECT 'user-' || value, 1 FROM (${series(CONVERSATIONS)});
    INSERT INTO comm_users (user_id, inbox_rev) VALUES ('${READER}', 1);
    INSERT INTO conversations (id, type, name, created_at, updated_at, seq, rev, direct_key)
      SELECT 'conversation-' || value, iif(value % 3 = 0, 'group', 'direct'), iif(value % 3 = 0, 'Group ' || value, NULL),
        ${time('0')}, ${time('value')}, ${seqOf}, ${seqOf},
        iif(value % 3 = 0, NULL, json_array('${READER}', 'user-' || value))
      FROM (${series(CONVERSATIONS)});
    INSERT INTO conversation_participants
      (conversation_id, user_id, role, joined_at, last_read_seq, last_read_at, last_delivered_seq, inbox_rev,
        joined_inbox_rev, active_hour)
      SELECT id, '${READER}', 'member', ${time('0')}, max(0, seq - 40), ${time('1')}, seq, 1, 1, substr(updated_at, 1, 13)
      FROM conversations;
    INSERT INTO conversation_participants
      (conversation_id, user_id, role, joined_at, last_read_seq, last_read_at, last_delivered_seq, inbox_rev,
        joined_inbox_rev, active_hour)
      SELECT c.id, 'user-' || iif(c.type = 'group', who.value + 1, substr(c.id, 14)), 'member', ${time('0')},
        max(0, c.seq - 60), ${time('1')}, c.seq, 1, 1, substr(c.updated_at, 1, 13)
      FROM conversations AS c JOIN (${series(PEOPLE - 1)}) AS who ON c.type = 'group' OR who.value = 0;`;
}

/** About 110 characters per message. The messages of the last conversations are the newest. */
function rows(messages: number): string {
  const large = messages - ELSEWHERE;
  const conversation = `iif(value < ${large}, 0, 1 + (value - ${large}) / ${EACH})`;
  const position = `iif(value < ${large}, value, (value - ${large}) % ${EACH})`;
  const seq = `${position} + 1`;
  const sender = `iif(value % ${PEOPLE} = 0, '${READER}', iif(${conversation} % 3 = 0, 'user-' || value % ${PEOPLE}, 'user-' || ${conversation}))`;
  // In groups the members take turns; in direct conversations the reader writes every fifth message.
  const own = `iif(${conversation} % 3 = 0 OR value % ${PEOPLE} = 0, ${position} / ${PEOPLE} + 1, ${position} - ${position} / ${PEOPLE})`;
  const rare = `iif(value IN (${large >> 3}, ${large >> 2}, ${large >> 1}), ' ${RARE_WORD}', '')`;
  const word = (prime: number, of: number): string => `value * ${prime} % ${of}`;
  return `
    INSERT INTO messages (id, conversation_id, sender_id, content, created_at, seq, rev, sender_seq, client_id)
    SELECT value + 1, 'conversation-' || ${conversation}, ${sender},
      printf('hello word%d and common%d with topic%d of thing%d about matter%d then reply%d to question%d so answer%d',
        ${word(31, 5_000)}, ${word(7, 20)}, ${word(13, 300)}, ${word(17, 20_000)}, ${word(3, 1_000)}, ${word(5, 100)},
        ${word(11, 50)}, ${word(19, 500)}) || ${rare},
      ${time('value')}, ${seq}, ${seq}, ${own}, printf('01900000-0000-7000-8000-%012d', value)
    FROM (${series(messages)});`;
}

/** The numbers from 0 as the column `value`. */
export function series(count: number): string {
  return `WITH RECURSIVE series(value) AS (VALUES (0) UNION ALL SELECT value + 1 FROM series WHERE value < ${count - 1}) SELECT value FROM series`;
}

/** SQL of a time. */
export function time(seconds: string): string {
  return `strftime('%Y-%m-%dT%H:%M:%S.000Z', 1700000000 + ${seconds}, 'unixepoch')`;
}
