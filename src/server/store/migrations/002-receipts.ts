import { script, type Work } from '../engine/work.ts';
import { addColumns, columnsOf } from './columns.ts';

/** Adds read and delivery markers, the flags of each participant and each user's inbox revision. */
export function* receipts(): Work<void> {
  const archivedForAll = (yield* columnsOf('conversations')).has('archived');
  yield* addColumns('conversation_participants', {
    last_read_seq: 'INTEGER NOT NULL DEFAULT 0',
    last_read_at: 'TEXT',
    last_delivered_seq: 'INTEGER NOT NULL DEFAULT 0',
    muted: 'INTEGER NOT NULL DEFAULT 0',
    pinned: 'INTEGER NOT NULL DEFAULT 0',
    archived: 'INTEGER NOT NULL DEFAULT 0',
    inbox_rev: 'INTEGER NOT NULL DEFAULT 0',
    joined_inbox_rev: 'INTEGER NOT NULL DEFAULT 0',
    read_inbox_rev: 'INTEGER NOT NULL DEFAULT 0',
    flags_inbox_rev: 'INTEGER NOT NULL DEFAULT 0',
  });
  yield script(TABLES);
  yield script(RECEIPTS_TAKE_OVER);
  if (archivedForAll) yield script(TAKE_OVER_ARCHIVED);
  yield script(INDEXES);
  yield script(TRIGGERS);
}

const TABLES = `
CREATE TABLE comm_users (
  user_id TEXT PRIMARY KEY,
  inbox_rev INTEGER NOT NULL DEFAULT 0,
  chosen_status TEXT,
  last_seen TEXT
) WITHOUT ROWID;
CREATE TABLE comm_departures (
  user_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  inbox_rev INTEGER NOT NULL,
  PRIMARY KEY (user_id, conversation_id)
) WITHOUT ROWID;
`;

/**
 * A marker is the newest message with a receipt. A message with the old status `delivered` or `read` counts as
 * delivered to all participants but its sender. Groups had no roles: the member with the longest membership becomes
 * owner, so that every group can be managed.
 */
export const RECEIPTS_TAKE_OVER = `
UPDATE conversation_participants SET last_read_seq = seen.seq, last_read_at = seen.at FROM (
  SELECT m.conversation_id, r.user_id, max(m.seq) AS seq, max(r.read_at) AS at
  FROM read_receipts r JOIN messages m ON m.id = r.message_id GROUP BY m.conversation_id, r.user_id
) AS seen WHERE seen.conversation_id = conversation_participants.conversation_id
  AND seen.user_id = conversation_participants.user_id;

UPDATE conversation_participants SET last_delivered_seq = last_read_seq;
UPDATE conversation_participants SET last_delivered_seq = max(last_delivered_seq, reached.seq) FROM (
  SELECT p.conversation_id, p.user_id, max(newest.seq) AS seq
  FROM conversation_participants p JOIN (
    SELECT conversation_id, sender_id, max(seq) AS seq FROM messages
    WHERE status IN ('delivered', 'read') GROUP BY conversation_id, sender_id
  ) AS newest ON newest.conversation_id = p.conversation_id AND newest.sender_id <> p.user_id
  GROUP BY p.conversation_id, p.user_id
) AS reached WHERE reached.conversation_id = conversation_participants.conversation_id
  AND reached.user_id = conversation_participants.user_id;

UPDATE conversation_participants SET role = 'owner' FROM (
  SELECT p.conversation_id, p.user_id,
    row_number() OVER (PARTITION BY p.conversation_id ORDER BY replace(p.joined_at, ' ', 'T'), p.user_id) AS rank,
    max(CASE WHEN p.role = 'owner' THEN 1 ELSE 0 END) OVER (PARTITION BY p.conversation_id) AS owned
  FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id WHERE c.type = 'group'
) AS eldest WHERE eldest.rank = 1 AND eldest.owned = 0
  AND eldest.conversation_id = conversation_participants.conversation_id
  AND eldest.user_id = conversation_participants.user_id;

INSERT INTO comm_users (user_id, inbox_rev) SELECT DISTINCT user_id, 1 FROM conversation_participants;
UPDATE conversation_participants SET inbox_rev = 1, joined_inbox_rev = 1;
`;

const TAKE_OVER_ARCHIVED = `
UPDATE conversation_participants SET archived = 1
WHERE conversation_id IN (SELECT id FROM conversations WHERE archived = 1);
`;

/** The last two indexes find the lowest marker without reading all participants of a large group. */
const INDEXES = `
CREATE INDEX comm_departures_inbox ON comm_departures(user_id, inbox_rev);
CREATE INDEX comm_participants_inbox ON conversation_participants(user_id, inbox_rev);
CREATE INDEX comm_participants_read ON conversation_participants(conversation_id, last_read_seq, user_id);
CREATE INDEX comm_participants_delivered ON conversation_participants(conversation_id, last_delivered_seq, user_id);
`;

/**
 * A deleted participant row leaves a departure, also if it was deleted by a cascade. A row that an app's own SQL
 * inserts is completed as if the server had inserted it: the history counts as read, and the pair of a direct
 * conversation is set.
 */
const TRIGGERS = `
CREATE TRIGGER comm_participant_joined AFTER INSERT ON conversation_participants WHEN NEW.joined_inbox_rev = 0 BEGIN
  INSERT INTO comm_users (user_id) SELECT NEW.user_id
    WHERE NOT EXISTS (SELECT 1 FROM comm_users WHERE user_id = NEW.user_id);
  UPDATE comm_users SET inbox_rev = inbox_rev + 1 WHERE user_id = NEW.user_id;
  DELETE FROM comm_departures WHERE user_id = NEW.user_id AND conversation_id = NEW.conversation_id;
  UPDATE conversations SET rev = rev + 1 WHERE id = NEW.conversation_id;
  UPDATE conversation_participants SET
    inbox_rev = (SELECT inbox_rev FROM comm_users WHERE user_id = NEW.user_id),
    joined_inbox_rev = (SELECT inbox_rev FROM comm_users WHERE user_id = NEW.user_id),
    last_read_seq = coalesce((SELECT seq FROM conversations WHERE id = NEW.conversation_id), 0),
    last_delivered_seq = coalesce((SELECT seq FROM conversations WHERE id = NEW.conversation_id), 0)
  WHERE conversation_id = NEW.conversation_id AND user_id = NEW.user_id;
  UPDATE conversations SET direct_key = pair.key FROM (
    SELECT json_array(min(user_id), max(user_id)) AS key, count(*) AS people
    FROM conversation_participants WHERE conversation_id = NEW.conversation_id
  ) AS pair
  WHERE id = NEW.conversation_id AND type = 'direct' AND direct_key IS NULL AND pair.people = 2
    AND NOT EXISTS (SELECT 1 FROM conversations WHERE direct_key = pair.key);
END;

CREATE TRIGGER comm_participant_left AFTER DELETE ON conversation_participants BEGIN
  INSERT INTO comm_users (user_id) SELECT OLD.user_id
    WHERE NOT EXISTS (SELECT 1 FROM comm_users WHERE user_id = OLD.user_id);
  UPDATE comm_users SET inbox_rev = inbox_rev + 1 WHERE user_id = OLD.user_id;
  DELETE FROM comm_departures WHERE user_id = OLD.user_id AND conversation_id = OLD.conversation_id;
  INSERT INTO comm_departures (user_id, conversation_id, inbox_rev)
    SELECT user_id, OLD.conversation_id, inbox_rev FROM comm_users WHERE user_id = OLD.user_id;
END;
`;
