import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the revision of the members of each conversation, which triggers advance, so that an app's own SQL does too. */
export function* membersRevision(): Work<void> {
  yield* addColumns('conversations', {
    members_rev: 'INTEGER NOT NULL DEFAULT 0',
    members_changed_rev: 'INTEGER NOT NULL DEFAULT 0',
  });
  yield script('UPDATE conversations SET members_changed_rev = rev');
  yield script(TRIGGERS);
}

const TRIGGERS = `
CREATE TRIGGER comm_members_joined AFTER INSERT ON conversation_participants BEGIN
  UPDATE conversations SET members_rev = members_rev + 1, members_changed_rev = rev WHERE id = NEW.conversation_id;
END;
CREATE TRIGGER comm_members_left AFTER DELETE ON conversation_participants BEGIN
  UPDATE conversations SET members_rev = members_rev + 1, members_changed_rev = rev WHERE id = OLD.conversation_id;
END;
CREATE TRIGGER comm_members_changed AFTER UPDATE OF role ON conversation_participants WHEN NEW.role IS NOT OLD.role BEGIN
  UPDATE conversations SET members_rev = members_rev + 1, members_changed_rev = rev WHERE id = NEW.conversation_id;
END;
`;
