import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the position to which a member has moved their own read position back; null otherwise. */
export function* ownPositions(): Work<void> {
  yield* addColumns('conversation_participants', { own_read_seq: 'INTEGER' });
  yield script(TRIGGER);
}

/** A receipt that an app's own SQL writes advances `last_read_seq`, which ends the effect of the own position. */
const TRIGGER = `
CREATE TRIGGER comm_own_position_ended AFTER UPDATE OF last_read_seq ON conversation_participants
WHEN NEW.own_read_seq IS NOT NULL AND NEW.last_read_seq > OLD.last_read_seq BEGIN
  UPDATE conversation_participants SET own_read_seq = NULL
  WHERE conversation_id = NEW.conversation_id AND user_id = NEW.user_id;
END;
`;
