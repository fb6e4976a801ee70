import { script, type Work } from '../engine/work.ts';

/** Applies the read receipts that an app's own SQL writes, such as LumenJS's. */
export function* writtenReceipts(): Work<void> {
  yield script(CATCH_UP);
  yield script(TRIGGER);
}

/** Receipts written since the markers were derived from them. */
const CATCH_UP = `
CREATE TEMP TABLE comm_behind AS
SELECT m.conversation_id, r.user_id, max(m.seq) AS seq, max(r.read_at) AS at
FROM read_receipts r JOIN messages m ON m.id = r.message_id
JOIN conversation_participants p ON p.conversation_id = m.conversation_id AND p.user_id = r.user_id
WHERE m.seq > p.last_read_seq GROUP BY m.conversation_id, r.user_id;

UPDATE comm_users SET inbox_rev = inbox_rev + 1 WHERE user_id IN (SELECT user_id FROM comm_behind);
UPDATE conversation_participants SET
  last_read_seq = behind.seq,
  last_read_at = behind.at,
  last_delivered_seq = max(last_delivered_seq, behind.seq),
  inbox_rev = (SELECT inbox_rev FROM comm_users WHERE user_id = behind.user_id),
  read_inbox_rev = (SELECT inbox_rev FROM comm_users WHERE user_id = behind.user_id)
FROM comm_behind AS behind WHERE behind.conversation_id = conversation_participants.conversation_id
  AND behind.user_id = conversation_participants.user_id;

DROP TABLE comm_behind;
`;

/** The server advances a marker before it writes the receipt, so that the trigger does nothing for it. */
const TRIGGER = `
CREATE TRIGGER comm_receipt_written AFTER INSERT ON read_receipts WHEN EXISTS (
  SELECT 1 FROM messages m JOIN conversation_participants p
    ON p.conversation_id = m.conversation_id AND p.user_id = NEW.user_id
  WHERE m.id = NEW.message_id AND m.seq > p.last_read_seq
) BEGIN
  UPDATE comm_users SET inbox_rev = inbox_rev + 1 WHERE user_id = NEW.user_id;
  UPDATE conversation_participants SET
    last_read_seq = (SELECT seq FROM messages WHERE id = NEW.message_id),
    last_read_at = NEW.read_at,
    last_delivered_seq = max(last_delivered_seq, (SELECT seq FROM messages WHERE id = NEW.message_id)),
    inbox_rev = (SELECT inbox_rev FROM comm_users WHERE user_id = NEW.user_id),
    read_inbox_rev = (SELECT inbox_rev FROM comm_users WHERE user_id = NEW.user_id)
  WHERE user_id = NEW.user_id
    AND conversation_id = (SELECT conversation_id FROM messages WHERE id = NEW.message_id);
END;
`;
