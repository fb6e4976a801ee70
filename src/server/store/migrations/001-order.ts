import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the counters `seq` and `rev`, client ids, tombstones and the unique pair of a direct conversation. */
export function* order(): Work<void> {
  yield* addColumns('conversations', {
    seq: 'INTEGER NOT NULL DEFAULT 0',
    rev: 'INTEGER NOT NULL DEFAULT 0',
    direct_key: 'TEXT',
  });
  yield* addColumns('messages', {
    seq: 'INTEGER',
    rev: 'INTEGER',
    sender_seq: 'INTEGER',
    client_id: 'TEXT',
    public_id: 'TEXT',
    deleted_at: 'TEXT',
    forwarded_from_conversation_id: 'TEXT',
    forwarded_from_message_id: 'TEXT',
  });
  yield script(ORDER_TAKE_OVER);
  yield script(INDEXES);
  yield script(TRIGGERS);
}

/** Existing rows. Their times have two formats, which are comparable after the separator is replaced. */
export const ORDER_TAKE_OVER = `
UPDATE messages SET seq = placed.position, rev = placed.position, sender_seq = placed.own FROM (
  SELECT id,
    row_number() OVER (PARTITION BY conversation_id ORDER BY replace(created_at, ' ', 'T'), id) AS position,
    row_number() OVER (PARTITION BY conversation_id, sender_id ORDER BY replace(created_at, ' ', 'T'), id) AS own
  FROM messages
) AS placed WHERE placed.id = messages.id;

UPDATE conversations SET seq = counted.messages, rev = counted.messages FROM (
  SELECT conversation_id, count(*) AS messages FROM messages GROUP BY conversation_id
) AS counted WHERE counted.conversation_id = conversations.id;

UPDATE messages SET deleted_at = coalesce(updated_at, created_at) WHERE type = 'system' AND content = '';

UPDATE conversations SET direct_key = ranked.pair FROM (
  SELECT id, pair, row_number() OVER (PARTITION BY pair ORDER BY active DESC, id) AS rank FROM (
    SELECT c.id, json_array(min(p.user_id), max(p.user_id)) AS pair, replace(c.updated_at, ' ', 'T') AS active
    FROM conversations c JOIN conversation_participants p ON p.conversation_id = c.id
    WHERE c.type = 'direct' GROUP BY c.id HAVING count(*) = 2
  )
) AS ranked WHERE ranked.id = conversations.id AND ranked.rank = 1;
`;

const INDEXES = `
CREATE UNIQUE INDEX comm_conversations_direct ON conversations(direct_key) WHERE direct_key IS NOT NULL;
CREATE UNIQUE INDEX comm_messages_seq ON messages(conversation_id, seq);
CREATE INDEX comm_messages_rev ON messages(conversation_id, rev);
CREATE INDEX comm_messages_sender ON messages(conversation_id, sender_id, seq, sender_seq);
CREATE INDEX comm_messages_deleted ON messages(conversation_id, seq, sender_id) WHERE deleted_at IS NOT NULL;
CREATE UNIQUE INDEX comm_messages_client ON messages(sender_id, client_id) WHERE client_id IS NOT NULL;
CREATE UNIQUE INDEX comm_messages_public ON messages(public_id) WHERE public_id IS NOT NULL;
`;

/**
 * For rows that an app's own SQL writes without counters. The server's own writes set `seq` and `rev`, so that the
 * triggers do nothing for them.
 */
const TRIGGERS = `
CREATE TRIGGER comm_message_placed AFTER INSERT ON messages WHEN NEW.seq IS NULL BEGIN
  UPDATE conversations SET seq = seq + 1, rev = rev + 1 WHERE id = NEW.conversation_id;
  UPDATE messages SET
    seq = (SELECT seq FROM conversations WHERE id = NEW.conversation_id),
    rev = (SELECT rev FROM conversations WHERE id = NEW.conversation_id),
    sender_seq = 1 + coalesce((
      SELECT m.sender_seq FROM messages m
      WHERE m.conversation_id = NEW.conversation_id AND m.sender_id = NEW.sender_id AND m.seq IS NOT NULL
      ORDER BY m.seq DESC LIMIT 1
    ), 0)
  WHERE id = NEW.id;
END;

CREATE TRIGGER comm_message_revised AFTER UPDATE OF content, type, attachment, encrypted, updated_at ON messages
WHEN NEW.rev IS OLD.rev AND NEW.seq IS NOT NULL BEGIN
  UPDATE conversations SET rev = rev + 1 WHERE id = NEW.conversation_id;
  UPDATE messages SET
    rev = (SELECT rev FROM conversations WHERE id = NEW.conversation_id),
    deleted_at = CASE
      WHEN NEW.type = 'system' AND NEW.content = '' THEN coalesce(NEW.deleted_at, NEW.updated_at, datetime('now'))
      ELSE NEW.deleted_at
    END
  WHERE id = NEW.id;
END;

CREATE TRIGGER comm_conversation_renamed AFTER UPDATE OF name ON conversations
WHEN NEW.rev IS OLD.rev AND NEW.name IS NOT OLD.name BEGIN
  UPDATE conversations SET rev = rev + 1 WHERE id = NEW.id;
END;
`;
