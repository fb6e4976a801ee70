import { isoTime, toMessage, wireId, type MessageRow } from '../rows.ts';
import { MESSAGE_COLUMNS } from '../messages.ts';
import { scanner, type ScanKey, type ScanStep, type UserRows } from './scan.ts';
import type { Work } from '../../engine/work.ts';

/** A kind of data that the server keeps about a user. */
export interface ExportSection {
  readonly kind: string;
  /** Before the first row. */
  readonly start: ScanKey;
  /** Reads the rows of one window of the table. */
  readonly read: (userId: string, after: ScanKey) => Work<ScanStep>;
}

type Row = Record<string, unknown>;

function section(kind: string, rows: UserRows, map: (row: Row) => object = withoutNulls): ExportSection {
  const scan = scanner(rows);
  return {
    kind,
    start: rows.start,
    *read(userId, after) {
      const { rows: found, next } = yield* scan(userId, after);
      return { rows: found.map((row) => ({ ...map(row) })), next };
    },
  };
}

const withMessageId = (row: Row): object => ({ ...withoutNulls(row), messageId: String(row['messageId']) });

/** The sections of an export, in order. The names of fields are those of the protocol where it has them. */
export const EXPORT_SECTIONS: readonly ExportSection[] = [
  section('presence', {
    table: 'comm_users',
    owner: 'user_id',
    key: 'user_id',
    start: '',
    columns: 'chosen_status as "chosenStatus", last_seen as "lastSeenAt"',
  }),
  section(
    'profile',
    {
      table: 'comm_profiles',
      owner: 'user_id',
      key: 'user_id',
      start: '',
      columns: `display_name as "displayName", avatar_url as "avatarUrl", metadata, sources, updated_at as "updatedAt"`,
    },
    (row) => ({ ...withoutNulls(row), ...parsedFields(row, ['metadata', 'sources']) }),
  ),
  section('block', {
    table: 'comm_blocks',
    owner: 'blocker_id',
    key: 'blocked_id',
    start: '',
    columns: 'blocked_id as "userId", created_at as "createdAt"',
  }),
  section('ban', {
    table: 'comm_user_bans',
    owner: 'user_id',
    key: 'user_id',
    start: '',
    columns: 'banned_at as "bannedAt", reason',
  }),
  section('groupBan', {
    table: 'comm_bans',
    owner: 'user_id',
    key: 'conversation_id',
    start: '',
    columns: 'conversation_id as "conversationId", banned_at as "bannedAt", reason',
  }),
  section('membership', {
    table: 'conversation_participants',
    owner: 'user_id',
    key: 'conversation_id',
    start: '',
    columns: `conversation_id as "conversationId", role, joined_at as "joinedAt", last_read_seq as "lastReadSeq",
      last_read_at as "lastReadAt", last_delivered_seq as "lastDeliveredSeq", muted, pinned, archived`,
  }),
  section('departure', {
    table: 'comm_departures',
    owner: 'user_id',
    key: 'conversation_id',
    start: '',
    columns: 'conversation_id as "conversationId"',
  }),
  section('thread', {
    table: 'comm_thread_follows',
    owner: 'user_id',
    key: 'conversation_id',
    start: '',
    columns: 'conversation_id as "conversationId", cast(root_id as text) as "threadId", read_seq as "readSeq"',
  }),
  section('mention', {
    table: 'comm_mentions',
    owner: 'user_id',
    key: 'conversation_id',
    start: '',
    columns: 'conversation_id as "conversationId", seq',
  }),
  section(
    'message',
    {
      table: 'messages',
      key: 'messages.id',
      start: 0,
      where: 'messages.sender_id = ?',
      columns: MESSAGE_COLUMNS.join(', '),
      // Messages can be large.
      window: 250,
    },
    (row) => messageOf(row as unknown as MessageRow),
  ),
  section(
    'reaction',
    {
      table: 'message_reactions',
      key: 'message_id',
      start: 0,
      where: 'user_id = ?',
      columns: 'message_id as "messageId", emoji, created_at as "createdAt"',
    },
    withMessageId,
  ),
  section(
    'receipt',
    {
      table: 'read_receipts',
      key: 'message_id',
      start: 0,
      where: 'user_id = ?',
      columns: 'message_id as "messageId", read_at as "readAt"',
    },
    withMessageId,
  ),
  section('report', {
    table: 'comm_reports',
    key: 'id',
    start: 0,
    where: 'reporter_id = ?',
    columns: `cast(id as text) as "id", conversation_id as "conversationId", message_id as "messageId", reason, comment,
      created_at as "createdAt"`,
  }),
  section('file', {
    table: 'comm_files',
    key: 'id',
    start: '',
    where: 'uploader_id = ?',
    columns: `id as "fileId", conversation_id as "conversationId", file_name as "fileName", mime_type as "mimeType", size,
      state, created_at as "createdAt"`,
  }),
  section('keys', {
    table: 'encryption_keys',
    owner: 'user_id',
    key: 'user_id',
    start: '',
    columns: `identity_key as "identityKey", signed_pre_key_id as "signedPreKeyId", signed_pre_key as "signedPreKey",
      signed_pre_key_signature as "signedPreKeySignature", uploaded_at as "uploadedAt"`,
  }),
  section('prekey', {
    table: 'encryption_prekeys',
    owner: 'user_id',
    key: 'key_id',
    start: -1,
    columns: 'key_id as "keyId", public_key as "publicKey"',
  }),
  section(
    'mailbox',
    {
      table: 'comm_mailbox',
      key: 'id',
      start: 0,
      where: 'recipient_id = ? or sender_id = ?',
      columns: 'sender_id as "senderId", recipient_id as "recipientId", stored_at as "storedAt", envelope',
      window: 250,
    },
    (row) => ({ ...withoutNulls(row), ...parsedFields(row, ['envelope']) }),
  ),
];

/** Returns a message of the user without what others have added to it. */
function messageOf(row: MessageRow): object {
  const {
    status: _status,
    readBy: _readBy,
    ...message
  } = toMessage({ ...row, reaction_envelopes: null }, { status: 'sent', readBy: [], reactions: [] });
  return { ...message, id: wireId(row) };
}

/** Returns fields that the database has as JSON. */
function parsedFields(row: Row, names: readonly string[]): Row {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = row[name];
      return typeof value === 'string' ? [[name, JSON.parse(value) as unknown]] : [];
    }),
  );
}

function withoutNulls(row: Record<string, unknown>): object {
  return Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) => {
      if (value === null) return [];
      return [[name, typeof value === 'string' && name.endsWith('At') ? isoTime(value) : value]];
    }),
  );
}
