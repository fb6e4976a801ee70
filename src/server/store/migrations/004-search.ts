import { script, type Work } from '../work.ts';

/** The full-text index, kept by triggers so that rows which others write are found too. */
export function* search(): Work<void> {
  yield script(INDEX);
}

/**
 * Contentless: the text stands once, in `messages`. `scope` holds the conversation's id as one token (hex, since ids
 * may be anything), which narrows a search before any row is read. Ciphertext, tombstones and what servers write are
 * left out.
 */
const INDEX = `
CREATE VIRTUAL TABLE comm_messages_search USING fts5(
  scope, content, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2'
);

INSERT INTO comm_messages_search (rowid, scope, content)
  SELECT id, hex(conversation_id), content FROM messages
  WHERE encrypted = 0 AND deleted_at IS NULL AND content <> '' AND type NOT IN ('system', 'call');

CREATE TRIGGER comm_search_inserted AFTER INSERT ON messages
WHEN NEW.encrypted = 0 AND NEW.deleted_at IS NULL AND NEW.content <> '' AND NEW.type NOT IN ('system', 'call') BEGIN
  INSERT INTO comm_messages_search (rowid, scope, content) VALUES (NEW.id, hex(NEW.conversation_id), NEW.content);
END;

CREATE TRIGGER comm_search_updated AFTER UPDATE OF content, type, encrypted ON messages
WHEN NEW.content IS NOT OLD.content OR NEW.type IS NOT OLD.type OR NEW.encrypted IS NOT OLD.encrypted BEGIN
  DELETE FROM comm_messages_search WHERE rowid = OLD.id;
  INSERT INTO comm_messages_search (rowid, scope, content)
    SELECT NEW.id, hex(NEW.conversation_id), NEW.content
    WHERE NEW.encrypted = 0 AND NEW.content <> '' AND NEW.type NOT IN ('system', 'call');
END;

CREATE TRIGGER comm_search_deleted AFTER DELETE ON messages BEGIN
  DELETE FROM comm_messages_search WHERE rowid = OLD.id;
END;
`;
