import type { Generated } from 'kysely';

/** Time as text: `YYYY-MM-DDTHH:MM:SS.sssZ` written by the server, `YYYY-MM-DD HH:MM:SS` (UTC) by column defaults. */
type Time = string;
/** 0 or 1. */
type Flag = number;

/** Conversations. */
export interface ConversationsTable {
  id: string;
  type: string;
  name: string | null;
  created_at: Generated<Time>;
  updated_at: Generated<Time>;
  /** Position of the newest message. */
  seq: Generated<number>;
  /** Revision of the newest durable change. */
  rev: Generated<number>;
  /** Advanced by every change of the members or of their roles. */
  members_rev: Generated<number>;
  /** `rev` at the last change of the members. */
  members_changed_rev: Generated<number>;
  /** Number of replies that are shown in their threads only, and `seq` of the first of them. */
  side_seq: Generated<number>;
  side_start: number | null;
  /** Sorted pair of a direct conversation, unique; null for groups. */
  direct_key: string | null;
  description: string | null;
  avatar_url: string | null;
  /** JSON. */
  metadata: string | null;
  /** `private` or `public`. */
  visibility: Generated<string | null>;
  frozen: Generated<Flag | null>;
  slow_mode_seconds: Generated<number | null>;
}

/** Members of conversations with their markers and flags. */
export interface ParticipantsTable {
  conversation_id: string;
  user_id: string;
  role: Generated<string>;
  joined_at: Generated<Time>;
  last_read_seq: Generated<number>;
  last_read_at: Time | null;
  last_delivered_seq: Generated<number>;
  /** Position to which the user has moved their own read position back; null: `last_read_seq`. */
  own_read_seq: Generated<number | null>;
  muted: Generated<Flag>;
  pinned: Generated<Flag>;
  archived: Generated<Flag>;
  /**
   * Inbox revision at which this row last changed for the user; then those of joining, the read marker and the flags.
   */
  inbox_rev: Generated<number>;
  joined_inbox_rev: Generated<number>;
  read_inbox_rev: Generated<number>;
  flags_inbox_rev: Generated<number>;
  /** Head of the conversation when the user joined. */
  joined_seq: Generated<number | null>;
  joined_rev: Generated<number | null>;
  /** Hour of the conversation's last activity, `YYYY-MM-DDTHH`. Maintained by triggers. */
  active_hour: Generated<string | null>;
}

/** Users who may not be members of a group. */
export interface BansTable {
  conversation_id: string;
  user_id: string;
  banned_by: string;
  banned_at: Time;
  reason: string | null;
}

/** Messages and tombstones. */
export interface MessagesTable {
  id: Generated<number>;
  conversation_id: string;
  sender_id: string;
  /** JSON of the envelope if `encrypted`. */
  content: Generated<string>;
  type: Generated<string>;
  /** Wire id of the message that is replied to. */
  reply_to: string | null;
  /** JSON. */
  attachment: string | null;
  /** Kept for LumenJS. The server derives the status from the participants' markers. */
  status: Generated<string>;
  encrypted: Generated<Flag>;
  created_at: Generated<Time>;
  updated_at: Time | null;
  seq: number | null;
  rev: number | null;
  /**
   * Number of the sender's messages in the main timeline of this conversation up to this one, so that own messages after a
   * marker needn't be counted.
   */
  sender_seq: number | null;
  client_id: string | null;
  /** Id on the wire if it isn't decimal: `call-<uuid>`. */
  public_id: string | null;
  deleted_at: Time | null;
  forwarded_from_conversation_id: string | null;
  forwarded_from_message_id: string | null;
  /** JSON. */
  link_preview: string | null;
  /** JSON array of envelopes, one per user. */
  reaction_envelopes: string | null;
  /** Wire id of the root of the thread in which this message is a reply. */
  thread_id: string | null;
  /** 1 for a reply that is shown in its thread only. */
  side: Generated<Flag>;
  /** Number of such replies in the conversation up to this message. */
  side_seq: Generated<number>;
  /** Position among the replies of the thread. */
  thread_seq: number | null;
  /** Of a root: JSON of the summary of its thread. */
  thread: string | null;
  /** JSON array of user ids. */
  mentions: string | null;
  /** JSON object of the app. */
  metadata: string | null;
  /** User who pinned the message, when, and the conversation's `rev` then; null if it isn't pinned. */
  pinned_by: string | null;
  pinned_at: Time | null;
  pinned_rev: number | null;
  /** Null for tombstones of earlier versions, which only senders could make. */
  deleted_by: string | null;
}

/** Receipts per message, as LumenJS writes and reads them. */
export interface ReadReceiptsTable {
  message_id: number;
  user_id: string;
  read_at: Generated<Time>;
}

/** Published identity keys and signed prekeys. */
export interface EncryptionKeysTable {
  user_id: string;
  identity_key: string;
  signed_pre_key_id: number;
  signed_pre_key: string;
  signed_pre_key_signature: string;
  uploaded_at: Generated<Time>;
  /** 1 if it was published by a client with the capability `mailbox`. */
  mailbox: Generated<Flag>;
  /** JSON. */
  ext: string | null;
}

/** Published one-time prekeys. */
export interface EncryptionPrekeysTable {
  user_id: string;
  key_id: number;
  public_key: string;
}

/** One-time prekeys of the last upload that were handed out and must not be published again. */
export interface TakenPrekeysTable {
  user_id: string;
  key_id: number;
  public_key: string;
}

/** Envelopes that their recipients haven't acknowledged. */
export interface MailboxTable {
  id: Generated<number>;
  recipient_id: string;
  sender_id: string;
  digest: string;
  /** Size of `envelope` in bytes. */
  size: number;
  stored_at: Time;
  /** JSON. */
  envelope: string;
  session_id: string | null;
}

/** Reactions to messages. */
export interface ReactionsTable {
  message_id: number;
  user_id: string;
  emoji: string;
  created_at: Generated<Time>;
}

/** State of users. The table has a prefix, because an app may have its own `users`. */
export interface UsersTable {
  user_id: string;
  /** Advanced by every durable change that concerns only this user. */
  inbox_rev: Generated<number>;
  chosen_status: string | null;
  last_seen: Time | null;
}

/** Departures from conversations, for devices that were offline. */
export interface DeparturesTable {
  user_id: string;
  conversation_id: string;
  inbox_rev: number;
}

/** Idempotency keys of message changes. */
export interface IdempotencyKeysTable {
  user_id: string;
  client_id: string;
  message_id: number;
  /** Position among the user's keys. */
  place: number;
  applied_at: Time;
}

/** Reports about messages. */
export interface ReportsTable {
  id: Generated<number>;
  conversation_id: string;
  /** Id on the wire. */
  message_id: string;
  /** Sender of the message. */
  sender_id: string;
  reporter_id: string;
  reason: string;
  comment: string | null;
  /** JSON of the message as the server had it at the time of the report. */
  message: string;
  /** Text of an encrypted message, as the reporter claims it. */
  content: string | null;
  created_at: Time;
  /** Null while the report is open. */
  resolved_at: Time | null;
  resolved_by: string | null;
  resolution: string | null;
}

/** Calls that have not ended, and ended ones without a log message. */
export interface CallsTable {
  id: string;
  /** JSON of the record. */
  state: string;
  /** Incremented by each change, for compare-and-set. */
  version: number;
  /** Time at which a process last held the call. */
  seen_at: Time;
  /** Null in a row that a process has written which used the database alone; the columns after it are unused then. */
  conversation_id: Generated<string | null>;
  /** 1: the call was answered and has not ended. */
  running: Generated<number>;
  /** When a process has to take care of the call, in ms since the epoch. */
  due_at: Generated<number | null>;
  /** 1: the log message of the ended call is written. */
  logged: Generated<number>;
}

/** Users with a seat or a pending invitation. */
export interface CallUsersTable {
  call_id: string;
  user_id: string;
  /** Process that the seat's device is connected to, or was last. */
  process_id: string | null;
}

/** Which call a client id has started. */
export interface CallRequestsTable {
  user_id: string;
  client_id: string;
  call_id: string;
}

/** Signals to participants whose devices are disconnected. */
export interface CallSignalsTable {
  id: Generated<number>;
  call_id: string;
  user_id: string;
  /** JSON. */
  push: string;
}

/** Processes that seats name. */
export interface CallProcessesTable {
  id: string;
  /** Time of its last heartbeat, in ms since the epoch. */
  seen_at: number;
}

/** Users who are banned from the whole server. */
export interface UserBansTable {
  user_id: string;
  banned_at: Time;
  reason: string | null;
}

/** Single row. All messages up to `indexed_to` are in the full-text index, except those listed as stale. */
export interface SearchStateTable {
  id: number;
  indexed_to: number;
}

/** Messages whose index entry is outdated. */
export interface SearchStaleTable {
  message_id: number;
}

/** Uploaded files and uploads in progress. */
export interface FilesTable {
  id: string;
  /** Conversation for which the file was uploaded. */
  conversation_id: string;
  uploader_id: string;
  file_name: string;
  mime_type: string;
  /** Bytes, as announced by the uploader and enforced. */
  size: number;
  /** SHA-256 of the secret part of the upload URL. */
  key_digest: string;
  /** `uploading`, `stored` or `removing`. */
  state: string;
  created_at: Time;
  /** When an unfinished upload or an unattached file is removed; null while a message refers to the file. */
  expires_at: Time | null;
}

/** Messages that refer to files. */
export interface FileReferencesTable {
  file_id: string;
  message_id: number;
}

/** Single row. Signs the short-lived URLs of files; shared by all processes. */
export interface FileSecretTable {
  id: number;
  secret: string;
}

/** Threads, by their root messages. */
export interface ThreadsTable {
  root_id: number;
  conversation_id: string;
  /** Number of replies, including deleted ones. */
  total: number;
  /** Number of replies that are not deleted. */
  live: number;
  /** `seq` of the newest reply that is not deleted. */
  last_seq: number;
}

/** Users who follow threads, and up to which `seq` they have read them. */
export interface ThreadFollowsTable {
  user_id: string;
  conversation_id: string;
  root_id: number;
  read_seq: number;
}

/** Mentions of users. `root_id` is 0 for messages of the main timeline. */
export interface MentionsTable {
  user_id: string;
  conversation_id: string;
  root_id: number;
  seq: number;
}

/** Migrations that have run. */
export interface MigrationsTable {
  version: number;
  name: string;
  applied_at: Generated<Time>;
}

interface ProfilesTable {
  user_id: string;
  display_name: string | null;
  avatar_url: string | null;
  metadata: string | null;
  updated_at: string;
  sources: string;
}

interface ProfileWordsTable {
  word: string;
  user_id: string;
}

interface BlocksTable {
  blocker_id: string;
  blocked_id: string;
  created_at: string;
}

/** All tables. */
export interface Tables {
  conversations: ConversationsTable;
  conversation_participants: ParticipantsTable;
  comm_bans: BansTable;
  messages: MessagesTable;
  read_receipts: ReadReceiptsTable;
  encryption_keys: EncryptionKeysTable;
  encryption_prekeys: EncryptionPrekeysTable;
  message_reactions: ReactionsTable;
  comm_mailbox: MailboxTable;
  comm_taken_prekeys: TakenPrekeysTable;
  comm_users: UsersTable;
  comm_departures: DeparturesTable;
  comm_applied: IdempotencyKeysTable;
  comm_calls: CallsTable;
  comm_call_users: CallUsersTable;
  comm_call_requests: CallRequestsTable;
  comm_call_signals: CallSignalsTable;
  comm_call_processes: CallProcessesTable;
  comm_reports: ReportsTable;
  comm_profiles: ProfilesTable;
  comm_profile_words: ProfileWordsTable;
  comm_blocks: BlocksTable;
  comm_user_bans: UserBansTable;
  comm_search_state: SearchStateTable;
  comm_search_stale: SearchStaleTable;
  comm_files: FilesTable;
  comm_file_references: FileReferencesTable;
  comm_file_secret: FileSecretTable;
  comm_threads: ThreadsTable;
  comm_thread_follows: ThreadFollowsTable;
  comm_mentions: MentionsTable;
  comm_migrations: MigrationsTable;
}

/** Tables and indexes of LumenJS 0.16, verbatim. Everything else is added by migrations. */
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
