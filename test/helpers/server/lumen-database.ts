import type { DatabaseSync } from 'node:sqlite';
import { SEED_SCHEMA } from '../../../src/server/store/schema.ts';

/**
 * A database as an app on LumenJS 0.16 leaves it: its tables, those that apps add for reactions, archiving and forwarding,
 * and rows written by its handlers and by column defaults.
 */
export function makeLumenDatabase(db: DatabaseSync): void {
  db.exec(SEED_SCHEMA);
  db.exec(`
    PRAGMA foreign_keys = OFF;
    ALTER TABLE conversations ADD COLUMN archived INTEGER DEFAULT 0;
    ALTER TABLE conversation_participants ADD COLUMN muted INTEGER DEFAULT 0;
    ALTER TABLE conversation_participants ADD COLUMN pinned INTEGER DEFAULT 0;
    ALTER TABLE conversation_participants ADD COLUMN updated_at TEXT;
    ALTER TABLE messages ADD COLUMN forwarded_from_conversation_id TEXT;
    ALTER TABLE messages ADD COLUMN forwarded_from_message_id TEXT;
    CREATE TABLE message_reactions (message_id TEXT, user_id TEXT, emoji TEXT);

    INSERT INTO conversations (id, type, name, created_at, updated_at, archived) VALUES
      ('pair', 'direct', NULL, '2024-03-01 08:00:00', '2024-03-01T10:00:00.000Z', 0),
      ('pair-again', 'direct', NULL, '2024-03-01 08:00:00', '2024-03-01 09:00:00', 0),
      ('crowd', 'group', 'Crowd', '2024-03-01 08:00:00', '2024-03-02T08:00:00.000Z', 1),
      ('empty', 'group', NULL, '2024-03-01 08:00:00', '2024-03-01 08:00:00', 0);
    INSERT INTO conversation_participants (conversation_id, user_id, joined_at, pinned) VALUES
      ('pair', 'bob', '2024-03-01 08:00:00', 1), ('pair', 'ada', '2024-03-01 08:00:00', 0),
      ('pair-again', 'ada', '2024-03-01 08:00:00', 0), ('pair-again', 'bob', '2024-03-01 08:00:00', 0),
      ('crowd', 'cleo', '2024-03-01 07:00:00', 0), ('crowd', 'ada', '2024-03-01 08:00:00', 0),
      ('crowd', 'bob', '2024-03-01 09:00:00', 0),
      ('17', 'orphan', '2024-03-01 08:00:00', 0);
    INSERT INTO messages (id, conversation_id, sender_id, content, type, status, encrypted, attachment, created_at,
        updated_at, forwarded_from_conversation_id, forwarded_from_message_id) VALUES
      (1, 'pair', 'ada', 'second by time', 'text', 'read', 0, NULL, '2024-03-01T08:00:02.000Z', NULL, NULL, NULL),
      (2, 'pair', 'bob', 'first by time', 'text', 'sent', 0, NULL, '2024-03-01 08:00:01', NULL, NULL, NULL),
      (3, 'crowd', 'cleo', 'hello crowd', 'text', 'delivered', 0, NULL, '2024-03-01T08:00:03.000Z', NULL, NULL, NULL),
      (4, 'pair', 'ada', 'tied, lower id', 'text', 'delivered', 0, NULL, '2024-03-01T08:00:04.000Z', NULL, NULL, NULL),
      (5, 'pair', 'bob', 'tied, higher id', 'text', 'sent', 0, NULL, '2024-03-01T08:00:04.000Z', NULL, NULL, NULL),
      (6, 'pair', 'ada', '', 'system', 'sent', 0, '{"url":"/f"}', '2024-03-01T08:00:05.000Z', '2024-03-01T09:00:00.000Z',
        NULL, NULL),
      (7, 'pair', 'ada', '{"ciphertext":"opaque"}', 'text', 'sent', 1, NULL, '2024-03-01T08:00:06.000Z', NULL, NULL, NULL),
      (8, 'crowd', 'ada', 'hello crowd', 'text', 'sent', 0, '{"url":"javascript:alert(1)","mimeType":"a/b",
        "fileName":"f","fileSize":1}', '2024-03-01T08:00:07.000Z', NULL, 'pair', '1');
    INSERT INTO read_receipts (message_id, user_id, read_at) VALUES
      (1, 'bob', '2024-03-01 08:30:00'), (3, 'ada', '2024-03-01T08:40:00.000Z');
    INSERT INTO message_reactions VALUES ('1', 'bob', '👍'), ('1', 'bob', '👍'), ('1', 'ada', '👍'), ('99', 'ada', '👻');
  `);
}
