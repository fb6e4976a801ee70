import { indexAll } from '../search/search-index.ts';
import { script, type Work } from '../engine/work.ts';

/** Adds the full-text index and indexes existing messages. */
export function* search(): Work<void> {
  yield script(INDEX);
  yield* indexAll();
}

/**
 * The index is contentless: the text is stored only in `messages`. `scope` contains the hex-encoded conversation id as
 * one token, which narrows a search before any row is read.
 *
 * Indexing a message costs as much as the rest of a send, so messages are indexed later in batches. All messages up to
 * `indexed_to` are indexed, except those listed in `comm_search_stale`. See `search-index.ts`.
 */
const INDEX = `
CREATE VIRTUAL TABLE comm_messages_search USING fts5(
  scope, content, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2'
);
CREATE TABLE comm_search_state (id INTEGER PRIMARY KEY CHECK (id = 1), indexed_to INTEGER NOT NULL);
INSERT INTO comm_search_state (id, indexed_to) VALUES (1, 0);
CREATE TABLE comm_search_stale (message_id INTEGER PRIMARY KEY);

CREATE TRIGGER comm_search_inserted AFTER INSERT ON messages
WHEN NEW.id <= (SELECT indexed_to FROM comm_search_state) BEGIN
  INSERT OR IGNORE INTO comm_search_stale (message_id) VALUES (NEW.id);
END;

CREATE TRIGGER comm_search_updated AFTER UPDATE OF content, type, encrypted, conversation_id ON messages
WHEN OLD.id <= (SELECT indexed_to FROM comm_search_state) BEGIN
  INSERT OR IGNORE INTO comm_search_stale (message_id) VALUES (OLD.id);
END;

CREATE TRIGGER comm_search_deleted AFTER DELETE ON messages
WHEN OLD.id <= (SELECT indexed_to FROM comm_search_state) BEGIN
  INSERT OR IGNORE INTO comm_search_stale (message_id) VALUES (OLD.id);
END;
`;
