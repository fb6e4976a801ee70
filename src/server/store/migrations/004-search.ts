import { indexRest } from '../search-index.ts';
import { script, type Work } from '../work.ts';

/** The full-text index, with what is there already in it. */
export function* search(): Work<void> {
  yield script(INDEX);
  yield* indexRest();
}

/**
 * Contentless: the text stands once, in `messages`. `scope` holds the conversation's id as one token (hex, since ids
 * may be anything), which narrows a search before any row is read.
 *
 * Indexing costs as much as all the rest of a send, so it is done later, many messages at once: everything up to
 * `indexed_to` is in the index, except what changed since and is listed as stale. See `search-index.ts`.
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
