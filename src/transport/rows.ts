import type { EncryptedEnvelope } from '../protocol/encryption.ts';
import type { Changes, Conversation, Head, Participant } from '../protocol/conversations.ts';
import { type Message, type MessageAttachment, type Reaction, type ReadReceipt } from '../protocol/messages.ts';
import type { PresenceUpdate, TypingUpdate } from '../protocol/presence.ts';
import { CONVERSATION_TYPES, MESSAGE_STATUSES, MESSAGE_TYPES, PRESENCE_STATUSES } from '../protocol/vocabulary.ts';
import { fields, type Fields } from './fields.ts';

/*
 * Readers of what a server sends, in either shape: the protocol's types, or a LumenJS server's database rows
 * (snake_case, numeric ids, `attachment` as a JSON string, `encrypted` 0/1). What can't be read is `undefined`: a
 * server's mistake must not become an exception in the app.
 */

/** Messages that were read and decrypted: no JSON of a peer can be among them. */
const decrypted = new WeakSet<object>();

/** From here on reading this very object gives it as it is, where a row that says `encrypted` is read without a content. */
export function keepDecrypted(message: Message): Message {
  decrypted.add(message);
  return message;
}

export function readMessage(value: unknown): Message | undefined {
  if (typeof value === 'object' && value !== null && decrypted.has(value)) return value as Message;
  const row = fields(value);
  const id = readId(row?.['id']);
  const conversationId = readId(row?.['conversationId'] ?? row?.['conversation_id']);
  if (row === undefined || id === undefined || conversationId === undefined) return undefined;
  const encrypted = row['encrypted'] === true || row['encrypted'] === 1;
  const content = text(row['content']) ?? '';
  const createdAt = readTime(row['createdAt'] ?? row['created_at']) ?? '';
  const type = oneOf(MESSAGE_TYPES, row['type']) ?? 'text';
  const updatedAt = readTime(row['updatedAt'] ?? row['updated_at']);
  // A base server's soft delete is an empty system message.
  const deletedAt =
    readTime(row['deletedAt'] ?? row['deleted_at']) ??
    (type === 'system' && content === '' && row['seq'] === undefined ? (updatedAt ?? createdAt) : undefined);
  const envelope = encrypted ? (readJson(row['envelope']) ?? readJson(content)) : undefined;
  const message: Message = {
    id,
    conversationId,
    senderId: readId(row['senderId'] ?? row['sender_id']) ?? '',
    content: encrypted ? '' : content,
    type,
    createdAt,
    status: oneOf(MESSAGE_STATUSES, row['status']) ?? 'sent',
    readBy: list(row['readBy'], readReceipt),
  };
  const forwardedFrom = fields(row['forwardedFrom']);
  return assignDefined(message, {
    updatedAt,
    replyTo: readId(row['replyTo'] ?? row['reply_to']),
    attachment: readJson(row['attachment']) as MessageAttachment | undefined,
    encrypted: encrypted || undefined,
    envelope: envelope as EncryptedEnvelope | undefined,
    clientId: text(row['clientId']),
    seq: count(row['seq']),
    rev: count(row['rev']),
    reactions: Array.isArray(row['reactions']) ? readReactions(row['reactions']) : undefined,
    forwardedFrom:
      forwardedFrom === undefined
        ? undefined
        : {
            conversationId: text(forwardedFrom['conversationId']) ?? '',
            messageId: readId(forwardedFrom['messageId']) ?? '',
          },
    deletedAt,
  });
}

export function readReactions(value: unknown): Reaction[] {
  return list(value, (each) => {
    const row = fields(each);
    const emoji = text(row?.['emoji']);
    if (row === undefined || emoji === undefined) return undefined;
    const users = list(row['users'], text);
    return { emoji, count: count(row['count']) ?? users.length, users };
  });
}

export function readConversation(value: unknown): Conversation | undefined {
  const row = fields(value);
  const id = readId(row?.['id']);
  if (row === undefined || id === undefined) return undefined;
  const createdAt = readTime(row['createdAt'] ?? row['created_at']) ?? '';
  const conversation: Conversation = {
    id,
    type: oneOf(CONVERSATION_TYPES, row['type']) ?? 'group',
    participants: list(row['participants'], readParticipant),
    createdAt,
    updatedAt: readTime(row['updatedAt'] ?? row['updated_at']) ?? createdAt,
    unreadCount: count(row['unreadCount'] ?? row['unread_count']) ?? 0,
  };
  return assignDefined(conversation, {
    name: text(row['name']),
    lastMessage: readMessage(row['lastMessage']),
    pinned: flag(row['pinned']),
    muted: flag(row['muted']),
    archived: flag(row['archived']),
    flagsRev: count(row['flagsRev']),
    head: readHead(row['head']),
  });
}

export function readHead(value: unknown): Head | undefined {
  const row = fields(value);
  const seq = count(row?.['seq']);
  const rev = count(row?.['rev']);
  return seq === undefined || rev === undefined ? undefined : { seq, rev };
}

export function readMessages(value: unknown): Message[] | undefined {
  return Array.isArray(value) ? list(value, readMessage) : undefined;
}

export function readChanges(value: unknown): Changes | undefined {
  const row = fields(value);
  const conversation = readConversation(row?.['conversation']);
  const head = readHead(row?.['head']);
  const changes = readMessages(row?.['changes']);
  if (conversation === undefined || head === undefined || changes === undefined) return undefined;
  return { changes, conversation, head, hasMore: row?.['hasMore'] === true, tooLong: row?.['tooLong'] === true };
}

export function readPresence(value: unknown): PresenceUpdate | undefined {
  const row = fields(value);
  const userId = readId(row?.['userId']);
  const status = oneOf(PRESENCE_STATUSES, row?.['status']);
  if (userId === undefined || status === undefined) return undefined;
  return assignDefined<PresenceUpdate>({ userId, status }, { lastSeen: readTime(row?.['lastSeen']) });
}

export function readTyping(value: unknown): TypingUpdate | undefined {
  const row = fields(value);
  const conversationId = readId(row?.['conversationId']);
  const userId = readId(row?.['userId']);
  if (conversationId === undefined || userId === undefined) return undefined;
  return { conversationId, userId, isTyping: row?.['isTyping'] === true };
}

/** Ids travel as strings; in a LumenJS server's rows they are numbers. */
export function readId(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** ISO 8601 in UTC; a LumenJS server writes some rows as `YYYY-MM-DD HH:MM:SS`, which is UTC as well. */
export function readTime(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(value) ? `${value.replace(' ', 'T')}.000Z` : value;
}

/** Sets what is defined, so that an absent property stays absent. */
export function assignDefined<T extends object>(target: T, values: { readonly [K in keyof T]?: T[K] | undefined }): T {
  for (const key of Object.keys(values) as (keyof T)[]) {
    const value = values[key];
    if (value !== undefined) target[key] = value;
  }
  return target;
}

function readParticipant(value: unknown): Participant | undefined {
  const row = fields(value);
  const userId = readId(row?.['userId']);
  if (row === undefined || userId === undefined) return undefined;
  const participant: Participant = {
    userId,
    displayName: text(row['displayName']) || userId,
    joinedAt: readTime(row['joinedAt']) ?? '',
    presence: oneOf(PRESENCE_STATUSES, row['presence']) ?? 'offline',
  };
  return assignDefined(participant, {
    avatarUrl: text(row['avatarUrl']),
    role: oneOf(['owner', 'admin', 'member'] as const, row['role']),
    lastReadSeq: count(row['lastReadSeq']),
    lastReadAt: readTime(row['lastReadAt']),
    lastDeliveredSeq: count(row['lastDeliveredSeq']),
  });
}

function readReceipt(value: unknown): ReadReceipt | undefined {
  const row = fields(value);
  const userId = readId(row?.['userId']);
  return userId === undefined ? undefined : { userId, readAt: readTime(row?.['readAt']) ?? '' };
}

/** An object, or the JSON text of one. */
function readJson(value: unknown): Fields | undefined {
  if (typeof value !== 'string') return fields(value);
  try {
    return fields(JSON.parse(value));
  } catch {
    return undefined;
  }
}

function list<T>(value: unknown, read: (each: unknown) => T | undefined): T[] {
  return Array.isArray(value) ? value.map(read).filter((each) => each !== undefined) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function flag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : typeof value === 'number' ? value !== 0 : undefined;
}

function oneOf<const T extends string>(allowed: readonly T[], value: unknown): T | undefined {
  return allowed.find((each) => each === value);
}
