/**
 * The triggers of the migrations up to {@link BASE_VERSION}. Most are for rows that an app's own SQL writes: the server's own
 * writes set what they would set. Triggers on participants run after the row was written, because the server updates
 * participants by insertions that conflict, for which triggers before an insertion run too.
 */
export const BASE_TRIGGERS = `
CREATE FUNCTION comm_message_placed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conversations SET seq = seq + 1, rev = rev + 1 WHERE id = NEW.conversation_id
    RETURNING seq, rev, side_seq INTO NEW.seq, NEW.rev, NEW.side_seq;
  NEW.side_seq := coalesce(NEW.side_seq, 0);
  NEW.sender_seq := 1 + coalesce((
    SELECT m.sender_seq FROM messages m
    WHERE m.conversation_id = NEW.conversation_id AND m.sender_id = NEW.sender_id AND m.seq IS NOT NULL
    ORDER BY m.seq DESC LIMIT 1
  ), 0);
  RETURN NEW;
END
$$;
CREATE TRIGGER comm_message_placed BEFORE INSERT ON messages FOR EACH ROW WHEN (NEW.seq IS NULL)
  EXECUTE FUNCTION comm_message_placed();

CREATE FUNCTION comm_message_revised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conversations SET rev = rev + 1 WHERE id = NEW.conversation_id RETURNING rev INTO NEW.rev;
  IF NEW.type = 'system' AND NEW.content = '' THEN
    NEW.deleted_at := coalesce(NEW.deleted_at, NEW.updated_at, comm_now());
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER comm_message_revised BEFORE UPDATE OF content, type, attachment, encrypted, updated_at ON messages
  FOR EACH ROW WHEN (NEW.rev IS NOT DISTINCT FROM OLD.rev AND NEW.seq IS NOT NULL)
  EXECUTE FUNCTION comm_message_revised();

CREATE FUNCTION comm_conversation_revised() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.rev := NEW.rev + 1;
  RETURN NEW;
END
$$;
CREATE TRIGGER comm_conversation_renamed BEFORE UPDATE OF name ON conversations
  FOR EACH ROW WHEN (NEW.rev IS NOT DISTINCT FROM OLD.rev AND NEW.name IS DISTINCT FROM OLD.name)
  EXECUTE FUNCTION comm_conversation_revised();
CREATE TRIGGER comm_conversation_configured
  BEFORE UPDATE OF description, avatar_url, metadata, visibility, frozen, slow_mode_seconds ON conversations
  FOR EACH ROW WHEN (NEW.rev IS NOT DISTINCT FROM OLD.rev) EXECUTE FUNCTION comm_conversation_revised();

CREATE FUNCTION comm_participant_joined() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  inbox bigint;
  head bigint;
BEGIN
  INSERT INTO comm_users (user_id, inbox_rev) VALUES (NEW.user_id, 1)
    ON CONFLICT (user_id) DO UPDATE SET inbox_rev = comm_users.inbox_rev + 1 RETURNING inbox_rev INTO inbox;
  DELETE FROM comm_departures WHERE user_id = NEW.user_id AND conversation_id = NEW.conversation_id;
  UPDATE conversations SET rev = rev + 1 WHERE id = NEW.conversation_id RETURNING seq INTO head;
  UPDATE conversation_participants SET inbox_rev = inbox, joined_inbox_rev = inbox,
    last_read_seq = coalesce(head, 0), last_delivered_seq = coalesce(head, 0)
  WHERE conversation_id = NEW.conversation_id AND user_id = NEW.user_id;
  UPDATE conversations SET direct_key = pair.key FROM (
    SELECT comm_json_array(min(user_id), max(user_id)) AS key, count(*) AS people
    FROM conversation_participants WHERE conversation_id = NEW.conversation_id
  ) AS pair
  WHERE id = NEW.conversation_id AND type = 'direct' AND direct_key IS NULL AND pair.people = 2
    AND NOT EXISTS (SELECT 1 FROM conversations AS other WHERE other.direct_key = pair.key);
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_participant_joined AFTER INSERT ON conversation_participants
  FOR EACH ROW WHEN (NEW.joined_inbox_rev = 0) EXECUTE FUNCTION comm_participant_joined();

CREATE FUNCTION comm_participant_left() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  inbox bigint;
BEGIN
  INSERT INTO comm_users (user_id, inbox_rev) VALUES (OLD.user_id, 1)
    ON CONFLICT (user_id) DO UPDATE SET inbox_rev = comm_users.inbox_rev + 1 RETURNING inbox_rev INTO inbox;
  INSERT INTO comm_departures (user_id, conversation_id, inbox_rev) VALUES (OLD.user_id, OLD.conversation_id, inbox)
    ON CONFLICT (user_id, conversation_id) DO UPDATE SET inbox_rev = excluded.inbox_rev;
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_participant_left AFTER DELETE ON conversation_participants
  FOR EACH ROW EXECUTE FUNCTION comm_participant_left();

CREATE FUNCTION comm_receipt_written() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  place record;
  inbox bigint;
BEGIN
  SELECT m.conversation_id, m.seq INTO place FROM messages m JOIN conversation_participants p
    ON p.conversation_id = m.conversation_id AND p.user_id = NEW.user_id
    WHERE m.id = NEW.message_id AND m.seq > p.last_read_seq;
  IF NOT FOUND THEN RETURN NULL; END IF;
  UPDATE comm_users SET inbox_rev = inbox_rev + 1 WHERE user_id = NEW.user_id RETURNING inbox_rev INTO inbox;
  UPDATE conversation_participants SET last_read_seq = place.seq, last_read_at = NEW.read_at,
    last_delivered_seq = greatest(last_delivered_seq, place.seq), inbox_rev = inbox, read_inbox_rev = inbox
  WHERE user_id = NEW.user_id AND conversation_id = place.conversation_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_receipt_written AFTER INSERT ON read_receipts
  FOR EACH ROW EXECUTE FUNCTION comm_receipt_written();

CREATE FUNCTION comm_search_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed bigint := CASE WHEN TG_OP = 'INSERT' THEN NEW.id ELSE OLD.id END;
BEGIN
  INSERT INTO comm_search_stale (message_id)
    SELECT changed FROM comm_search_state WHERE changed <= indexed_to ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_search_inserted AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION comm_search_changed();
CREATE TRIGGER comm_search_updated AFTER UPDATE OF content, type, encrypted, conversation_id ON messages
  FOR EACH ROW EXECUTE FUNCTION comm_search_changed();
CREATE TRIGGER comm_search_deleted AFTER DELETE ON messages FOR EACH ROW EXECUTE FUNCTION comm_search_changed();

CREATE FUNCTION comm_file_message_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM comm_file_references WHERE message_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_file_message_deleted AFTER UPDATE OF deleted_at ON messages
  FOR EACH ROW WHEN (NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL)
  EXECUTE FUNCTION comm_file_message_deleted();

CREATE FUNCTION comm_file_unreferenced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE comm_files SET state = 'removing', expires_at = '' WHERE id = OLD.file_id
    AND NOT EXISTS (SELECT 1 FROM comm_file_references WHERE file_id = OLD.file_id);
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_file_unreferenced AFTER DELETE ON comm_file_references
  FOR EACH ROW EXECUTE FUNCTION comm_file_unreferenced();

CREATE FUNCTION comm_conversation_active() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conversation_participants SET active_hour = comm_hour(NEW.updated_at) WHERE conversation_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_conversation_active AFTER UPDATE OF updated_at ON conversations
  FOR EACH ROW WHEN (comm_hour(NEW.updated_at) IS DISTINCT FROM comm_hour(OLD.updated_at))
  EXECUTE FUNCTION comm_conversation_active();
CREATE TRIGGER comm_conversation_created AFTER INSERT ON conversations
  FOR EACH ROW EXECUTE FUNCTION comm_conversation_active();

CREATE FUNCTION comm_participant_active() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conversation_participants AS p SET active_hour = comm_hour(c.updated_at) FROM conversations AS c
    WHERE c.id = NEW.conversation_id AND p.conversation_id = NEW.conversation_id AND p.user_id = NEW.user_id;
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_participant_active AFTER INSERT ON conversation_participants
  FOR EACH ROW WHEN (NEW.active_hour IS NULL) EXECUTE FUNCTION comm_participant_active();

CREATE FUNCTION comm_members_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conversations SET members_rev = members_rev + 1, members_changed_rev = rev
    WHERE id = CASE WHEN TG_OP = 'DELETE' THEN OLD.conversation_id ELSE NEW.conversation_id END;
  RETURN NULL;
END
$$;
CREATE TRIGGER comm_members_joined AFTER INSERT ON conversation_participants
  FOR EACH ROW EXECUTE FUNCTION comm_members_changed();
CREATE TRIGGER comm_members_left AFTER DELETE ON conversation_participants
  FOR EACH ROW EXECUTE FUNCTION comm_members_changed();
CREATE TRIGGER comm_members_roles AFTER UPDATE OF role ON conversation_participants
  FOR EACH ROW WHEN (NEW.role IS DISTINCT FROM OLD.role) EXECUTE FUNCTION comm_members_changed();

CREATE FUNCTION comm_own_position_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.own_read_seq := NULL;
  RETURN NEW;
END
$$;
CREATE TRIGGER comm_own_position_ended BEFORE UPDATE OF last_read_seq ON conversation_participants
  FOR EACH ROW WHEN (NEW.own_read_seq IS NOT NULL AND NEW.last_read_seq > OLD.last_read_seq)
  EXECUTE FUNCTION comm_own_position_ended();
`;
