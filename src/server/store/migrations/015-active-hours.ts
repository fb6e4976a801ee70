import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the hour of a conversation's last activity to its participants, so that an inbox is read in order from an index. */
export function* activeHours(): Work<void> {
  yield* addColumns('conversation_participants', { active_hour: 'TEXT' });
  yield script(FILL);
  yield script(TRIGGERS);
}

/** The two formats of time are comparable after the separator is replaced. Null without a conversation. */
const FILL = `
UPDATE conversation_participants SET active_hour = substr(replace(c.updated_at, ' ', 'T'), 1, 13)
FROM conversations AS c WHERE c.id = conversation_participants.conversation_id;
CREATE INDEX comm_participants_active ON conversation_participants(user_id, active_hour, conversation_id);
`;

/**
 * The triggers also apply to what an app's own SQL and other processes write. An hour, because a row per member is written
 * only for the first message of an hour.
 */
const TRIGGERS = `
CREATE TRIGGER comm_conversation_active AFTER UPDATE OF updated_at ON conversations
WHEN substr(replace(NEW.updated_at, ' ', 'T'), 1, 13) IS NOT substr(replace(OLD.updated_at, ' ', 'T'), 1, 13) BEGIN
  UPDATE conversation_participants SET active_hour = substr(replace(NEW.updated_at, ' ', 'T'), 1, 13)
  WHERE conversation_id = NEW.id;
END;

CREATE TRIGGER comm_conversation_created AFTER INSERT ON conversations BEGIN
  UPDATE conversation_participants SET active_hour = substr(replace(NEW.updated_at, ' ', 'T'), 1, 13)
  WHERE conversation_id = NEW.id;
END;

CREATE TRIGGER comm_conversation_deleted AFTER DELETE ON conversations BEGIN
  UPDATE conversation_participants SET active_hour = NULL WHERE conversation_id = OLD.id;
END;

CREATE TRIGGER comm_participant_active AFTER INSERT ON conversation_participants WHEN NEW.active_hour IS NULL BEGIN
  UPDATE conversation_participants SET active_hour = (
    SELECT substr(replace(updated_at, ' ', 'T'), 1, 13) FROM conversations WHERE id = NEW.conversation_id
  ) WHERE conversation_id = NEW.conversation_id AND user_id = NEW.user_id;
END;
`;
