import type { Generated } from 'kysely';

/** SQLite keeps times as text: `YYYY-MM-DDTHH:MM:SS.sssZ` by us, `YYYY-MM-DD HH:MM:SS` (UTC) by column defaults. */
type Time = string;
/** 0 or 1. */
type Flag = number;

export interface ConversationsTable {
  id: string;
  type: string;
  name: string | null;
  created_at: Generated<Time>;
  updated_at: Generated<Time>;
  /** Messages so far; the newest message's position. */
  seq: Generated<number>;
  /** Durable changes so far. */
  rev: Generated<number>;
  /** The pair of a direct conversation, unique; null for groups. */
  direct_key: string | null;
}

export interface ParticipantsTable {
  conversation_id: string;
  user_id: string;
  role: Generated<string>;
  joined_at: Generated<Time>;
  last_read_seq: Generated<number>;
  last_read_at: Time | null;
  last_delivered_seq: Generated<number>;
  muted: Generated<Flag>;
  pinned: Generated<Flag>;
  archived: Generated<Flag>;
  /** The user's `inbox_rev` when this row last changed for them, and what of it: joining, the read mark, the flags. */
  inbox_rev: Generated<number>;
  joined_inbox_rev: Generated<number>;
  read_inbox_rev: Generated<number>;
  flags_inbox_rev: Generated<number>;
  /** Where the conversation stood when they joined: what came since is news to them. */
  joined_seq: Generated<number | null>;
  joined_rev: Generated<number | null>;
}

export interface MessagesTable {
  id: Generated<number>;
  conversation_id: string;
  sender_id: string;
  /** The envelope's JSON when `encrypted`. */
  content: Generated<string>;
  type: Generated<string>;
  /** The wire id of the message it answers. */
  reply_to: string | null;
  /** JSON. */
  attachment: string | null;
  /** Kept for LumenJS; ours is derived from the participants' marks. */
  status: Generated<string>;
  encrypted: Generated<Flag>;
  created_at: Generated<Time>;
  updated_at: Time | null;
  seq: number | null;
  rev: number | null;
  /** The how-manieth of its sender in this conversation: so one's own messages after a mark need no counting. */
  sender_seq: number | null;
  client_id: string | null;
  /** The id on the wire where it isn't the decimal one: `call-<uuid>`. */
  public_id: string | null;
  deleted_at: Time | null;
  forwarded_from_conversation_id: string | null;
  forwarded_from_message_id: string | null;
}

export interface ReadReceiptsTable {
  message_id: number;
  user_id: string;
  read_at: Generated<Time>;
}

export interface EncryptionKeysTable {
  user_id: string;
  identity_key: string;
  signed_pre_key_id: number;
  signed_pre_key: string;
  signed_pre_key_signature: string;
  uploaded_at: Generated<Time>;
  /** Published by a client with the capability `mailbox`. */
  mailbox: Generated<Flag>;
}

export interface EncryptionPrekeysTable {
  user_id: string;
  key_id: number;
  public_key: string;
}

/** Of the last upload: what was handed out, and must not be published again. */
export interface TakenPrekeysTable {
  user_id: string;
  key_id: number;
  public_key: string;
}

/** Envelopes that wait until their recipient has them. */
export interface MailboxTable {
  id: Generated<number>;
  recipient_id: string;
  sender_id: string;
  digest: string;
  /** Bytes of `envelope`. */
  size: number;
  stored_at: Time;
  /** JSON. */
  envelope: string;
}

export interface ReactionsTable {
  message_id: number;
  user_id: string;
  emoji: string;
  created_at: Generated<Time>;
}

/** What we keep of a user. The prefix keeps it apart from an app's own `users`. */
export interface UsersTable {
  user_id: string;
  /** Moves with everything durable that concerns this user alone. */
  inbox_rev: Generated<number>;
  chosen_status: string | null;
  last_seen: Time | null;
}

/** Who left what, so that a device that was away learns of it. */
export interface DeparturesTable {
  user_id: string;
  conversation_id: string;
  inbox_rev: number;
}

/** The changes of messages that were applied, by the ids that their callers gave them. */
export interface AppliedTable {
  user_id: string;
  client_id: string;
  message_id: number;
  /** The how-manieth of its user, as far back as they are kept. */
  place: number;
  applied_at: Time;
}

/** One row: every message up to `indexed_to` is in the full-text index, except those listed as stale. */
export interface SearchStateTable {
  id: number;
  indexed_to: number;
}

export interface SearchStaleTable {
  message_id: number;
}

export interface MigrationsTable {
  version: number;
  name: string;
  applied_at: Generated<Time>;
}

export interface Tables {
  conversations: ConversationsTable;
  conversation_participants: ParticipantsTable;
  messages: MessagesTable;
  read_receipts: ReadReceiptsTable;
  encryption_keys: EncryptionKeysTable;
  encryption_prekeys: EncryptionPrekeysTable;
  message_reactions: ReactionsTable;
  comm_mailbox: MailboxTable;
  comm_taken_prekeys: TakenPrekeysTable;
  comm_users: UsersTable;
  comm_departures: DeparturesTable;
  comm_applied: AppliedTable;
  comm_search_state: SearchStateTable;
  comm_search_stale: SearchStaleTable;
  comm_migrations: MigrationsTable;
}

/** The tables and indexes of LumenJS 0.16, to the letter; everything of ours comes by migrations. */
export const SEED_SCHEMA = `
CREATE TABLE IF NOT EXISTS conversations (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL CHECK(type IN ('direct', 'group')),
  name TEXT,
  created_at TEXT NOT NULL DEFAULT (datetime('now')),
  updated_at TEXT NOT NULL DEFAULT (datetime('now'))
);
CREATE TABLE IF NOT EXISTS conversation_participants (
  conversation_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  role TEXT NOT NULL DEFAULT 'member',
  joined_at TEXT NOT NULL DEFAULT (datetime('now')),
  PRIMARY KEY (conversation_id, user_id),
  FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation_id TEXT NOT NULL,
  sender_id TEXT NOT NULL,
  content TEXT NOT NULL DEFAULT '',
  type TEXT NOT NULL DEFAULT 'text',
  reply_to TEXT,
  attachment TEXT,
  status TEXT NOT NULL DEFAULT 'sent',
  encrypted INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL DEFAULT (datetime('now')),
  updated_at TEXT,
  FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS read_receipts (
  message_id INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  read_at TEXT NOT NULL DEFAULT (datetime('now')),
  PRIMARY KEY (message_id, user_id),
  FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS encryption_keys (
  user_id TEXT PRIMARY KEY,
  identity_key TEXT NOT NULL,
  signed_pre_key_id INTEGER NOT NULL,
  signed_pre_key TEXT NOT NULL,
  signed_pre_key_signature TEXT NOT NULL,
  uploaded_at TEXT NOT NULL DEFAULT (datetime('now'))
);
CREATE TABLE IF NOT EXISTS encryption_prekeys (
  user_id TEXT NOT NULL,
  key_id INTEGER NOT NULL,
  public_key TEXT NOT NULL,
  PRIMARY KEY (user_id, key_id),
  FOREIGN KEY (user_id) REFERENCES encryption_keys(user_id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS idx_messages_conversation ON messages(conversation_id, created_at);
CREATE INDEX IF NOT EXISTS idx_participants_user ON conversation_participants(user_id);
`;
